"""Learning rules side by side: error against work."""

from __future__ import annotations

from pathlib import Path

from eqprop.analysis.collect import Rows, by_seed, conditions_of
from eqprop.plots.style import PAGE, color, figure, legend_above, plain_log


def work_curves(rows: Rows, stem: Path) -> None:
    """Online training error against multiply-adds, a panel per network, a line per rule.

    A run has a line of its own. Its points are its epochs; the last one, where the budget ends, may
    be a part of one.
    """
    conditions = conditions_of(rows)
    networks = list(dict.fromkeys(name.partition("-")[0] for name in conditions))
    rules = list(dict.fromkeys(name.partition("-")[2] for name in conditions))
    with figure(stem, columns=len(networks), size=(PAGE, 3.9), sharey=True) as grid:
        for panel, network in enumerate(networks):
            axes = grid[0, panel]
            for position, rule in enumerate(rules):
                runs = by_seed(rows, f"{network}-{rule}")
                if not runs:
                    continue
                # Line by line: of one rule one seed may learn and another not.
                for run in runs:
                    work = [float(row["multiply_adds"]) for row in run]
                    errors = [100 * float(row["training_error"]) for row in run]
                    style = "-" if position < 7 else "--"
                    label = rule if run is runs[0] else None
                    axes.plot(
                        work, errors, style, color=color(position), marker="o", markersize=2,
                        linewidth=0.9, label=label,
                    )  # fmt: skip
            axes.set_yscale("log")
            plain_log(axes.yaxis)
            axes.set_xlim(left=0)
            axes.set_title(network, fontsize="medium")
            axes.set_xlabel("multiply-adds")
        grid[0, 0].set_ylabel("training error, online (%)")
        legend_above(grid[0, 0], 4)
