"""Whether small-world measures of a wiring go with how well it learns (footnote 1 of the paper)."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from eqprop.analysis.collect import NewRow, Rows
from eqprop.running.wiring import build_topology
from eqprop.sweeps.sweep import Cell, Sweep
from eqprop.topology import small_world

MEASURES = ("path_length", "clustering", "sigma", "omega")
COLUMNS = ("condition", "seed", *MEASURES, "training_error", "validation_error")
RANK_COLUMNS = ("measure", "ranks", "correlation", "low", "high", "wirings", "values")
MEASURED = "figure5-small-world.csv"
"""In the folder of a sweep: the measures of its wirings."""

_RESAMPLED = 2000


def measured(sweep: Sweep) -> list[NewRow]:
    """A row per finished cell with hidden layers full inside: measures and errors.

    A wiring takes seconds to measure; rows that stand in `MEASURED` are taken from there, unless
    it was cut.
    """
    known, rows = _known(sweep.path / MEASURED), []
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


def _known(file: Path) -> dict[tuple[str, int], dict[str, str]]:
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    rows = list(csv.DictReader(text.splitlines()))
    whole = text.endswith("\n") and all(None not in row.values() for row in rows)
    return {(row["condition"], int(row["seed"])): row for row in rows} if whole else {}


def _row(sweep: Sweep, cell: Cell, found: Mapping[str, float]) -> NewRow:
    summary = sweep.run(cell).read_json("summary.json")
    return (
        {"condition": cell.condition, "seed": cell.seed}
        | {name: found[name] for name in MEASURES}
        | {name: summary[name] for name in ("training_error", "validation_error")}
    )


def rank_correlations(rows: Rows, error: str = "training_error", seed: int = 0) -> list[NewRow]:
    """Spearman's correlation of each measure with the error, and its 95 % interval.

    `pooled` ranks all wirings together, which mostly says that both go with p. `within p` ranks
    them among those of the same p and takes the mean rank of that p off, so that only the
    differences between wirings of one p are left; a p whose wirings do not differ in the measure
    is left out, and p = 0, which is one wiring, too. Intervals by resampling values of p, each
    with all its wirings (percentiles). Seeds share initial weights and order across p: with few
    of them the interval is too narrow.

    **Returns:** rows of `measure`, `ranks`, `wirings`, the number of `values` of p among them,
    `correlation`, `low`, `high`; NaN where all values are equal.
    """
    conditions = np.array([row["condition"] for row in rows])
    outcome = np.array([float(row[error]) for row in rows])
    result = []
    for measure in MEASURES:
        values = np.array([float(row[measure]) for row in rows])
        groups = [np.flatnonzero(conditions == c) for c in np.unique(conditions)]
        told = [g for g in groups if np.ptp(values[g]) > 0 and conditions[g[0]] != "p0"]
        for name, chosen, ranks in (
            ("pooled", groups, (_ranks(values), _ranks(outcome))),
            ("within p", told, (_centred_ranks(values, told), _centred_ranks(outcome, told))),
        ):
            found = _with_interval(*ranks, chosen, seed)
            found |= {"wirings": sum(map(len, chosen)), "values": len(chosen)}
            result.append({"measure": measure, "ranks": name} | found)
    return result


def _with_interval(
    measure: np.ndarray, outcome: np.ndarray, groups: Sequence[np.ndarray], seed: int
) -> dict[str, float]:
    """Correlation over groups of entries, and its interval by resampling the groups."""

    def correlation(groups: Sequence[np.ndarray]) -> float:
        chosen = np.concatenate([np.zeros(0, int), *groups])
        return _correlation(measure[chosen], outcome[chosen])

    rng = np.random.default_rng(seed)
    picks = rng.integers(len(groups), size=(_RESAMPLED, len(groups))) if groups else []
    samples = [correlation([groups[k] for k in pick]) for pick in picks]
    finite = [value for value in samples if np.isfinite(value)]
    low, high = np.percentile(finite, [2.5, 97.5]) if finite else (np.nan, np.nan)
    return {"correlation": correlation(groups), "low": float(low), "high": float(high)}


def _ranks(values: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    return rankdata(values)


def _centred_ranks(values: np.ndarray, groups: Sequence[np.ndarray]) -> np.ndarray:
    ranks = np.zeros(len(values))
    for group in groups:
        inside = _ranks(values[group])
        ranks[group] = inside - inside.mean()
    return ranks


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    if not len(a):
        return float("nan")
    a, b = a - a.mean(), b - b.mean()
    size = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / size) if size > 0 else float("nan")
