"""Error curves: records in, figure out."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

# Okabe and Ito's colours stay apart for colour-blind readers; line styles carry the split.
COLORS = {"layered": "#0072B2", "per-layer": "#E69F00", "rewired": "#009E73"}
LABELS = {
    "layered": "layered, one learning rate",
    "per-layer": "layered, one rate per layer",
    "rewired": "layer-skipping, one learning rate",
}

Curves = Mapping[str, Sequence[Sequence[Mapping[str, Any]]]]
"""Per network and seed, the epoch entries of its metrics, each with its `seed`."""


_COLUMNS = (
    "epoch",
    "training_error",
    "validation_error",
    "validation_examples",
    "validation_unsettled",
    "free_steps",
    "free_unsettled",
    "free_residual_mean",
    "nudged_steps",
    "nudged_unsettled",
    "nudged_residual_mean",
)


def write_csv(curves: Curves, path: Path) -> None:
    """One row per network, seed and epoch; empty where nothing was measured."""
    with open(path, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["network", "seed", *_COLUMNS, "warnings"])
        for network, seeds in curves.items():
            for entries in seeds:
                for entry in entries:
                    values = [entry.get(column, "") for column in _COLUMNS]
                    warnings = " ".join(entry.get("warnings", []))
                    table.writerow([network, entry["seed"], *values, warnings])


def error_curves(curves: Curves, caption: str, stem: Path) -> list[Path]:
    """Training (solid) and validation error (dashed) against epochs; `.png` and `.svg`.

    Several seeds are drawn as their mean with a band from the smallest to the largest. A cross
    marks an epoch in which some seed had a numerical warning.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MaxNLocator

    figure, axes = plt.subplots(figsize=(7.2, 4.8), layout="constrained")
    for network, seeds in curves.items():
        for key, style, name in (
            ("training_error", "-", "training"),
            ("validation_error", "--", "validation"),
        ):
            epochs = [e["epoch"] for e in seeds[0] if key in e]
            table = 100 * np.array([[e[key] for e in run if key in e] for run in seeds])
            color = COLORS[network]
            label = f"{LABELS[network]}: {name}"
            axes.plot(
                epochs, table.mean(0), style, color=color, label=label, marker="o", markersize=3
            )
            if len(table) > 1:
                axes.fill_between(
                    epochs, table.min(0), table.max(0), color=color, alpha=0.15, linewidth=0
                )
    warned = False
    for network, seeds in curves.items():
        rows = {
            epoch: np.mean([100 * run[epoch]["training_error"] for run in seeds])
            for epoch in range(len(seeds[0]))
            if any(run[epoch].get("warnings") for run in seeds)
        }
        warned = warned or bool(rows)
        epochs = [seeds[0][epoch]["epoch"] for epoch in rows]
        axes.plot(epochs, list(rows.values()), "x", color=COLORS[network], markersize=8)
    if warned:
        axes.plot([], [], "x", color="0.35", label="epoch with a warning (see the run's summary)")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(
        lambda value, _: f"{value:g}" if f"{value:g}"[0] in "235" else ""
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.set_ylabel("error (%)")
    axes.grid(which="both", alpha=0.25, linewidth=0.5)
    axes.legend(fontsize="small", frameon=False)
    figure.supxlabel(caption, fontsize="x-small", color="0.35")
    paths = [stem.with_suffix(suffix) for suffix in (".png", ".svg")]
    for path in paths:
        figure.savefig(path, dpi=150)
    plt.close(figure)
    return paths
