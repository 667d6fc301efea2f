"""The picture of a gradient audit: rows in, picture out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from eqprop.analysis.collect import Rows
from eqprop.plots.style import PAGE, color, figure, legend_above, plain_log

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PAIR = re.compile(r"\d+-\d+")


def audit_picture(parts: Rows, answer: Rows, stem: Path) -> None:
    """Cosine and size of the correction per pair of layers and kind; its answer to beta.

    **Arguments:**

    - `parts`: the rows of an audit's `audit.csv`; pairs of layers are named later-earlier.
    - `answer`: those of its `audit-response.csv`, or none.
    """
    parts = [part for part in parts if part["name"] != "all"]
    places, names = range(len(parts)), [part["name"] for part in parts]
    shades = [color(0 if _PAIR.fullmatch(name) else 1) for name in names]
    known = [part for part in parts if part["cosine"] is not None]
    with figure(stem, columns=3 if answer else 2, size=(PAGE, 1.6 + 0.16 * len(parts))) as grid:
        cosines, ratios = grid[0, 0], grid[0, 1]
        cosines.barh(places, [part["cosine"] or 0 for part in parts], color=shades)
        cosines.set_xlim(min([0.0, *(part["cosine"] for part in known)]), 1.02)
        cosines.set_xlabel("cosine with the exact gradient")
        sizes = [part["ratio"] or 0 for part in parts]
        ratios.hlines(places, 1, sizes, color=shades, linewidth=2)
        ratios.scatter(sizes, places, s=16, color=shades, zorder=3)
        ratios.set_xscale("log")
        above = [size for size in sizes if size > 0]
        ratios.set_xlim(0.8 * min([0.5, *above]), 1.25 * max([2, *above]))
        plain_log(ratios.xaxis, between_tens=False)
        ratios.axvline(1, color="0.35", linewidth=0.8)
        ratios.set_xlabel("correction / gradient, size")
        for axes in (cosines, ratios):
            axes.set_yticks(places, names)
            axes.invert_yaxis()
            axes.grid(visible=False, axis="y")
        if not known:
            cosines.set_title("no example has an exact gradient", fontsize="small")
        if answer:
            _answer(grid[0, 2], answer)


def _answer(axes: Axes, rows: Rows) -> None:
    rows = [row for row in rows if row["name"] == "all"]
    for position, steps in enumerate(dict.fromkeys(row["steps"] for row in rows)):
        chosen = [row for row in rows if row["steps"] == steps]
        axes.plot(
            [abs(row["beta"]) for row in chosen], [row["cosine"] for row in chosen],
            marker="o", markersize=3, color=color(position), label=f"{steps:g}",
        )  # fmt: skip
    axes.set_xscale("log")
    plain_log(axes.xaxis, between_tens=False)
    axes.set_xlabel("|beta|")
    axes.set_ylabel("cosine over all parameters")
    legend_above(axes, 4, whole=False, title="nudged steps", columnspacing=1, handlelength=1)
