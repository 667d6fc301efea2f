"""Error against a varied number: rows in, picture out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from eqprop.analysis.collect import Rows
from eqprop.plots.style import PAGE, color, figure, legend_above, plain_log

_MARKERS = "osDv^"
_KINDS = {"training": "-", "validation": ":", "validation_kept": "--"}
_WIDE = 10  # largest over smallest value from which on the axis is logarithmic


def is_number(value: Any) -> bool:
    """Whether a value has a place on an axis."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def against_a_number(
    rows: Rows,
    varied: str,
    lines: str | None,
    names: Mapping[str, str],
    scale: float,
    stem: Path,
) -> None:
    """Error at the end of each run against a varied setting; `.png`, `.svg`, `.pdf`.

    A point is a run, a line goes through the means.

    **Arguments:**

    - `rows`: of `analysis.varied.ends`.
    - `varied`: the setting on the axis; `lines`: another one, of whose values each has a colour.
    - `names`: words of the kinds of error; `scale`: of `measure_of`.
    """
    groups = list({repr(row[lines]): row[lines] for row in rows}.values()) if lines else [None]
    kinds = [kind for kind in _KINDS if any(row[kind] is not None for row in rows)]
    with figure(stem, size=(PAGE, 3.9)) as grid:
        axes = grid[0, 0]
        for position, group in enumerate(groups):
            own = [row for row in rows if not lines or row[lines] == group]
            for kind, marker in zip(kinds, _MARKERS, strict=False):
                shade = color(position if lines else kinds.index(kind))
                seen = [(row[varied], scale * row[kind]) for row in own if row[kind] is not None]
                if not seen:
                    continue
                axes.plot(*zip(*seen, strict=True), marker, color=shade, markersize=4, alpha=0.5)
                places = sorted({x for x, _ in seen})
                means = [np.mean([y for x, y in seen if x == place]) for place in places]
                axes.plot(places, means, _KINDS[kind], color=shade, marker=marker, markersize=5)
            if lines:
                name = lines.rpartition(".")[2]
                shown = str(group).lower() if isinstance(group, bool) else group
                axes.plot([], [], color=color(position), linewidth=3, label=f"{name} = {shown}")
        for kind, marker in zip(kinds, _MARKERS, strict=False):
            shade = "0.35" if lines else color(kinds.index(kind))
            axes.plot([], [], _KINDS[kind], marker=marker, color=shade, label=names[kind])
        values = [row[varied] for row in rows]
        if min(values) > 0 and max(values) > _WIDE * min(values):
            axes.set_xscale("log")
            plain_log(axes.xaxis)
        axes.set_yscale("log")
        plain_log(axes.yaxis)
        axes.set_xlabel(varied)
        axes.set_ylabel("error (%)" if scale == 100 else "cost per example")
        legend_above(axes)
