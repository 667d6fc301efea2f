"""The main job at smoke size, through the command line; bad input ends in one message."""

from __future__ import annotations

import csv
import itertools
import json

import numpy as np
import pytest

from eqprop.analysis.collect import layer_rows, layer_speeds
from eqprop.cli import run
from eqprop.config.run_config import RunConfig
from eqprop.config.settings import build
from eqprop.experiments import rules
from eqprop.experiments.catalogue import drawings, experiments
from eqprop.running.wiring import build_topology

DRAWINGS, EXPERIMENTS = drawings(), experiments()


def test_figure3_smoke_leaves_every_record(tmp_path, capsys):
    arguments = ["reproduce", "figure3", "--preset", "smoke", "--epochs", "2"]
    assert run([*arguments, "--out", str(tmp_path)]) == 0
    folder = tmp_path / "figure3-smoke"
    assert (folder / "figure3.png").stat().st_size > 10_000
    assert (folder / "figure3.svg").is_file()
    with open(folder / "figure3.csv") as file:
        rows = list(csv.DictReader(file))
    assert [r["condition"] for r in rows] == ["layered"] * 2 + ["per-layer"] * 2 + ["rewired"] * 2
    for name in ("layered", "per-layer", "rewired"):
        entries = [
            json.loads(line)
            for line in (folder / f"{name}-seed0" / "metrics.jsonl").read_text().splitlines()
        ]
        epochs = [e for e in entries if e["kind"] == "epoch"]
        row = next(r for r in rows if r["condition"] == name and r["epoch"] == "2")
        assert float(row["training_error"]) == epochs[1]["training_error"]
        assert sum(e["kind"] == "updates" for e in entries) == 6
        summary = json.loads((folder / f"{name}-seed0" / "summary.json").read_text())
        assert summary["test_examples"] == 200 and 0 < summary["test_error"] < 1
    assert "teacher, 600 training examples, 2 epochs, seed 0;" in (
        folder / "caption.txt"
    ).read_text("utf-8")
    assert run(["evaluate", str(folder / "rewired-seed0"), "--split", "validation"]) == 0
    printed = capsys.readouterr().out
    assert f'"validation_error": {rows[-1]["validation_error"]}' in printed


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["reproduce", "figure33"], 2, "Did you mean 'figure3'?"),
        (["reproduce", "figure3", "--preset", "qick"], 2, "Did you mean 'quick'?"),
        (["reproduce", "figure3", "--dataset", "mnits"], 2, "'mnits'"),
        (["reproduce", "figure3", "--only", "rewird"], 2, "Did you mean 'rewired'?"),
        (["reproduce", "figure3", "--first-seed", "-1"], 2, "`--first-seed` must be 0 or more"),
        (["reproduce", "table1", "--seeds", "2"], 2, "`--seeds` has no meaning for table1"),
        (["train", "missing.toml"], 2, "`config` must be a readable TOML file"),
        (["evaluate", "nowhere"], 5, "`run` must be the folder of a run"),
        (["config", "--set", "seeed=1"], 2, "Did you mean `seed`?"),
        (["config", "--set", "learning.beta=0"], 2, "`beta` must not be 0"),
        (["data", "fetch", "mnits"], 2, "Did you mean 'mnist'?"),
        (["nonsense"], 2, "nonsense"),
    ],
)
def test_bad_input_ends_in_one_message(arguments, code, message, capsys):
    assert run(arguments) == code
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error and error.count("eqprop:") == 1


def test_settings_round_trip_through_toml():
    import tomllib

    config = build({"topology": {"wiring": "rewire", "p": 0.1, "receivers": [[2, 0]]}, "seed": 4})
    assert build(tomllib.loads(config.to_toml())) == config != RunConfig()


FIGURES = [name for name in EXPERIMENTS if name != "figure3"]
_MOST = 4  # conditions of a figure, each of which compiles programs of its own


@pytest.mark.parametrize("figure", FIGURES)
def test_every_kind_of_figure_is_drawn_at_smoke_size(figure, tmp_path, capsys):
    wanted = list(EXPERIMENTS[figure].conditions("smoke"))
    if len(wanted) > _MOST:
        wanted = [*wanted[:2], *wanted[-2:]]
    check_figure(figure, wanted, tmp_path, capsys)


@pytest.mark.longest
@pytest.mark.parametrize(
    "figure", [name for name in FIGURES if len(EXPERIMENTS[name].conditions("smoke")) > _MOST]
)
def test_every_condition_of_a_figure_is_trained(figure, tmp_path, capsys):
    check_figure(figure, list(EXPERIMENTS[figure].conditions("smoke")), tmp_path, capsys)


