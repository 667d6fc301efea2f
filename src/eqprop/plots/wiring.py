"""Pictures of a topology."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eqprop.analysis import collect
from eqprop.plots.style import blank, save
from eqprop.topology import Topology

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GRAPH_LIMIT = 80
"""Topologies of at most so many units are drawn as graphs, larger ones as block densities."""

_KINDS = {"interlayer": "0.55", "intralayer": "#E69F00", "skip": "#0072B2"}


def draw(topology: Topology, path: Path) -> None:
    """A picture like figures 1 and 2: a graph if it is small, else its block densities."""
    if topology.num_units <= GRAPH_LIMIT:
        graph(topology, path)
    else:
        block_densities(topology, path)


def draw_with_counts(made: Topology, stem: Path) -> list[str]:
    """The picture as .png and .svg, and its exact counts as .csv; returns them in words."""
    for suffix in (".png", ".svg"):
        draw(made, stem.with_suffix(suffix))
    counts = made.accounting().to_dict()
    collect.write_rows(collect.flat_rows(counts), collect.FLAT_COLUMNS, stem.with_suffix(".csv"))
    kinds = ", ".join(f"{counts[name]:,} {name}" for name in ("interlayer", "intralayer", "skip"))
    return [f"{counts['total']:,} connections: {kinds}"]


def graph(topology: Topology, path: Path) -> None:
    """Every unit as a dot, layer by layer from left to right, and every connection as a line.

    Connections inside a layer are drawn as arcs.
    """
    sizes, tallest = topology.layer_sizes, max(topology.layer_sizes)
    size = max(4.8, 1.7 * len(sizes)), max(3.6, min(9.0, 0.35 * tallest + 1.5))
    with blank(size) as figure:
        _graph(topology, figure)
        save(figure, path)


def _graph(topology: Topology, figure: Figure) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import FancyArrowPatch

    sizes, tallest = topology.layer_sizes, max(topology.layer_sizes)
    layer = np.repeat(np.arange(len(sizes)), sizes)
    place = [(2.2 * k, (n - 1) / 2 - row) for k, n in enumerate(sizes) for row in range(n)]
    axes = figure.subplots()
    rows, columns = np.nonzero(np.tril(topology.adjacency().toarray()))
    names = ("intralayer", "interlayer", "skip")
    kinds = [names[min(2, layer[i] - layer[j])] for i, j in zip(rows, columns, strict=True)]
    for i, j, kind in zip(rows, columns, kinds, strict=True):
        # Skip connections bend, so that they do not run through the units between their ends.
        bend = {"interlayer": 0.0, "intralayer": 0.35, "skip": 0.18}[kind]
        line = FancyArrowPatch(
            place[j],
            place[i],
            arrowstyle="-",
            connectionstyle=f"arc3,rad={bend}",
            color=_KINDS[kind],
            linewidth=0.6 if kind == "interlayer" else 1.0,
            zorder=1 if kind == "interlayer" else 2,
        )
        axes.add_patch(line)
    x, y = zip(*place, strict=True)
    axes.scatter(x, y, s=60, color="white", edgecolor="black", zorder=3)
    last = len(sizes) - 1
    titles = ["input", *(f"hidden {k}" for k in range(1, last)), "output"]
    axes.set_xticks([2.2 * k for k in range(len(sizes))], titles)
    axes.set_yticks([])
    axes.set_frame_on(False)
    axes.tick_params(length=0)
    axes.set_xlim(-0.8, 2.2 * last + 0.8)
    axes.set_ylim(-tallest / 2 - 0.5, tallest / 2 + 0.5)
    present = [kind for kind in _KINDS if kind in kinds]
    count = {kind: kinds.count(kind) for kind in present}
    handles = [Line2D([], [], color=_KINDS[kind]) for kind in present]
    figure.legend(
        handles,
        [f"{kind} ({count[kind]})" for kind in present],
        loc="outside lower center",
        ncols=3,
        frameon=False,
    )


def block_densities(topology: Topology, path: Path) -> None:
    """Share of the possible connections that exist, per pair of layers, as a labelled grid."""
    with blank((6.4, 5.2)) as figure:
        _densities(topology, figure)
        save(figure, path)


def _densities(topology: Topology, figure: Figure) -> None:
    count, layers = topology.accounting(), topology.num_layers
    share = np.full((layers, layers), np.nan)
    for (post, pre), existing in count.per_block.items():
        possible = count.possible[post, pre]
        share[post, pre] = share[pre, post] = existing / possible if possible else np.nan
    axes = figure.subplots()
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
