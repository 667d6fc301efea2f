"""Error against bits: rows in, picture out."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from eqprop.analysis.collect import Rows, by_seed, conditions_of
from eqprop.plots.style import PAGE, color, figure, legend_above, means_and_runs, plain_log

_WEIGHTS = re.compile(r"(\d+) bits, (\w+)")
_STATES = re.compile(r"states of (\d+) bits")
_LINES = {"stochastic": "-", "nearest": "--", "states": "-."}
_WORDS = {
    "stochastic": "weights rounded, stochastic",
    "nearest": "weights rounded, nearest",
    "states": "states read by few bits",
    "exact": "exact",
}


def error_against_bits(rows: Rows, stem: Path) -> None:
    """Training error of the last epoch against bits of weights and of states.

    A point is a run, a line goes through the means; dotted is the same network without rounding.
    """
    from matplotlib.ticker import MaxNLocator

    last: dict[str, list[float]] = {
        condition: [100 * float(run[-1]["training_error"]) for run in by_seed(rows, condition)]
        for condition in conditions_of(rows)
    }
    networks = list(dict.fromkeys(name.partition(", ")[0] for name in last))
    panels = [("weights", _WEIGHTS)]
    if any(_STATES.search(name) for name in last):
        panels.append(("states that are read out", _STATES))
    with figure(stem, columns=len(panels), size=(PAGE, 3.4), sharey=True) as grid:
        for axes, (what, pattern) in zip(grid[0], panels, strict=True):
            for position, network in enumerate(networks):
                shade = color(position)
                exact = last.get(f"{network}, exact")
                if exact:
                    axes.axhline(np.mean(exact), color=shade, linestyle=":", linewidth=1)
                found: dict[str, dict[int, list[float]]] = {}
                for name, values in last.items():
                    told = pattern.fullmatch(name.partition(", ")[2])
                    if name.partition(", ")[0] == network and told:
                        kind = told[2] if told.re.groups > 1 else "states"
                        found.setdefault(kind, {})[int(told[1])] = values
                for kind, points in found.items():
                    means_and_runs(axes, points, shade, _LINES[kind])
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_yscale("log")
            plain_log(axes.yaxis)
            axes.set_xlabel(f"bits of {what}")
        grid[0, 0].set_ylabel("training error, online (%)")
        for position, network in enumerate(networks):
            grid[0, -1].plot([], [], color=color(position), linewidth=3, label=network)
        for kind, line in {**_LINES, "exact": ":"}.items():
            grid[0, -1].plot([], [], line, color="0.35", label=_WORDS[kind])
        legend_above(grid[0, -1])
