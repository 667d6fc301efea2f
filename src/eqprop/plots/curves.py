"""Error against epochs: rows in, figure out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eqprop.experiments.collect import by_seed, conditions_of, measure_of
from eqprop.plots.style import color, figure, legend_beside, mean_and_band, plain_log

LABELS = {
    "layered": "layered, one learning rate",
    "per-layer": "layered, one rate per layer",
    "rewired": "layer-skipping, one learning rate",
}


def error_curves(rows: Sequence[Mapping[str, Any]], caption: str, stem: Path) -> None:
    """Training (solid) and validation error (dashed) against epochs; `.png` and `.svg`.

    Where no example was ever wrong, as in a regression, the mean cost is drawn instead.

    Several seeds are drawn as their mean with a band from the smallest to the largest, as far as
    each goes. A cross marks an epoch in which some seed had a numerical warning.
    """
    from matplotlib.ticker import MaxNLocator

    conditions = conditions_of(rows)
    what, scale = measure_of(rows)
    with figure(stem, caption, size=(9.6, 4.8)) as grid:
        axes, warned = grid[0, 0], False
        for position, condition in enumerate(conditions):
            seeds = by_seed(rows, condition)
            shade, label = color(position), LABELS.get(condition, condition)
            for key, style, name in (
                (f"training_{what}", "-", "training"),
                (f"validation_{what}", "--", "validation"),
            ):
                looked = [
                    {row["epoch"]: scale * row[key] for row in run if row.get(key) is not None}
                    for run in seeds
                ]
                epochs = sorted(set().union(*looked))
                points = [[run[e] for run in looked if e in run] for e in epochs]
                mean_and_band(
                    axes, epochs, points, linestyle=style, color=shade, marker="o", markersize=3,
                    label=f"{label}: {name}",
                )  # fmt: skip
            marked = sorted({row["epoch"] for run in seeds for row in run if row["warnings"]})
            height = [
                np.mean([scale * row[f"training_{what}"] for run in seeds for row in run
                         if row["epoch"] == epoch])
                for epoch in marked
            ]  # fmt: skip
            axes.plot(marked, height, "x", color=shade, markersize=8)
            warned = warned or bool(marked)
        if warned:
            axes.plot([], [], "x", color="0.35", label="epoch with a warning (see the summary)")
        axes.set_yscale("log")
        plain_log(axes.yaxis)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("epoch")
        axes.set_ylabel("error (%)" if what == "error" else "mean cost per example")
        axes.grid(which="both", alpha=0.25, linewidth=0.5)
        legend_beside(axes)
