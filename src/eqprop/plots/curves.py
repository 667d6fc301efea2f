"""Error against epochs: rows in, figure out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eqprop.analysis.collect import by_seed, conditions_of, measure_of
from eqprop.plots.style import COLORS, color, figure, legend_beside, mean_and_band, plain_log

_TOGETHER = 3  # conditions, in one panel

LABELS = {
    "layered": "layered, one learning rate",
    "per-layer": "layered, one rate per layer",
    "rewired": "layer-skipping, one learning rate",
    "layered-5x100": "5 x 100, layered",
    "rewired-5x100": "5 x 100, layer-skipping",
}


def error_curves(rows: Sequence[Mapping[str, Any]], caption: str, stem: Path) -> None:
    """Training (solid) and validation error (dashed) against epochs; `.png` and `.svg`.

    Where no example was ever wrong, as in a regression, the mean cost is drawn instead. Runs of one
    epoch, and more conditions than there are colours, are drawn as `error_rows`.

    Both errors share a panel, and have one each where there are many conditions. Several seeds are
    drawn as their mean with a band from the smallest to the largest, as far as each goes. A cross
    marks an epoch in which some seed had a numerical warning (`eqprop report` says which).
    """
    from matplotlib.ticker import MaxNLocator

    conditions = conditions_of(rows)
    what, scale = measure_of(rows)
    if len(conditions) > len(COLORS) or max(row["epoch"] for row in rows) == 1:
        error_rows(rows, caption, stem)
        return
    # So many lines in one panel hide each other.
    apart = len(conditions) > _TOGETHER
    size = (9.6, 7.6 if apart else 4.8)
    with figure(stem, caption, rows=2 if apart else 1, size=size, sharex=True) as grid:
        panels = {"training": grid[0, 0], "validation": grid[-1, 0]}
        warned = False
        for position, condition in enumerate(conditions):
            seeds = by_seed(rows, condition)
            shade, label = color(position), LABELS.get(condition, condition)
            for (name, axes), style in zip(panels.items(), ("-", "--"), strict=True):
                key = f"{name}_{what}"
                looked = [
                    {row["epoch"]: scale * row[key] for row in run if row.get(key) is not None}
                    for run in seeds
                ]
                epochs = sorted(set().union(*looked))
                points = [[run[e] for run in looked if e in run] for e in epochs]
                mean_and_band(
                    axes, epochs, points, linestyle=style, color=shade, marker="o", markersize=3,
                    label=label if apart else f"{label}: {name}",
                )  # fmt: skip
            marked = sorted({row["epoch"] for run in seeds for row in run if row["warnings"]})
            height = [
                np.mean([scale * row[f"training_{what}"] for run in seeds for row in run
                         if row["epoch"] == epoch])
                for epoch in marked
            ]  # fmt: skip
            panels["training"].plot(marked, height, "x", color=shade, markersize=8)
            warned = warned or bool(marked)
        if warned:
            panels["training"].plot([], [], "x", color="0.35", label="epoch with a warning")
        unit = "error (%)" if what == "error" else "cost per example"
        for name, axes in panels.items():
            axes.set_yscale("log")
            plain_log(axes.yaxis)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_ylabel(f"{name} {unit}" if apart else unit)
            axes.grid(which="both", alpha=0.25, linewidth=0.5)
        legend_beside(panels["training"])
        panels["validation"].set_xlabel("epoch")


def error_rows(rows: Sequence[Mapping[str, Any]], caption: str, stem: Path) -> None:
    """A row per condition: both errors at the end of its runs; `.png` and `.svg`.

    Several seeds are drawn as their mean on a line from the smallest to the largest.
    """
    conditions = conditions_of(rows)
    what, scale = measure_of(rows)
    last = max(row["epoch"] for row in rows)
    with figure(stem, caption, size=(9.0, 1.6 + 0.32 * len(conditions))) as grid:
        axes = grid[0, 0]
        for position, (name, marker) in enumerate((("training", "o"), ("validation", "D"))):
            key, shift = f"{name}_{what}", 0.24 * position - 0.12
            for height, condition in enumerate(conditions):
                ends = [run[-1] for run in by_seed(rows, condition)]
                values = [scale * end[key] for end in ends if end.get(key) is not None]
                if values:
                    shade, extent = color(position), [min(values), max(values)]
                    axes.plot(extent, [height + shift] * 2, color=shade, linewidth=1.5)
                    axes.plot(np.mean(values), height + shift, marker, color=shade, markersize=5)
            axes.plot([], [], linestyle="", marker=marker, color=color(position), label=name)
        axes.set_yticks(range(len(conditions)), [LABELS.get(c, c) for c in conditions])
        axes.invert_yaxis()
        axes.set_xscale("log")
        plain_log(axes.xaxis)
        unit = "error" if what == "error" else "mean cost per example"
        axes.set_xlabel(f"{unit} after epoch {last}" + (" (%)" if what == "error" else ""))
        axes.grid(which="both", alpha=0.25, linewidth=0.5)
        legend_beside(axes)
