"""The best setting of each wiring and depth, by hand."""

from __future__ import annotations

from eqprop.analysis.depths import best_by_depth
from eqprop.analysis.run_tables import depths


def rows(condition, errors, epoch=2):
    return [
        {"condition": condition, "seed": str(seed), "epoch": str(e),
         "validation_error": str(error) if e == epoch else ""}
        for seed, error in enumerate(errors)
        for e in range(1, epoch + 1)
    ]  # fmt: skip


GIVEN = [
    *rows("3 layered, rate 0.1, g 1, 2+1", [0.03, 0.05]),
    *rows("3 layered, rate 0.2, g 1, 2+1", [0.02, 0.08]),
    *rows("10 layered, rate 0.1, g 1, 2+1", [0.06, 0.10]),
    *rows("3 skips, rate 0.1, backpropagation", [0.02, 0.02]),
    *rows("3 skips, rate 0.1, g 1, 2+1", [0.01]),
    *rows("3 skips, rate 0.1, g 1, 2+1", [0.01, 0.01], epoch=1)[1:],  # not over
]


def test_the_best_is_the_smallest_mean_of_settings_that_are_over():
    assert best_by_depth(GIVEN) == {
        "layered": {
            3: ("rate 0.1, g 1, 2+1", {"0": 0.03, "1": 0.05}),
            10: ("rate 0.1, g 1, 2+1", {"0": 0.06, "1": 0.10}),
        },
        "skips, backpropagation": {3: ("rate 0.1, backpropagation", {"0": 0.02, "1": 0.02})},
    }


def test_of_kept_states_where_they_are_asked_for():
    kept = [{**row, "validation_kept_error": "0.5"} for row in GIVEN]
    assert best_by_depth(kept, "validation_kept_error")["layered"][3][1] == {"0": 0.5, "1": 0.5}


def test_the_table_has_a_column_per_depth():
    text = depths(GIVEN)
    assert text.splitlines()[0] == "|  | 3 hidden layers | 10 hidden layers |"
    assert "| layered | 4.00 +- 12.71 (2 seeds)<br>rate 0.1, g 1, 2+1 | 8.00 +- 25.41" in text
    assert "| 2.00 +- 0.00 (2 seeds)<br>rate 0.1, backpropagation | - |" in text


def test_below_each_wiring_against_the_first_seed_by_seed():
    """-1 and -3 points, of the seeds that both have: the mean and Student's t by hand."""
    more = rows("3 skips, rate 0.1, backpropagation", [0.02, 0.02, 0.09])
    text = depths([*GIVEN[:8], *more])
    assert "| skips, backpropagation, against layered | -2.00 +- 12.71 (2 seeds) |" in text
    assert "against" not in depths([row for row in GIVEN if row["seed"] == "0"])
