"""The picture of a gradient audit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eqprop.learning import Audit
from eqprop.plots.style import color, figure, plain_log


def audit_picture(found: Audit, rows: Sequence[dict[str, Any]], caption: str, stem: Path) -> None:
    """Cosine and size of the correction per pair of layers and kind; its answer to beta."""
    parts = [*found.pairs, *found.kinds]
    places, names = range(len(parts)), [part.name for part in parts]
    shades = [color(0)] * len(found.pairs) + [color(1)] * len(found.kinds)
    caption += "; pairs of layers are named later-earlier"
    if found.with_gradient == 0:
        caption += "; no example has an exact gradient to compare with"
    with figure(stem, caption, columns=3 if rows else 2, size=(13 if rows else 9, 4.4)) as grid:
        cosines, ratios = grid[0, 0], grid[0, 1]
        cosines.barh(places, [part.cosine for part in parts], color=shades)
        cosines.set_xlim(min(0.0, *(part.cosine for part in parts if part.cosine < 0), 0.0), 1.02)
        cosines.set_xlabel("cosine with the exact gradient")
        sizes = [part.ratio for part in parts]
        ratios.hlines(places, 1, sizes, color=shades, linewidth=2)
        ratios.scatter(sizes, places, color=shades, zorder=3)
        ratios.set_xscale("log")
        known = [size for size in sizes if size > 0]
        ratios.set_xlim(0.8 * min([0.5, *known]), 1.25 * max([2, *known]))
        plain_log(ratios.xaxis)
        ratios.axvline(1, color="0.35", linewidth=0.8)
        ratios.set_xlabel("size of the correction / of the gradient")
        for axes in (cosines, ratios):
            axes.set_yticks(places, names)
            axes.invert_yaxis()
            axes.grid(axis="x", alpha=0.25, linewidth=0.5)
        if rows:
            _answer(grid[0, 2], rows)


def _answer(axes: Any, rows: Sequence[dict[str, Any]]) -> None:
    rows = [row for row in rows if row["name"] == "all"]
    for position, steps in enumerate(dict.fromkeys(row["steps"] for row in rows)):
        chosen = [row for row in rows if row["steps"] == steps]
        axes.plot(
            [abs(row["beta"]) for row in chosen], [row["cosine"] for row in chosen],
            marker="o", markersize=4, color=color(position), label=f"{steps:g} nudged steps",
        )  # fmt: skip
    axes.set_xscale("log")
    plain_log(axes.xaxis)
    axes.set_xlabel("|beta|")
    axes.set_ylabel("cosine over all parameters")
    axes.grid(alpha=0.25, linewidth=0.5)
    axes.legend(fontsize="small", frameon=False)
