"""Errors with devices that were measured: rows in, picture out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from eqprop.analysis.collect import Rows
from eqprop.plots.style import PAGE, color, figure, legend_above

_WAYS = {
    "trained_error": ("o", "trained with the device"),
    "programmed_error": ("D", "trained without, then programmed onto it"),
}


def trained_and_programmed(rows: Rows, stem: Path) -> None:
    """Validation error by device, a panel per network; `.png`, `.svg`, `.pdf`.

    **Arguments:** `rows`: each a `network`, `seed` and `device`, its `trained_error` and
    `programmed_error` as shares, None where not measured. A small point is a run, a large one the
    mean; dotted is the network without a device.
    """
    networks = list(dict.fromkeys(row["network"] for row in rows)) or ["none"]
    devices = [d for d in dict.fromkeys(row["device"] for row in rows) if d != "exact"]
    height = 1.1 + 0.26 * max(len(devices), 1)
    with figure(stem, columns=len(networks), size=(PAGE, height), sharey=True, sharex=True) as grid:
        for axes, network in zip(grid[0], networks, strict=True):
            own = [row for row in rows if row["network"] == network]
            for position, (name, (marker, label)) in enumerate(_WAYS.items()):
                shade = color(position)
                for place, device in enumerate(devices):
                    values = _values(own, device, name)
                    height_of = place + (position - 0.5) * 0.3
                    axes.plot(values, [height_of] * len(values), ".", color=shade, alpha=0.5)
                    if values:
                        axes.plot(np.mean(values), height_of, marker, color=shade, markersize=5)
                axes.plot([], [], marker, color=shade, label=label)
            if exact := _values(own, "exact", "trained_error"):
                axes.axvline(np.mean(exact), color="0.35", linestyle=":", linewidth=1)
            axes.plot([], [], ":", color="0.35", label="without a device")
            axes.set_title(network)
            axes.set_xlim(0, 100)
            axes.set_yticks(range(len(devices)), devices)
            axes.set_xlabel("validation error, cold (%)")
        grid[0, 0].set_ylim(max(len(devices), 1) - 0.5, -0.5)
        legend_above(grid[0, 0])


def _values(rows: Rows, device: str, name: str) -> list[float]:
    return [100 * row[name] for row in rows if row["device"] == device and row[name] is not None]
