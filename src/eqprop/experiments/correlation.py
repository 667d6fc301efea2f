"""Whether small-world measures of a wiring go with how well it learns (footnote 1 of the paper)."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eqprop.experiments.sweep import Cell, Sweep
from eqprop.experiments.wiring import build_topology
from eqprop.topology import small_world

MEASURES = ("path_length", "clustering", "sigma", "omega")
COLUMNS = ("condition", "seed", *MEASURES, "training_error", "validation_error")
_RESAMPLED = 2000


def measured(sweep: Sweep, file: Path) -> list[dict[str, Any]]:
    """A row per finished cell with hidden layers full inside: measures and errors.

    A wiring takes seconds to measure; rows that stand in `file` are taken from there.
    """
    known = {}
    if file.is_file():
        with open(file, newline="", encoding="utf-8") as table:
            known = {(row["condition"], int(row["seed"])): row for row in csv.DictReader(table)}
    rows = []
    for cell in sweep.finished:
        config = sweep.config(cell)
        if not config.topology.intralayer:
            continue
        before = known.get((cell.condition, cell.seed))
        if before is None:
            found = small_world(build_topology(config), seed=cell.seed).to_dict()
        else:
            found = {name: float(before[name]) for name in MEASURES}
        rows.append(_row(sweep, cell, found))
    return rows


def _row(sweep: Sweep, cell: Cell, found: Mapping[str, float]) -> dict[str, Any]:
    summary = sweep.run(cell).read_json("summary.json")
    return (
        {"condition": cell.condition, "seed": cell.seed}
        | {name: found[name] for name in MEASURES}
        | {name: summary[name] for name in ("training_error", "validation_error")}
    )


def rank_correlations(
    rows: Sequence[Mapping[str, Any]], error: str = "training_error", seed: int = 0
) -> list[dict[str, Any]]:
    """Spearman's correlation of each measure with the error, and its 95 % interval.

    `pooled` ranks all wirings together, which mostly says that both go with p. `within p` ranks
    them among those of the same p and takes the mean rank of that p off, so that only the
    differences between wirings of one p are left. Intervals by resampling wirings (percentiles).

    **Returns:** rows of `measure`, `ranks`, `wirings`, `correlation`, `low`, `high`; NaN where
    all values are equal.
    """
    conditions = np.array([row["condition"] for row in rows])
    outcome = np.array([float(row[error]) for row in rows])
    # The same wirings are drawn for every measure.
    drawn = np.random.default_rng(seed).integers(len(rows), size=(_RESAMPLED, len(rows)))
    result = []
    for measure in MEASURES:
        values = np.array([float(row[measure]) for row in rows])
        for name, pairs in (
            ("pooled", (_ranks(values), _ranks(outcome))),
            ("within p", (_centred(values, conditions), _centred(outcome, conditions))),
        ):
            samples = [_correlation(pairs[0][pick], pairs[1][pick]) for pick in drawn]
            finite = [value for value in samples if np.isfinite(value)]
            low, high = np.percentile(finite, [2.5, 97.5]) if finite else (np.nan, np.nan)
            found = {"correlation": _correlation(*pairs), "low": float(low), "high": float(high)}
            result.append({"measure": measure, "ranks": name, "wirings": len(rows)} | found)
    return result


def _ranks(values: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    return rankdata(values)


def _centred(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    ranks = np.zeros(len(values))
    for group in np.unique(groups):
        here = groups == group
        inside = _ranks(values[here])
        ranks[here] = inside - inside.mean()
    return ranks


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / size) if size > 0 else float("nan")
