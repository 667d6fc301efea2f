"""What a row measures: an error where there is one, else a cost."""

from __future__ import annotations

import dataclasses

from eqprop.analysis.collect import epoch_rows, measure_of, summaries
from eqprop.analysis.tables import Drawn, table_of
from eqprop.analysis.varied import ends
from eqprop.config.settings import build
from eqprop.sweeps.sweep import Cell, create_sweep


def test_perfect_classifiers_are_classifiers():
    perfect = {"training_error": 0.0, "validation_error": 0.0, "validation_cost": 0.01}
    assert measure_of([perfect | {"task": "classification"}] * 2) == ("error", 100)
    assert measure_of([perfect | {"task": "regression"}] * 2) == ("cost", 1)


def test_rows_of_unfinished_cells_are_collected_when_asked_for(tmp_path):
    cells = [Cell(f"c-seed{seed}", "c", seed) for seed in (0, 1, 2)]
    configs = {cell: build({"name": cell.name, "seed": cell.seed}) for cell in cells}
    sweep = create_sweep(tmp_path, "s", "figure3", "smoke", configs)
    for cell in cells[:2]:
        entries = [{"kind": "epoch", "epoch": e, "training_error": 0.5 / e} for e in (1, 2)]
        sweep.run(cell).append("metrics.jsonl", entries)
    sweep.run(cells[1]).write_json("summary.json", {"epoch": 2})
    assert [(row["seed"], row["epoch"]) for row in epoch_rows(sweep)] == [(1, 1), (1, 2)]
    every = epoch_rows(dataclasses.replace(sweep, with_unfinished=True))
    assert [(row["seed"], row["training_error"]) for row in every] == [
        (0, 0.5), (0, 0.25), (1, 0.5), (1, 0.25),
    ]  # fmt: skip


def test_errors_of_kept_states_are_rows_of_kept_errors(tmp_path):
    """A run that looks at kept states alone records them as its validation error."""
    cell = Cell("c-seed0", "c", 0)
    config = build({"name": cell.name, "evaluation": {"start": "kept"}})
    sweep = create_sweep(tmp_path, "s", "figure3", "smoke", {cell: config})
    looks = [
        {"kind": "epoch", "epoch": epoch, "task": "classification", "training_error": 0.5,
         "warnings": [], "validation_error": 0.25 / epoch, "validation_start": start,
         "validation_unsettled": 0.0}
        for epoch, start in ((1, "cold"), (2, "kept"))
    ]  # fmt: skip
    sweep.run(cell).append("metrics.jsonl", looks)
    sweep.run(cell).write_json("summary.json", looks[-1] | {"dataset": "teacher"})
    rows = epoch_rows(sweep)
    found = [(row["validation_error"], row.get("validation_kept_error")) for row in rows]
    assert found == [(0.25, None), (None, 0.125)]
    [end] = summaries(sweep).values()
    assert (end["validation_error"], end["validation_kept_error"]) == (None, 0.125)
    drawn = Drawn(sweep, rows, [], [], "")
    columns, [told] = table_of(drawn)
    shown = dict(zip(columns, told, strict=True))
    assert (shown["kept %"], shown["cold %"]) == ("12.50", "-")
    assert ends(drawn)[0]["validation_kept"] == 0.125 and ends(drawn)[0]["validation"] is None


def test_where_there_is_a_regression_costs_are_told():
    kinds = [{"task": task, "training_error": 0.0} for task in ("classification", "regression")]
    assert measure_of(kinds[:1]) == ("error", 100)
    assert measure_of(kinds) == measure_of(kinds[1:]) == ("cost", 1)
