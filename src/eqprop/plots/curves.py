"""Error against epochs: rows in, figure out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from eqprop.analysis.collect import Row, Rows, by_seed, conditions_of, measure_of
from eqprop.plots.style import (
    COLORS,
    PAGE,
    color,
    figure,
    legend_above,
    mean_and_band,
    name_extent,
    plain_log,
)

_TOGETHER = 3  # conditions, in one panel
_SPAN = 3  # between the ends of a logarithmic axis: on a shorter one hardly a number would stand

LABELS = {
    "layered": "layered, one learning rate",
    "per-layer": "layered, one rate per layer",
    "rewired": "layer-skipping, one learning rate",
    "layered-5x100": "5 x 100, layered",
    "rewired-5x100": "5 x 100, layer-skipping",
    "5x100-layered": "5 x 100, layered",
    "5x100-rewired": "5 x 100, layer-skipping",
}
PUBLISHED = ", published"
"""With which the name of a condition ends that somebody else ran."""


KINDS = {
    "training": ("training", "-"),
    "validation_kept": ("validation, kept states (the paper's)", "--"),
    "validation": ("validation, cold start", ":"),
}
"""What is drawn of each kind of error: words and line."""


def error_curves(rows: Rows, stem: Path) -> None:
    """Training and validation error against epochs; `.png`, `.svg`, `.pdf`.

    A colour is a condition, and open markers are runs as published. A line style is a kind of
    error: training, validation from states kept since the look before, as the paper measures it,
    and validation from a cold start. What was not recorded is not drawn. Where no example was ever
    wrong, as in a regression, the mean cost is drawn instead. Runs of one epoch, and more
    conditions than there are colours, are drawn as `error_rows`.

    Training and validation share a panel, and have one each where there are many conditions.
    Several seeds are drawn as their mean with a band from the smallest to the largest, as far as
    each goes. A cross marks an epoch in which some seed had a numerical warning (`eqprop report`
    says which).
    """
    from matplotlib.ticker import MaxNLocator

    conditions = conditions_of(rows)
    what, scale = measure_of(rows)
    if len(conditions) > len(COLORS) or max(row["epoch"] for row in rows) == 1:
        error_rows(rows, stem)
        return
    kinds = _kinds(rows, what)
    # So many lines in one panel hide each other.
    apart = len(conditions) > _TOGETHER and len(kinds) > 1
    size = (PAGE, 6.4 if apart else 3.8)
    with figure(stem, rows=2 if apart else 1, size=size, sharex=True) as grid:
        first, last = grid[0, 0], grid[-1, 0]
        warned = False
        own = list(dict.fromkeys(condition.removesuffix(PUBLISHED) for condition in conditions))
        for condition in conditions:
            seeds, name = by_seed(rows, condition), condition.removesuffix(PUBLISHED)
            shade, label = color(own.index(name)), LABELS.get(name, name)
            fill = "white" if condition != name else shade
            for kind in kinds:
                key = f"{kind}_{what}"
                looked = [
                    {row["epoch"]: scale * row[key] for row in run if has(row, key)}
                    for run in seeds
                ]
                epochs = sorted(set().union(*looked))
                points = [[run[e] for run in looked if e in run] for e in epochs]
                mean_and_band(
                    first if kind == "training" else last, epochs, points, color=shade,
                    linestyle=KINDS[kind][1], marker="o",
                    markersize=3 if own == conditions else 4, markerfacecolor=fill,
                )  # fmt: skip
            marked = sorted({row["epoch"] for run in seeds for row in run if row["warnings"]})
            height = [
                np.mean([scale * row[f"training_{what}"] for run in seeds for row in run
                         if row["epoch"] == epoch])
                for epoch in marked
            ]  # fmt: skip
            first.plot(marked, height, "x", color=shade, markersize=8)
            if condition == name or name not in conditions:
                first.plot([], [], color=shade, linewidth=3, label=label)
            warned = warned or bool(marked)
        for kind in kinds:
            first.plot([], [], KINDS[kind][1], color="0.35", label=KINDS[kind][0])
        for fill, label in (("0.35", "here"), ("white", "as published")):
            if own != conditions:
                first.plot([], [], "o", color="0.35", markerfacecolor=fill, label=label)
        if warned:
            first.plot([], [], "x", color="0.35", label="epoch with a warning")
        name_extent(first, any(len(by_seed(rows, condition)) > 1 for condition in conditions))
        unit = "error (%)" if what == "error" else "cost per example"
        for name, axes in {"training": first, "validation": last}.items():
            axes.set_yscale("log")
            plain_log(axes.yaxis)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_ylabel(f"{name} {unit}" if apart or kinds == [name] else unit)
        legend_above(first)
        last.set_xlabel("epoch")


def _kinds(rows: Rows, what: str) -> list[str]:
    """The kinds of error that were recorded."""
    return [kind for kind in KINDS if any(has(row, f"{kind}_{what}") for row in rows)]


def has(row: Row, key: str) -> bool:
    """Whether something was measured: not every look measures everything."""
    return row.get(key) not in (None, "")


def error_rows(rows: Rows, stem: Path) -> None:
    """A row per condition: every kind of error at the end of its runs; `.png`, `.svg`, `.pdf`.

    Several seeds are drawn as their mean on a line from the smallest to the largest.
    """
    conditions = conditions_of(rows)
    what, scale = measure_of(rows)
    last = max(row["epoch"] for row in rows)
    kinds = _kinds(rows, what)
    with figure(stem, size=(PAGE, 1.2 + 0.24 * len(conditions))) as grid:
        axes = grid[0, 0]
        for position, (kind, marker) in enumerate(zip(kinds, "osD", strict=False)):
            key, shift = f"{kind}_{what}", 0.24 * (position - (len(kinds) - 1) / 2)
            for height, condition in enumerate(conditions):
                ends = [run[-1] for run in by_seed(rows, condition)]
                values = [scale * end[key] for end in ends if has(end, key)]
                if values:
                    shade, extent = color(position), [min(values), max(values)]
                    axes.plot(extent, [height + shift] * 2, color=shade, linewidth=1.5)
                    axes.plot(np.mean(values), height + shift, marker, color=shade, markersize=5)
            axes.plot([], [], linestyle="", marker=marker, color=color(position),
                      label=KINDS[kind][0])  # fmt: skip
        name_extent(axes, len({row["seed"] for row in rows}) > 1, band=False)
        axes.set_yticks(range(len(conditions)), conditions)
        axes.invert_yaxis()
        low, high = axes.get_xlim()
        if not 0 < high < _SPAN * low:
            axes.set_xscale("log")
            plain_log(axes.xaxis)
        unit = "error" if what == "error" else "mean cost per example"
        axes.set_xlabel(f"{unit} after epoch {last}" + (" (%)" if what == "error" else ""))
        legend_above(axes)
