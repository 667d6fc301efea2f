"""Error against the strength of an imperfection: rows in, picture out."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np

from eqprop.analysis.collect import Rows
from eqprop.analysis.strengths import by_network, effects_of, words_of
from eqprop.plots.style import PAGE, color, figure, legend_above, means_and_runs, plain_log

_WIDE = 4  # panels on a line
_NARROW = 22  # letters below one


def error_against_strength(rows: Rows, stem: Path) -> None:
    """Training error of the last epoch against each strength; `.png`, `.svg`, `.pdf`.

    A point is a run, a line goes through the means; dotted is the network without the effect.
    """
    found = by_network(rows)
    shown = effects_of(found) or ["none"]
    columns = min(_WIDE, len(shown))
    lines = -(-len(shown) // columns)
    with figure(
        stem, rows=lines, columns=columns, size=(PAGE, 2.5 * lines + 0.6), sharey=True
    ) as grid:
        for axes in grid.flat[len(shown) :]:
            axes.set_axis_off()
        for axes, effect in zip(grid.flat, shown, strict=False):
            for position, (network, errors) in enumerate(found.items()):
                shade = color(position)
                if exact := list(errors.exact.values()):
                    axes.axhline(100 * np.mean(exact), color=shade, linestyle=":", linewidth=1)
                tried = errors.under.get(effect, {}).items()
                points = {strength: [100 * e for e in own.values()] for strength, own in tried}
                means_and_runs(axes, points, shade, label=network)
            axes.set_xscale("log")
            axes.set_yscale("log")
            plain_log(axes.yaxis)
            tried = sorted({s for errors in found.values() for s in errors.under.get(effect, {})})
            axes.set_xticks(tried, [f"{strength:g}" for strength in tried])
            axes.set_xticks([], minor=True)
            axes.set_xlabel(textwrap.fill(words_of(effect), _NARROW))
        for axes in grid[:, 0]:
            axes.set_ylabel("training error, online (%)")
        grid[0, 0].plot([], [], ":", color="0.35", label="without the effect")
        legend_above(grid[0, 0])
