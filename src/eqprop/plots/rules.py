"""Learning rules side by side: error against work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eqprop.analysis.collect import by_seed, conditions_of
from eqprop.plots.style import color, figure, legend_beside, mean_and_band, plain_log


def work_curves(rows: Sequence[Mapping[str, Any]], caption: str, stem: Path) -> None:
    """Online training error against multiply-adds, a panel per network, a line per rule.

    A run's points are its epochs; the last one, where the budget ends, may be a part of one. The
    mean over seeds is drawn where all of them have a point.
    """
    from matplotlib.ticker import NullFormatter

    conditions = conditions_of(rows)
    networks = list(dict.fromkeys(name.partition("-")[0] for name in conditions))
    rules = list(dict.fromkeys(name.partition("-")[2] for name in conditions))
    with figure(
        stem, caption, columns=len(networks), size=(5.4 * len(networks) + 2, 4.6), sharey=True
    ) as grid:
        for panel, network in enumerate(networks):
            axes = grid[0, panel]
            for position, rule in enumerate(rules):
                runs = by_seed(rows, f"{network}-{rule}")
                if not runs:
                    continue
                shared = list(zip(*runs, strict=False))  # epochs that all seeds have
                work = [np.mean([float(r["multiply_adds"]) for r in seeds]) for seeds in shared]
                errors = [[100 * float(r["training_error"]) for r in seeds] for seeds in shared]
                style = "-" if position < 7 else "--"
                mean_and_band(
                    axes, work, errors, color=color(position), linestyle=style, marker="o",
                    markersize=3, label=rule,
                )  # fmt: skip
            axes.set_xscale("log")
            axes.set_yscale("log")
            plain_log(axes.yaxis)
            # Powers of ten alone: others would overlap where a panel spans less than two of them.
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set_title(network, fontsize="medium")
            axes.set_xlabel("multiply-adds")
            axes.grid(which="both", alpha=0.25, linewidth=0.5)
        grid[0, 0].set_ylabel("training error, online (%)")
        legend_beside(grid[0, -1])
