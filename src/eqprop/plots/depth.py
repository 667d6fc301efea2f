"""Error against depth: rows in, picture out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eqprop.analysis.depths import best_by_depth
from eqprop.plots.style import color, figure, legend_beside


def error_against_depth(rows: Sequence[Mapping[str, Any]], caption: str, stem: Path) -> None:
    """Validation error at the end against the number of hidden layers; `.png` and `.svg`.

    A colour is a wiring, dashed are networks trained by backpropagation. A point is a run; the line
    goes through the means of the best setting of each depth.
    """
    found = best_by_depth(rows)
    wirings = list(dict.fromkeys(name.partition(", ")[0] for name in found))
    with figure(stem, caption, size=(7.4, 4.6)) as grid:
        axes = grid[0, 0]
        for wiring, by_depth in found.items():
            shade = color(wirings.index(wiring.partition(", ")[0]))
            line = "--" if wiring.endswith("backpropagation") else "-"
            depths = list(by_depth)
            best = [[100 * error for error in errors] for _, errors in by_depth.values()]
            axes.plot(depths, [np.mean(b) for b in best], line, color=shade, marker="o",
                      markersize=4, label=wiring)  # fmt: skip
            for depth, values in zip(depths, best, strict=True):
                axes.plot([depth] * len(values), values, ".", color=shade, alpha=0.5)
        axes.set_xscale("log")
        shown = sorted({depth for by_depth in found.values() for depth in by_depth})
        axes.set_xticks(shown, [str(depth) for depth in shown])
        axes.minorticks_off()
        axes.set_xlabel("hidden layers")
        axes.set_ylabel("validation error (%)")
        axes.grid(which="both", alpha=0.25, linewidth=0.5)
        legend_beside(axes)
