"""What all figures share."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eqprop.errors import RunFolderError

# A notebook names a backend that may not exist here; nothing below uses one.
_backend = os.environ.pop("MPLBACKEND", None)
import matplotlib  # noqa: E402

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

if _backend is not None:
    os.environ["MPLBACKEND"] = _backend

# Okabe and Ito's colours stay apart for colour-blind readers.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999", "#000000")


COLUMN, PAGE = 3.5, 7.2
"""Inches: what a journal gives a picture that fills a column, or the page."""

SUFFIXES = (".png", ".svg", ".pdf")


def color(position: int) -> str:
    """Of the n-th thing shown."""
    return COLORS[position % len(COLORS)]


@contextmanager
def figure(
    stem: Path,
    *,
    rows: int = 1,
    columns: int = 1,
    size: Sequence[float],
    **shared: Any,
) -> Iterator[Any]:
    """Axes to draw on `[rows, columns]`; `save`s `stem` with each of `SUFFIXES` at the end.

    What was run, and how, is not drawn: it stands in the text beside a picture.
    """
    with blank(size) as drawn:
        axes = drawn.subplots(rows, columns, squeeze=False, **shared)
        for each in axes.flat:
            each.grid(which="both", alpha=0.25, linewidth=0.5)
        yield axes
        for suffix in SUFFIXES:
            save(drawn, stem.with_suffix(suffix))


@contextmanager
def blank(size: Sequence[float]) -> Iterator[Figure]:
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
    """Matplotlib's own settings, but for those that choose how it is run, and the house's."""
    kept = ("backend", "backend_fallback", "interactive", "toolbar", "timezone")
    own = {
        "font.size": 8,
        "axes.axisbelow": True,
        "legend.frameon": False,
        "legend.handlelength": 3,
        "pdf.fonttype": 42,  # letters, not curves: an editor of the journal can change them
    }
    return {k: v for k, v in matplotlib.rcParamsDefault.items() if k not in kept} | own


def save(drawn: Figure, path: Path) -> None:
    """Writes a picture.

    **Raises:** `RunFolderError` if it cannot.
    """
    try:
        drawn.savefig(path, dpi=200)
    except OSError as problem:
        raise RunFolderError(
            f"the folder of a picture must be writable, got {path.parent} ({problem.strerror})."
        ) from None


def plain_log(axis: Axis, *, between_tens: bool = True) -> None:
    """Numbers on a log axis without powers of ten; more of them where it is short.

    **Arguments:** `between_tens`: False where a narrow panel has no room for them.
    """

    from matplotlib.ticker import NullFormatter

    def between(value: float, _: float) -> str:
        low, high = sorted(axis.get_view_interval())
        text = f"{value:g}"
        return text if high < 4 * low or text.lstrip("0.")[:1] in tuple("235") else ""

    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter(between if between_tens else NullFormatter())


def mean_and_band(
    axes: Axes,
    x: Any,
    points: Sequence[Sequence[float]],
    mean: Callable[[Sequence[float]], Any] = np.mean,
    **line: Any,
) -> None:
    """The mean over seeds, and a band from the smallest to the largest.

    **Arguments:** `points`: for every x the values of the seeds that have one there.
    """
    axes.plot(x, [mean(seeds) for seeds in points], **line)
    if any(len(seeds) > 1 for seeds in points):
        low, high = ([end(seeds) for seeds in points] for end in (min, max))
        axes.fill_between(x, low, high, color=line["color"], alpha=0.15, linewidth=0)


def name_extent(axes: Axes, several: bool, *, band: bool = True) -> None:
    """Says in the legend what a band, or a bar, reaches over, where several seeds were drawn."""
    if several and band:
        axes.fill_between([], [], [], color="0.35", alpha=0.3, linewidth=0, label=_EXTENT)
    elif several:
        axes.plot([], [], color="0.35", linewidth=1.5, label=_EXTENT)


def legend_above(axes: Axes, columns: int = 3, *, whole: bool = True, **options: Any) -> None:
    """A legend above the picture, or above these axes alone, where it hides nothing."""
    options = {"ncols": columns, **options}
    if whole:
        handles, labels = axes.get_legend_handles_labels()
        given = {"handles": handles, "labels": labels} | options
        axes.figure.legend(loc="outside upper center", **given)
    else:
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), **options)


_EXTENT = "smallest to largest seed"


def means_and_runs(
    axes: Axes,
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
