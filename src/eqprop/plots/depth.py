"""Error against depth: rows in, picture out."""

from __future__ import annotations

from pathlib import Path

from eqprop.analysis.collect import Rows, last_epoch
from eqprop.analysis.depths import best_by_depth
from eqprop.plots.style import PAGE, color, figure, legend_above, means_and_runs

_KEPT = "validation_kept_error"
_APART = 1.02
"""Of the places of two wirings, on the logarithmic axis of depths."""


def error_against_depth(rows: Rows, stem: Path) -> None:
    """Validation error at the end against the number of hidden layers; `.png`, `.svg`, `.pdf`.

    A colour is a wiring, dashed are networks trained by backpropagation. A point is a run; the line
    goes through the means of the best setting of each depth. Where all have one, the error is that
    of kept states, as the paper's.
    """
    ends = last_epoch(rows)
    is_kept = bool(ends) and all(row.get(_KEPT) not in (None, "") for row in ends)
    found = best_by_depth(rows, _KEPT if is_kept else "validation_error")
    wirings = list(dict.fromkeys(name.partition(", ")[0] for name in found))
    with figure(stem, size=(PAGE, 4.2)) as grid:
        axes = grid[0, 0]
        for wiring, by_depth in found.items():
            shade = color(wirings.index(wiring.partition(", ")[0]))
            line = "--" if wiring.endswith("backpropagation") else "-"
            # Beside each other: runs of two wirings with the same error would hide one another.
            aside = _APART ** (list(found).index(wiring) - (len(found) - 1) / 2)
            points = {
                depth * aside: [100 * error for error in errors.values()]
                for depth, (_, errors) in by_depth.items()
            }
            means_and_runs(axes, points, shade, line, wiring)
        axes.set_xscale("log")
        shown = sorted({depth for by_depth in found.values() for depth in by_depth})
        axes.set_xticks(shown, [str(depth) for depth in shown])
        axes.minorticks_off()
        axes.set_xlabel("hidden layers")
        axes.set_ylabel("validation error, kept states (%)" if is_kept else "validation error (%)")
        legend_above(axes)
