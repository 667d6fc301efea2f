"""The records of a sweep's finished runs as rows: what figures and tables are made of."""

from __future__ import annotations

import contextlib
import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eqprop.records import RunFolder
from eqprop.sweeps.sweep import Cell, Sweep

Row = Mapping[str, Any]
Rows = Sequence[Row]
NewRow = dict[str, Any]
"""Under the names of its columns; one that is being put together."""

EPOCH_COLUMNS = (
    "condition",
    "seed",
    "epoch",
    "task",
    "multiply_adds",
    "training_error",
    "training_cost",
    "validation_error",
    "validation_cost",
    "validation_examples",
    "validation_unsettled",
    "validation_kept_error",
    "validation_kept_cost",
    "free_steps",
    "free_unsettled",
    "free_residual_mean",
    "nudged_steps",
    "nudged_unsettled",
    "nudged_residual_mean",
    "warnings",
)
_PAIR = re.compile(r"\d+-\d+")

UPDATE_COLUMNS = ("condition", "seed", "batch", "pair", "correction", "update")


def epoch_rows(sweep: Sweep) -> list[NewRow]:
    """A row per cell and epoch, of the cells that the sweep tells of."""
    rows = []
    for label, folder in _labelled(sweep, sweep.told):
        for entry in map(_by_start, folder.epochs()):
            entry["warnings"] = " ".join(entry.get("warnings", []))
            rows.append(label | {key: value for key, value in entry.items() if key != "kind"})
    return rows


def update_rows(sweep: Sweep) -> list[NewRow]:
    """A row per finished cell, recorded batch, and pair of layers `post-pre`."""
    rows = []
    for label, folder in _labelled(sweep, sweep.told):
        for entry in folder.recorded("updates"):
            for pair, update in entry["updates"].items():
                if not _PAIR.fullmatch(pair):
                    continue  # biases, and parameters of a cost or a term
                correction = entry["corrections"][pair]
                sizes = {"pair": pair, "correction": correction, "update": update}
                rows.append(label | {"batch": entry["batch"]} | sizes)
    return rows


def summaries(sweep: Sweep) -> dict[Cell, NewRow]:
    """The summary of each cell: how it ended, or where it is as far as that was recorded."""
    return {cell: _summary(sweep, cell) for cell in sweep.told}


def _summary(sweep: Sweep, cell: Cell) -> NewRow:
    run = sweep.run(cell)
    if run.is_finished:
        return _by_start(run.read_json("summary.json"))
    return {"dataset": sweep.config(cell).data.dataset.name, **_by_start(run.epochs()[-1])}


def _by_start(entry: Row) -> NewRow:
    """What a look found, named by its start: a run that looks at kept states alone has no other."""
    if entry.get("validation_start") != "kept":
        return dict(entry)
    found = ("error", "cost", "examples", "unsettled", "steps", "start")
    kept = {f"validation_kept_{name}": entry.get(f"validation_{name}") for name in found}
    return {**entry, **dict.fromkeys(f"validation_{name}" for name in found), **kept}


def cut(sweep: Sweep, epochs: Rows) -> list[Cell]:
    """The finished cells whose `epoch_rows` do not reach the epoch that their summary tells."""
    ends = {(row["condition"], row["seed"]): row["epoch"] for row in epochs}
    return [
        cell
        for cell, told in summaries(sweep).items()
        if ends.get((cell.condition, cell.seed)) != told["epoch"]
    ]


def _labelled(sweep: Sweep, cells: Iterable[Cell]) -> Iterator[tuple[NewRow, RunFolder]]:
    for cell in cells:
        yield {"condition": cell.condition, "seed": cell.seed}, sweep.run(cell)


def layers_of(pair: str) -> tuple[int, int]:
    """Later and earlier layer of a pair `post-pre`.

    >>> layers_of("3-0")
    (3, 0)
    """
    post, pre = map(int, pair.split("-"))
    return post, pre


def write_rows(rows: Rows, columns: Sequence[str], path: Path) -> None:
    """Rows as CSV, the whole file or nothing; empty where something was not measured."""
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, columns, restval="", extrasaction="ignore")
    table.writeheader()
    table.writerows(rows)
    RunFolder(path.parent).write_text(path.name, text.getvalue())


def read_rows(path: Path) -> list[NewRow]:
    """The rows that `write_rows` wrote: numbers as numbers, None where nothing was measured."""
    with open(path, encoding="utf-8", newline="") as opened:
        return [
            {name: _value(text) for name, text in row.items()} for row in csv.DictReader(opened)
        ]


def _value(text: str) -> Any:
    if text in ("", "True", "False"):
        return {"": None, "True": True, "False": False}[text]
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text


FLAT_COLUMNS = ("what", "value")


