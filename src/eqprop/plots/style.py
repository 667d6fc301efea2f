"""What all figures share."""

from __future__ import annotations

import os
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from eqprop.errors import RunFolderError

# A notebook names a backend that may not exist here; nothing below uses one.
_backend = os.environ.pop("MPLBACKEND", None)
import matplotlib  # noqa: E402

if _backend is not None:
    os.environ["MPLBACKEND"] = _backend

# Okabe and Ito's colours stay apart for colour-blind readers.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999", "#000000")


def color(position: int) -> str:
    """Of the n-th thing shown."""
    return COLORS[position % len(COLORS)]


@contextmanager
def figure(
    stem: Path,
    caption: str,
    *,
    rows: int = 1,
    columns: int = 1,
    size: Sequence[float],
    **shared: Any,
) -> Iterator[Any]:
    """Axes to draw on `[rows, columns]`; `save`s `stem` with .png and .svg at the end."""
    with blank(size) as drawn:
        axes = drawn.subplots(rows, columns, squeeze=False, **shared)
        yield axes
        # As many letters as fit on a line this wide.
        lines = textwrap.fill(caption, int(14 * size[0]))
        drawn.supxlabel(lines, fontsize="x-small", color="0.35")
        for suffix in (".png", ".svg"):
            save(drawn, stem.with_suffix(suffix))


@contextmanager
def blank(size: Sequence[float]) -> Iterator[Any]:
    """An empty figure of this size in inches, drawn as the package wants it.

    Whatever the user's own settings say (a backend, LaTeX, a style) holds elsewhere.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore", matplotlib.MatplotlibDeprecationWarning)
        settings: Any = _defaults()
        matplotlib.rcParams.update(settings)
        drawn = Figure(figsize=(size[0], size[1]), layout="constrained")
        FigureCanvasAgg(drawn)
        yield drawn


def _defaults() -> dict[str, Any]:
    """Matplotlib's own settings, but for those that choose how it is run."""
    kept = ("backend", "backend_fallback", "interactive", "toolbar", "timezone")
    return {k: v for k, v in matplotlib.rcParamsDefault.items() if k not in kept}


def save(drawn: Any, path: Path) -> None:
    """Writes a picture.

    **Raises:** `RunFolderError` if it cannot.
    """
    try:
        drawn.savefig(path, dpi=150)
    except OSError as problem:
        raise RunFolderError(
            f"the folder of a picture must be writable, got {path.parent} ({problem.strerror})."
        ) from None


def plain_log(axis: Any) -> None:
    """Numbers on a log axis without powers of ten; more of them where it is short."""

    def between(value: float, _: int) -> str:
        low, high = sorted(axis.get_view_interval())
        text = f"{value:g}"
        return text if high < 4 * low or text.lstrip("0.")[:1] in tuple("235") else ""

    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter(between)


def mean_and_band(axes: Any, x: Any, points: Sequence[Sequence[float]], **line: Any) -> None:
    """The mean over seeds, and a band from the smallest to the largest.

    **Arguments:** `points`: for every x the values of the seeds that have one there.
    """
    axes.plot(x, [np.mean(seeds) for seeds in points], **line)
    if any(len(seeds) > 1 for seeds in points):
        low, high = ([end(seeds) for seeds in points] for end in (min, max))
        axes.fill_between(x, low, high, color=line["color"], alpha=0.15, linewidth=0)


def legend_beside(axes: Any, **options: Any) -> None:
    """A legend to the right of the axes, where it hides nothing."""
    options = {"fontsize": "small", "frameon": False, **options}
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), **options)


def means_and_runs(
    axes: Any,
    points: Mapping[Any, Sequence[float]],
    shade: Any,
    line: str = "-",
    label: str | None = None,
) -> None:
    """A point per run, and a line through the means.

    **Arguments:** `points`: the runs' values at each place of the axis.
    """
    places = sorted(points)
    means = [np.mean(points[place]) for place in places]
    axes.plot(places, means, line, color=shade, marker="o", markersize=4, label=label)
    for place in places:
        axes.plot([place] * len(points[place]), points[place], ".", color=shade, alpha=0.5)
