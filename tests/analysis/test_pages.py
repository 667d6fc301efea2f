"""Tables of results pages. Oracle: the same numbers by hand."""

from __future__ import annotations

from eqprop.analysis.benchmark_tables import accuracy
from eqprop.analysis.run_tables import across, course, ends


def row(who: str, seed: int, epoch: int, seconds: float, error: float) -> dict[str, str]:
    values = {"who": who, "seed": seed, "epoch": epoch, "seconds": seconds, "test_error": error}
    return {name: str(value) for name, value in values.items()}


def test_time_to_accuracy_is_that_of_the_first_look_below_and_the_last_look_counts():
    rows = [
        row("ours", 0, 1, 10, 5.4), row("ours", 0, 2, 20, 3.0), row("ours", 0, 3, 30, 3.2),
        row("ours", 1, 1, 11, 4.9), row("ours", 1, 2, 21, 3.4), row("ours", 1, 3, 33, 2.8),
        row("ours", 2, 1, 12, 5.0), row("ours", 2, 2, 23, 2.9), row("ours", 2, 3, 34, 2.4),
        row("theirs", 0, 1, 60, 6.0), row("theirs", 0, 2, 120, 4.0),
    ]  # fmt: skip
    head, _, ours, theirs = accuracy(rows, [5, 3]).strip().splitlines()
    assert head == "| code | 5 %, s | 3 %, s | last test error % | epochs | s an epoch |"
    assert ours == (
        "| ours | **12.0** (20.0, 11.0, 12.0) | **23.0** (20.0, 33.0, 23.0) | "
        "**2.80** (3.20, 2.80, 2.40) | 3 | 11.0 |"
    )
    assert theirs == "| theirs | 120.0 | - | 4.00 | 2 | 60.0 |"


def test_a_median_is_only_of_seeds_that_all_reached_it():
    rows = [row("ours", 0, 1, 10, 4.0), row("ours", 1, 1, 11, 6.0)]
    assert "| 10.0, - |" in accuracy(rows, [5])


def test_ends_are_means_over_seeds_in_percent_but_for_counts():
    rows = [
        {"condition": "a", "seed": "0", "cold": "0.125", "kept": "", "sweeps": "12.26"},
        {"condition": "a", "seed": "1", "cold": "0.375", "kept": "", "sweeps": "14.26"},
        {"condition": "b", "seed": "0", "cold": "0.5", "kept": "0.25", "sweeps": "3"},
        {"condition": "c", "seed": "0", "cold": "0.5", "kept": "0.25", "sweeps": "3"},
    ]
    columns = {"cold": "cold %", "kept": "kept %", "sweeps": "sweeps"}
    head, _, *lines = ends(rows, columns, {"b": "second", "a": "first"}, ["sweeps"]).splitlines()
    assert head == "|  | cold % | kept % | sweeps |"
    assert "12,345" in ends([rows[2] | {"sweeps": "12345"}], columns, counts=["sweeps"])
    assert lines == [
        "| second | 50.00 | 25.00 | 3.0 |",
        "| first | 25.00 (12.50, 37.50) | - | 13.3 (12.3, 14.3) |",
    ]


def test_a_course_has_both_errors_of_the_epochs_that_a_run_has_come_to():
    rows = [
        {"condition": "a", "epoch": "1", "training_error": "0.5", "validation_kept_error": ""},
        {"condition": "a", "epoch": "2", "training_error": "0.25", "validation_kept_error": "0.3"},
        {"condition": "b", "epoch": "1", "training_error": "0.125", "validation_kept_error": "0"},
    ]
    head, _, first, second = course(rows, [1, 2], {"a": "A", "b": "b"}).strip().splitlines()
    assert (
        head
        == "|  | training %, epoch 1 | training %, epoch 2 | kept %, epoch 1 | kept %, epoch 2 |"
    )
    assert first == "| A | 50.00 | 25.00 | - | 30.00 |"
    assert second == "| b | 12.50 | - | 0.00 | - |"


def test_ends_are_compared_seed_by_seed_with_those_that_begin_alike():
    rows = [
        {"condition": name, "seed": seed, "error": error}
        for name, seed, error in [
            ("wide-cold", "0", "0.5"), ("wide-cold", "1", "0.25"), ("deep-cold", "0", "0.75"),
            ("wide-kept", "0", "0.25"), ("wide-kept", "1", "0.125"), ("deep-kept", "1", "0.5"),
        ]
    ]  # fmt: skip
    lines = ends(rows, {"error": "error %"}, reference="kept", judged="error").splitlines()
    assert lines[0] == "|  | error % | error %, against kept |"
    found = {line.split(" | ")[0].removeprefix("| "): line.split(" | ")[-1] for line in lines[2:]}
    # 25 and 12.5 points; Student's t of one degree of freedom is 12.7.
    assert found["wide-cold"].startswith("+18.75") and "79.41" in found["wide-cold"]
    assert found["deep-cold"] == found["wide-kept"] == "- |"


def test_ways_stand_below_each_other_and_networks_side_by_side():
    rows = [
        {"condition": name, "seed": seed, "epoch": epoch, "error": error}
        for name, seed, epoch, error in [
            ("wide, exact", "0", "1", "0.5"), ("wide, exact", "0", "2", "0.25"),
            ("wide, exact", "1", "2", "0.75"), ("deep, exact", "0", "2", "0.125"),
            ("deep, 4 bits", "0", "1", "0.9"), ("wide, 4 bits", "0", "2", "0.875"),
        ]
    ]  # fmt: skip
    assert across(rows, {"error": "error %"}).splitlines() == [
        "|  | wide, error % | deep, error % |",
        "| --- | --- | --- |",
        "| exact | 50.00 (25.00, 75.00) | 12.50 |",
        "| 4 bits | 87.50 | - |",
    ]
    runs = [
        {"network": network, "seed": "0", "device": device, "error": error}
        for network, device, error in [
            ("wide", "exact", "0.25"), ("wide", "pcm", ""), ("deep", "pcm", "0.875"),
        ]
    ]  # fmt: skip
    assert across(runs, {"error": "error %"}, way="device").splitlines()[2:] == [
        "| exact | 25.00 | - |",
        "| pcm | - | 87.50 |",
    ]
