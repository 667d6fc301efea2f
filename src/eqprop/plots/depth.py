"""Error against depth: rows in, picture out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eqprop.analysis.collect import by_seed, conditions_of
from eqprop.plots.style import color, figure, legend_beside, plain_log


def error_against_depth(rows: Sequence[Mapping[str, Any]], caption: str, stem: Path) -> None:
    """Validation error at the end against the number of hidden layers; `.png` and `.svg`.

    A colour is a wiring, dashed are networks trained by backpropagation. A point is a run; the line
    goes through the means of the best setting of each depth.
    """
    found: dict[str, dict[int, list[list[float]]]] = {}
    for condition in conditions_of(rows):
        kind, *_ = condition.split(", ")
        depth, _, wiring = kind.partition(" ")
        if condition.endswith("backpropagation"):
            wiring += ", backpropagation"
        ends = [
            100 * float(run[-1]["validation_error"])
            for run in by_seed(rows, condition)
            if run[-1].get("validation_error") not in (None, "")
        ]
        if ends:
            found.setdefault(wiring, {}).setdefault(int(depth), []).append(ends)
    wirings = list(dict.fromkeys(name.partition(", ")[0] for name in found))
    with figure(stem, caption, size=(7.4, 4.6)) as grid:
        axes = grid[0, 0]
        for wiring, by_depth in found.items():
            shade = color(wirings.index(wiring.partition(", ")[0]))
            line = "--" if wiring.endswith("backpropagation") else "-"
            depths = sorted(by_depth)
            best = [min(by_depth[depth], key=np.mean) for depth in depths]
            axes.plot(depths, [np.mean(b) for b in best], line, color=shade, marker="o",
                      markersize=4, label=wiring)  # fmt: skip
            for depth, values in zip(depths, best, strict=True):
                axes.plot([depth] * len(values), values, ".", color=shade, alpha=0.5)
        axes.set_xscale("log")
        axes.set_yscale("log")
        shown = sorted({depth for by_depth in found.values() for depth in by_depth})
        axes.set_xticks(shown, [str(depth) for depth in shown])
        axes.minorticks_off()
        plain_log(axes.yaxis)
        axes.set_xlabel("hidden layers")
        axes.set_ylabel("validation error (%)")
        axes.grid(which="both", alpha=0.25, linewidth=0.5)
        legend_beside(axes)
