"""The size of updates per pair of layers: figures 4 and 5."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eqprop.analysis.collect import (
    Rows,
    by_seed,
    conditions_of,
    geometric_mean,
    layer_rows,
    layer_speeds,
    layers_of,
)
from eqprop.plots.curves import LABELS
from eqprop.plots.style import (
    PAGE,
    color,
    figure,
    legend_above,
    mean_and_band,
    name_extent,
    plain_log,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WINDOW = 11
"""Records in the centred moving average of figure 4."""


def smoothed(values: np.ndarray, window: int = WINDOW) -> np.ndarray:
    """The centred moving average over the last axis, where the whole window fits.

    >>> smoothed(np.array([1.0, 2.0, 6.0, 1.0]), 3)
    array([3., 3.])
    """
    return np.lib.stride_tricks.sliding_window_view(values, window, axis=-1).mean(-1)


def update_curves(rows: Rows, batches_per_epoch: int, stem: Path, size: str = "update") -> None:
    """Figure 4: a panel per condition, a line per pair of adjacent layers, over epochs.

    A centred moving average over `WINDOW` records, where there are twice as many or more. Above
    each panel how unevenly the layers learn in the last quarter (`collect.layer_speeds`).

    **Arguments:**

    - `size`: `update` as applied, or `correction` before the learning rate.
    """
    conditions = conditions_of(rows)
    speeds = layer_speeds(layer_rows(rows), f"late_{size}")
    columns = min(3, len(conditions))
    height = -(-len(conditions) // columns)
    with figure(stem, rows=height, columns=columns, size=(PAGE, 2.6 * height), sharey=True) as grid:
        spare, longest = grid.flat[len(conditions) :], grid[0, 0]
        for axes in spare:
            axes.set_axis_off()
        for axes, condition in zip(grid.flat, conditions, strict=False):
            seeds = by_seed(rows, condition)
            pairs = [pair for pair in dict.fromkeys(r["pair"] for r in seeds[0]) if _adjacent(pair)]
            # Few records are drawn as they are.
            records = min(len({r["batch"] for r in run}) for run in seeds)
            window = WINDOW if records >= 2 * WINDOW else 1
            for position, pair in enumerate(sorted(pairs, key=layers_of)):
                tables = [
                    {r["batch"]: float(r[size]) for r in run if r["pair"] == pair} for run in seeds
                ]
                curves = []
                for table in tables:
                    batches = sorted(table)
                    centres = batches[window // 2 : len(batches) - window // 2]
                    sizes = smoothed(np.array([table[batch] for batch in batches]), window)
                    curves.append(dict(zip(centres, sizes, strict=True)))
                batches = sorted(set().union(*curves))
                points = [[curve[b] for curve in curves if b in curve] for b in batches]
                post, pre = layers_of(pair)
                name = f"{pre} to {post}" + ("" if pre else " (from the input)")
                mean_and_band(
                    axes, np.array(batches) / batches_per_epoch, points, geometric_mean,
                    color=color(position), label=name, linewidth=1.5,
                )  # fmt: skip
            label, told = LABELS.get(condition, condition), speeds[condition]
            axes.set_title(
                f"{label}\noutput / input {told['output_to_input']:.3g}, "
                f"spread {told['spread']:.3g}",
                fontsize="small",
            )
            axes.set_yscale("log")
            axes.set_xlabel("epoch" if window == 1 else f"epoch (moving average of {window})")
            if len(axes.lines) > len(longest.lines):
                longest = axes
        # Colours mean the same in every panel.
        legend_above(longest, title="layers")
        for axes in grid[:, 0]:
            axes.set_ylabel(f"root-mean-square {size}")


def against_p(epochs: Rows, updates: Rows, stem: Path) -> None:
    """Figure 5: errors after the last epoch, and mean update of the pairs below, against p.

    Conditions are `layered`, `p0` and `pX`; the first two are drawn as horizontal lines. Means
    over seeds are geometric for updates, as in the tables.
    """
    values = {c: float(c[1:]) for c in conditions_of(epochs) if c[0] == "p" and c != "p0"}
    last = max(row["epoch"] for row in epochs)
    references = (("p0", "-."), ("layered", ":"))
    named = {"p0": "p = 0, full inside", "layered": "plain layered"}
    with figure(stem, rows=2, size=(PAGE, 6.4), sharex=True) as grid:
        above, below = grid[:, 0]
        for key, style, position in (("training_error", "-", 0), ("validation_error", "--", 5)):
            name = key.partition("_")[0]

            def final(condition: str, key: str = key) -> list[float]:
                chosen = (r for r in epochs if r["condition"] == condition and r["epoch"] == last)
                return [100 * float(row[key]) for row in chosen if row[key] is not None]

            _curve(
                above, values, final, color=color(position), label=f"rewired: {name}",
                linestyle=style,
            )  # fmt: skip
            for condition, dots in references:
                if reference := final(condition):
                    above.axhline(
                        float(np.mean(reference)), color=color(position), linestyle=dots,
                        linewidth=1, label=f"{named[condition]}: {name}",
                    )  # fmt: skip
        name_extent(above, len({row["seed"] for row in epochs}) > 1)
        above.set_ylabel(f"error after epoch {last} (%)")
        above.set_yscale("log")
        plain_log(above.yaxis)
        legend_above(above, whole=False)
        pairs = sorted({r["pair"] for r in updates if _adjacent(r["pair"])}, key=layers_of)
        for position, pair in enumerate(pairs):
            post, pre = layers_of(pair)

            def update(condition: str, pair: str = pair) -> list[float]:
                return _mean_update(updates, condition, pair)

            _curve(
                below, values, update, mean=geometric_mean, color=color(position),
                label=f"layers {pre} to {post}",
            )  # fmt: skip
            for condition, dots in references:
                if found := update(condition):
                    below.axhline(
                        geometric_mean(found), color=color(position), linestyle=dots, linewidth=1
                    )
        for condition, dots in references:
            below.plot([], [], dots, color="0.35", label=named[condition])
        below.set_ylabel("root-mean-square update,\nmean over the epoch")
        below.set_yscale("log")
        below.set_xlabel("p")
        if values:
            below.set_xscale("log")
        legend_above(below, whole=False)


def _curve(
    axes: Axes, values: Mapping[str, float], measure: Callable[[str], list[float]], **line: Any
) -> None:
    """A line through the conditions that have been run."""
    found = {p: seeds for condition, p in values.items() if (seeds := measure(condition))}
    if found:
        points = [found[p] for p in sorted(found)]
        mean_and_band(axes, sorted(found), points, marker="o", markersize=3, **line)


def _mean_update(rows: Rows, condition: str, pair: str) -> list[float]:
    chosen = [[r for r in run if r["pair"] == pair] for run in by_seed(rows, condition)]
    return [float(np.mean([float(r["update"]) for r in run])) for run in chosen if run]


def _adjacent(pair: str) -> bool:
    post, pre = layers_of(pair)
    return post - pre == 1
