"""What the conditions of a sweep came to: means, intervals, and differences from the first."""

from __future__ import annotations

from collections.abc import Sequence

from eqprop.analysis import collect
from eqprop.analysis.collect import (
    NewRow,
    Row,
    Rows,
    by_seed,
    conditions_of,
    mean_and_interval,
    measure_of,
)
from eqprop.analysis.tables import Drawn

_LOOKED = ("validation_error", "validation_kept_error")
MEASURES = ("training", "validation", "validation_kept", "test")
"""Kinds of error, or of cost for a regression, at the end of a run."""

COLUMNS = (
    "condition", "measure", "seeds", "mean", "low", "high",
    "difference", "difference_low", "difference_high",
)  # fmt: skip


def ends(drawn: Drawn) -> list[NewRow]:
    """A row per run that has finished: what was varied, and how it ended.

    Keys are `condition`, `seed`, the varied settings, and `MEASURES`: errors as shares, costs as
    they are; None where something was not measured.
    """
    what, _ = measure_of(drawn.epochs)
    rows = []
    for cell, summary in collect.summaries(drawn.sweep).items():
        looked = [
            row for row in drawn.epochs
            if (row["condition"], row["seed"]) == (cell.condition, cell.seed)
            and any(row.get(name) is not None for name in _LOOKED)
        ]  # fmt: skip
        last: Row = looked[-1] if looked else {}
        flat = drawn.sweep.config(cell).flat()
        rows.append(
            {"condition": cell.condition, "seed": cell.seed}
            | {name: flat.get(name) for name in drawn.sweep.varied}
            | {
                "training": summary.get(f"training_{what}"),
                "validation": summary.get(f"validation_{what}"),
                "validation_kept": last.get(f"validation_kept_{what}"),
                "test": summary.get(f"test_{what}"),
            }
        )
    return rows


def compared(rows: Rows) -> list[NewRow]:
    """A row per condition and measure: mean over seeds, and difference from the first condition.

    `low` and `high` are the ends of the 95 % interval (Student's t; empty for one seed). A
    difference is taken seed by seed, between runs of the same seed.
    """
    found = []
    conditions = conditions_of(rows)
    for measure in MEASURES:
        values = {
            condition: {
                run[0]["seed"]: run[0][measure]
                for run in by_seed(rows, condition)
                if run[0][measure] is not None
            }
            for condition in conditions
        }
        first = values[conditions[0]] if conditions else {}
        for condition in conditions:
            own = values[condition]
            if not own:
                continue
            row = {"condition": condition, "measure": measure, "seeds": len(own)}
            row |= _spread("mean", list(own.values()))
            apart = [own[seed] - first[seed] for seed in own if seed in first]
            if condition != conditions[0] and apart:
                row |= _spread("difference", apart)
            found.append(row)
    return found


def _spread(name: str, values: Sequence[float]) -> dict[str, float]:
    mean, half = mean_and_interval(values)
    low, high = ("low", "high") if name == "mean" else (f"{name}_low", f"{name}_high")
    return {name: mean} | ({} if half is None else {low: mean - half, high: mean + half})


def told(rows: Rows, scale: float) -> tuple[list[str], list[list[str]]]:
    """`compared`'s rows as a table: columns, and rows of text.

    **Arguments:** `scale`: of `measure_of`, for a reader.
    """
    measures = list(dict.fromkeys(row["measure"] for row in rows))
    by_place = {(row["condition"], row["measure"]): row for row in rows}
    unit = " %" if scale == 100 else ", cost"
    columns = ["condition", "seeds"]
    for measure in measures:
        columns += [f"{SHORT[measure]}{unit}", "minus first"]
    table = []
    for condition in conditions_of(rows):
        cells = [condition, str(max(r["seeds"] for r in rows if r["condition"] == condition))]
        for measure in measures:
            row = by_place.get((condition, measure), {})
            cells += [_cell(row, "mean", "high", scale), _cell(row, "difference", _FAR, scale, "+")]
        table.append(cells)
    return columns, table


NAMES = {
    "training": "training", "validation": "validation, cold start",
    "validation_kept": "validation, kept states", "test": "test",
}  # fmt: skip
"""Of the measures, in a picture."""

SHORT = {"training": "training", "validation": "cold", "validation_kept": "kept", "test": "test"}
"""The same in a table."""

_FAR = "difference_high"


def _cell(row: Row, mean: str, high: str, scale: float, sign: str = "") -> str:
    """A mean with half the length of its interval."""
    if mean not in row:
        return "-"
    form = ".2f" if scale == 100 else ".4g"
    text = format(scale * row[mean], sign + form)
    return f"{text} ± {format(scale * (row[high] - row[mean]), form)}" if high in row else text