def flat_rows(values: Mapping[str, Any]) -> list[NewRow]:
    """Nested values as rows of a name and a number; those of a list are counted.

    >>> flat_rows({"free": {"steps": 3}, "betas": [1, -1]})[1:]
    [{'what': 'betas 1', 'value': 1}, {'what': 'betas 2', 'value': -1}]
    """
    rows: list[NewRow] = []

    def add(name: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, entry in value.items():
                add(f"{name} {key}".strip(), entry)
        elif isinstance(value, list | tuple):
            for number, entry in enumerate(value, start=1):
                add(f"{name} {number}", entry)
        else:
            rows.append({"what": name, "value": value})

    add("", values)
    return rows


def conditions_of(rows: Rows) -> list[str]:
    """The conditions in the order in which they come."""
    return list(dict.fromkeys(row["condition"] for row in rows))


def by_seed(rows: Rows, condition: str) -> list[list[Row]]:
    """The rows of a condition, seed by seed."""
    chosen = [row for row in rows if row["condition"] == condition]
    seeds = dict.fromkeys(row["seed"] for row in chosen)
    return [[row for row in chosen if row["seed"] == seed] for seed in seeds]


def of_cell(rows: Rows, cell: Cell) -> list[Row]:
    """The rows of one run of a sweep."""
    return [row for row in rows if (row["condition"], row["seed"]) == (cell.condition, cell.seed)]


def last_epoch(rows: Rows) -> list[Row]:
    """The rows of the last epoch: where runs of one length have ended. Runs not over have none."""
    ended = max((int(row["epoch"]) for row in rows), default=0)
    return [row for row in rows if int(row["epoch"]) == ended]


def mean_and_interval(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean, and half the length of its 95 % interval by Student's t; None for a single value.

    >>> mean, half = mean_and_interval([1.0, 2.0, 3.0])
    >>> print(f"{mean:.2f} {half:.2f}")
    2.00 2.48
    """
    from scipy.special import stdtrit  # here, since the command line starts without SciPy

    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return mean, None
    return mean, float(stdtrit(count - 1, 0.975) * np.std(values, ddof=1) / count**0.5)


def measure_of(rows: Rows) -> tuple[str, int]:
    """What tells how well runs do, and by what it is multiplied for a reader.

    The error in percent; the mean cost where there is a regression, of which no example is ever
    wrong.
    """
    tasks = {row["task"] for row in rows if row.get("task")}
    if tasks:
        return ("cost", 1) if "regression" in tasks else ("error", 100)
    # Records of earlier versions do not tell.
    wrong = any(row["training_error"] or row.get("validation_error") for row in rows)
    return ("error", 100) if wrong else ("cost", 1)


LAYER_COLUMNS = ("condition", "seed", "pair", "update", "late_update", "late_correction")


def layer_rows(updates: Rows) -> list[NewRow]:
    """What `update_rows` come to: a row per run and pair of layers.

    `update` is the mean over all records; `late_update` and `late_correction`, before the
    learning rate, are means over the last quarter of them.
    """
    rows = []
    for condition in conditions_of(updates):
        for run in by_seed(updates, condition):
            late = np.quantile([row["batch"] for row in run], 0.75)
            for pair in dict.fromkeys(row["pair"] for row in run):
                chosen = [row for row in run if row["pair"] == pair]
                last = [row for row in chosen if row["batch"] >= late]
                label = {"condition": condition, "seed": run[0]["seed"], "pair": pair}
                sizes = {
                    "update": float(np.mean([row["update"] for row in chosen])),
                    "late_update": float(np.mean([row["update"] for row in last])),
                    "late_correction": float(np.mean([row["correction"] for row in last])),
                }
                rows.append(label | sizes)
    return rows


SPEEDS = ("output_to_input", "output_to_rest", "spread")
"""What `layer_speeds` tells."""


def geometric_mean(sizes: Sequence[float]) -> float:
    """Of sizes that span orders of magnitude; 0 where one of them is.

    >>> geometric_mean([0.01, 1.0])
    0.1...
    """
    with np.errstate(divide="ignore"):
        return float(np.exp(np.mean(np.log(sizes))))


def layer_speeds(rows: Rows, size: str = "late_update") -> dict[str, dict[str, float]]:
    """How unevenly the layers of each condition learn at the end of its runs.

    **Arguments:**

    - `rows`: of `layer_rows`.
    - `size`: `late_update`, or `late_correction` for what it is before the learning rate.

    **Returns:** by condition, `output_to_input`: size of the last pair of adjacent layers over
    that of the first; `output_to_rest`: over the geometric mean of the pairs below it;
    `spread`: the largest over the smallest of those; infinite where a pair has stopped to learn.
    Geometric means over seeds.
    """
    found = {}
    for condition in conditions_of(rows):
        sizes: dict[int, list[float]] = {}
        for row in rows:
            post, pre = layers_of(row["pair"])
            if row["condition"] == condition and post - pre == 1:
                sizes.setdefault(post, []).append(float(row[size]))
        with np.errstate(divide="ignore", invalid="ignore"):
            means = [geometric_mean(sizes[post]) for post in sorted(sizes)]
            below = means[:-1] or means
            found[condition] = {
                "output_to_input": float(np.divide(means[-1], means[0])),
                "output_to_rest": float(np.divide(means[-1], geometric_mean(below))),
                "spread": float(np.divide(max(below), min(below))),
            }
    return found
