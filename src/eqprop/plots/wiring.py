"""Pictures of a topology."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from eqprop.topology import Topology


def block_densities(topology: Topology, path: Path) -> None:
    """Share of the possible connections that exist, per pair of layers, as a labelled grid."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    count, layers = topology.accounting(), topology.num_layers
    share = np.full((layers, layers), np.nan)
    for (post, pre), existing in count.per_block.items():
        possible = count.possible[post, pre]
        share[post, pre] = share[pre, post] = existing / possible if possible else np.nan
    figure, axes = plt.subplots(figsize=(6.4, 5.2), layout="constrained")
    image = axes.imshow(share, cmap="cividis", vmin=0, vmax=1)
    last = layers - 1
    names = ["input", *(f"hidden {k}" for k in range(1, last)), "output"]
    ticks = [f"{name}\n{size}" for name, size in zip(names, topology.layer_sizes, strict=True)]
    axes.set_xticks(range(layers), ticks)
    axes.set_yticks(range(layers), ticks)
    for (row, column), value in np.ndenumerate(share):
        if np.isfinite(value):
            color = "black" if value > 0.55 else "white"
            text = f"{100 * value:.3g} %"
            axes.text(column, row, text, ha="center", va="center", color=color, fontsize="small")
    axes.set_title(
        f"{count.total:,} connections: {count.interlayer:,} interlayer, "
        f"{count.intralayer:,} intralayer, {count.skip:,} skip",
        fontsize="medium",
    )
    figure.colorbar(image, label="share of possible connections that exist")
    figure.savefig(path, dpi=150)
    plt.close(figure)