def check_figure(figure, wanted, tmp_path, capsys):
    """Draws some conditions of a figure and looks at what it leaves."""
    arguments = ["reproduce", figure, "--preset", "smoke", "--seeds", "1", "--epochs", "1"]
    only = [part for condition in wanted for part in ("--only", condition)]
    assert run([*arguments, *only, "--out", str(tmp_path)]) == 0
    folder = tmp_path / f"{figure}-smoke"
    with open(folder / f"{figure}.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["condition"] for row in rows] == wanted
    with open(folder / f"{figure}-updates.csv") as file:
        updates = list(csv.DictReader(file))
    assert {row["condition"] for row in updates} == set(wanted)
    assert all(float(row["update"]) > 0 for row in updates if row["pair"] == "4-3")
    for suffix in (".png", ".svg"):
        assert (folder / f"{figure}{suffix}").stat().st_size > 5_000
    if figure == "figure4":
        assert (folder / "figure4-correction.png").stat().st_size > 5_000
    assert wanted[0] in capsys.readouterr().out


def test_every_rule_ends_at_the_same_work(tmp_path):
    names = ["random-sign", "recurrent-backpropagation", "backpropagation"]
    only = [f"--only=layered-{name}" for name in names]
    base = ["reproduce", "rules", "--preset", "smoke", "--seeds", "1", *only]
    assert run([*base, "--out", str(tmp_path)]) == 0
    with open(tmp_path / "rules-smoke" / "rules.csv") as file:
        ends = {row["condition"]: row for row in csv.DictReader(file)}
    for row in ends.values():
        # A budget is checked after every ten batches.
        assert 1 <= float(row["multiply_adds"]) / rules.budget("smoke", "layered") < 1.2
        assert row["validation_examples"] == "200"
    epochs = [int(ends[f"layered-{name}"]["epoch"]) for name in names]
    assert epochs[2] > 10 * epochs[0]


def test_seeds_begin_where_they_are_told_to(tmp_path):
    arguments = ["reproduce", "figure3", "--preset", "smoke", "--epochs", "1", "--only", "layered"]
    assert run([*arguments, "--first-seed", "4", "--seeds", "2", "--out", str(tmp_path)]) == 0
    with open(tmp_path / "figure3-smoke" / "figure3.csv") as file:
        rows = [(row["condition"], row["seed"]) for row in csv.DictReader(file)]
    assert rows == [("layered", "4"), ("layered", "5")]


def test_values_of_p_can_be_added_later(tmp_path, capsys):
    folder = tmp_path / "figure5-smoke"
    base = ["reproduce", "figure5", "--preset", "smoke", "--seeds", "1"]
    assert run([*base, "--only", "p0.35", "--out", str(tmp_path)]) == 0
    before = (folder / "p0.35-seed0" / "summary.json").stat().st_mtime_ns
    assert run([*base, "--only", "p0.2", "--into", str(folder)]) == 0
    with open(folder / "figure5.csv") as file:
        assert [row["condition"] for row in csv.DictReader(file)] == ["p0.35", "p0.2"]
    assert (folder / "p0.35-seed0" / "summary.json").stat().st_mtime_ns == before
    assert run([*base, "--only", "p1.2", "--into", str(folder)]) == 2
    assert "condition" in capsys.readouterr().err
    # Measures of wirings are kept, unless their file was cut.
    measures = folder / "figure5-small-world.csv"
    whole = measures.read_bytes()
    measures.write_bytes(whole[:-3])
    assert run(["resume", str(folder)]) == 0
    assert measures.read_bytes() == whole
    assert "pooled" in (folder / "figure5-correlations.csv").read_text()


def test_figure5_can_do_without_rewired_networks(tmp_path):
    base = ["reproduce", "figure5", "--preset", "smoke", "--seeds", "1", "--only", "layered"]
    assert run([*base, "--out", str(tmp_path)]) == 0
    assert (tmp_path / "figure5-smoke" / "figure5.png").is_file()


def test_particles_and_cold_starts_share_their_first_epoch(tmp_path):
    only = ["--only", "rewired-particles", "--only", "rewired-cold"]
    base = ["reproduce", "particles", "--preset", "smoke", "--seeds", "1", *only]
    assert run([*base, "--out", str(tmp_path)]) == 0
    with open(tmp_path / "particles-smoke" / "particles.csv") as file:
        kept, cold = (list(rows) for _, rows in itertools.groupby(
            csv.DictReader(file), key=lambda row: row.pop("condition")
        ))  # fmt: skip
    assert kept[0] == cold[0]
    assert kept[1]["training_cost"] != cold[1]["training_cost"]


def test_every_experiment_has_valid_settings_at_every_preset():
    for experiment in EXPERIMENTS.values():
        for preset in experiment.presets:
            cells = experiment.cells(preset)
            seeds = experiment.default_seeds(preset)
            assert len(cells) == len(experiment.conditions(preset)) * seeds
            assert len({cell.name for cell in cells}) == len(cells)
    assert len(EXPERIMENTS["figure5"].conditions("paper")) >= 16


def test_only_some_conditions_are_wanted():
    cells = EXPERIMENTS["figure3"].cells("smoke", [0, 3], only=["rewired", "layered"])
    assert [cell.name for cell in cells] == [
        "layered-seed0", "rewired-seed0", "layered-seed3", "rewired-seed3",
    ]  # fmt: skip


def test_layer_speeds_are_ratios_of_late_updates():
    rows = [
        {"condition": "a", "seed": 0, "batch": batch, "pair": pair, "update": size}
        | {"correction": 2 * size if pair == "1-0" else size}
        for batch in range(8)
        for pair, size in (("1-0", 1.0), ("2-1", 4.0 if batch > 4 else 99.0), ("3-2", 100.0))
    ]
    skip = {"condition": "a", "seed": 0, "batch": 7, "pair": "3-0"}
    rows.append(skip | {"update": 1e9, "correction": 1e9})
    layers = layer_rows(rows)
    found = layer_speeds(layers)["a"]
    assert found["output_to_input"] == pytest.approx(100) and found["spread"] == pytest.approx(4)
    assert found["output_to_rest"] == pytest.approx(100 / 2)
    before = layer_speeds(layers, "late_correction")["a"]
    assert before["output_to_input"] == pytest.approx(50)
    silent = [row | ({"late_update": 0.0} if row["pair"] == "1-0" else {}) for row in layers]
    assert set(layer_speeds(silent)["a"].values()) == {np.inf}
    # Over all records, the early ones among them.
    assert layers[1]["pair"] == "2-1" and layers[1]["update"] == pytest.approx((5 * 99 + 12) / 8)


@pytest.mark.parametrize("figure", DRAWINGS)
def test_every_drawing_is_made(figure, tmp_path, capsys):
    assert run(["reproduce", figure, "--preset", "smoke", "--out", str(tmp_path)]) == 0
    folder = tmp_path / f"{figure}-smoke"
    for name in ("table1.csv",) if figure == "table1" else (f"{figure}.png", f"{figure}.csv"):
        assert (folder / name).stat().st_size > 200
    assert figure in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "connections"),
    [([], 1_271_250), (["topology.wiring=layered", "topology.intralayer=false"], 897_000)],
)
def test_topology_counts_what_the_paper_counts(changes, connections, tmp_path, capsys):
    # 784*500 + 2*500*500 + 500*10, and 3*500*499/2 inside layers before n are replaced.
    options = [f"--set={change}" for change in changes]
    assert run(["topology", *options, "--picture", str(tmp_path / "t.png")]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["total"] == connections
    assert (tmp_path / "t.png").stat().st_size > 5_000


def test_topology_measures_and_compares_procedures(tmp_path, capsys):
    small = ["--set=topology.layer_sizes=[9,8,8,4]", "--set=topology.p=0.1"]
    assert run(["topology", *small, "--small-world"]) == 0
    facts = json.loads(capsys.readouterr().out)["small_world"]
    assert 1 < facts["path_length"] < 3 and 0 < facts["clustering"] < 1
    file = tmp_path / "w.csv"
    assert run(["topology", *small, "--compare", str(file), "--seeds", "2"]) == 0
    with open(file) as table:
        rows = list(csv.DictReader(table))
    kept = {
        (row["p"], row["procedure"]): float(row["originals_kept"])
        for row in rows
        if row["seed"] == "0"
    }
    assert {procedure for _, procedure in kept} == {"algorithm 1", "watts-strogatz"}
    few, many = (kept[p, "algorithm 1"] for p in ("0.05", "0.5"))
    assert 0.5 < many < few < 1


def test_list_names_everything(capsys):
    assert run(["reproduce", "--list"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in (*EXPERIMENTS, *DRAWINGS))


def test_controls_have_what_their_names_say():
    cells = EXPERIMENTS["controls"].cells("paper", [0])
    counts = {cell.condition: build_topology(config).accounting() for cell, config in cells.items()}
    for shape, output, many in (("3x500", 4, 90_000), ("5x100", 6, 9_000)):
        layered, rewired, inside, bare, not_from_input, not_direct = (
            counts[f"{shape}-{name}"]
            for name in (
                "layered", "rewired", "intralayer-only", "skips-without-intralayer",
                "no-skip-from-input", "no-input-output-skip",
            )
        )  # fmt: skip
        assert layered.intralayer == layered.skip == inside.skip == 0 < inside.intralayer
        assert bare.intralayer == 0 and bare.total == layered.total
        assert bare.skip == pytest.approx(rewired.skip, rel=0.05) and bare.skip > many
        assert not_from_input.skips_from_input == 0 < not_from_input.skip
        direct = (output, 0)
        assert not_direct.per_block.get(direct, 0) == 0 < rewired.per_block[direct]
        assert rewired.skips_from_input > 0.6


def test_what_is_of_many_runs_is_refused_for_one(tmp_path, capsys):
    few = ["--set", "data.dataset=teacher", "--set", "topology.layer_sizes=[20, 4, 4]",
           "--set", "training.epochs=1"]  # fmt: skip
    assert run(["train", "--recipe", "paper", "--out", str(tmp_path), *few]) == 0
    assert run(["resume", str(tmp_path / "run"), "--workers", "2"]) == 2
    assert "are of many runs, got the single run" in capsys.readouterr().err
