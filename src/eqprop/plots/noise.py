"""Error against the strength of an imperfection: rows in, picture out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from eqprop.analysis.collect import Rows, conditions_of, last_epoch
from eqprop.plots.style import PAGE, color, figure, legend_above, means_and_runs, plain_log

_WIDE = 4  # panels on a line

_NAMES = {
    "state_noise": "noise of states that are read",
    "read_noise": "noise of a read, in weights",
    "write_noise": "noise of a write, in weights",
    "spread": "spread of steps, device to device",
    "stuck_low": "share of stuck devices",
    "gain": "spread of the gain of units",
    "unequal": "directions that differ, as a share",
}


def error_against_strength(rows: Rows, stem: Path) -> None:
    """Training error of the last epoch against each strength; `.png`, `.svg`, `.pdf`.

    A point is a run, a line goes through the means; dotted is the network without the effect.
    """
    ends: dict[str, dict[str, dict[float, list[float]]]] = {}
    exact: dict[str, list[float]] = {}
    over = last_epoch(rows)
    for condition in conditions_of(over):
        network, _, what = condition.partition(", ")
        errors = [
            100 * float(row["training_error"]) for row in over if row["condition"] == condition
        ]
        name, _, strength = what.partition(" ")
        if strength:
            ends.setdefault(name, {}).setdefault(network, {})[float(strength)] = errors
        else:
            exact[network] = errors
    networks = list(exact) or sorted({network for each in ends.values() for network in each})
    shown = ends or {"none": {}}
    columns = min(_WIDE, len(shown))
    lines = -(-len(shown) // columns)
    with figure(
        stem, rows=lines, columns=columns, size=(PAGE, 2.2 * lines + 0.6), sharey=True
    ) as grid:
        for axes in grid.flat[len(shown) :]:
            axes.set_axis_off()
        for axes, (name, by_network) in zip(grid.flat, shown.items(), strict=False):
            for position, network in enumerate(networks):
                shade, points = color(position), by_network.get(network, {})
                if network in exact:
                    axes.axhline(np.mean(exact[network]), color=shade, linestyle=":", linewidth=1)
                means_and_runs(axes, points, shade, label=network)
            axes.set_xscale("log")
            axes.set_yscale("log")
            plain_log(axes.yaxis)
            effect, _, readings = name.partition("/")
            of_several = f" (mean of {readings})" if readings else ""
            axes.set_xlabel(_NAMES.get(effect, effect) + of_several)
        for axes in grid[:, 0]:
            axes.set_ylabel("training error, online (%)")
        legend_above(grid[0, 0])
