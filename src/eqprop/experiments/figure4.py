"""Figure 4: how fast each pair of layers learns, over training."""

from __future__ import annotations

from typing import Any

from eqprop.config.paper import SMALL_CONNECTIONS
from eqprop.experiments.experiment import (
    PAPER,
    QUICK,
    SMOKE,
    Experiment,
    Settings,
    five_by_100,
    merged,
    replaced,
)
from eqprop.experiments.figure3 import networks


def panels(preset: str) -> dict[str, Settings]:
    """Three networks of 3 x 500 hidden units, two of 5 x 100."""
    small: dict[str, Any] = five_by_100(preset)
    return networks(preset) | {
        "layered-5x100": {"topology": small},
        "rewired-5x100": {"topology": replaced(preset, SMALL_CONNECTIONS, **small)},
    }


FIGURE4 = Experiment(
    name="figure4",
    about="root-mean-square update per pair of layers over training, five networks",
    presets={
        "smoke": SMOKE,
        "quick": merged(QUICK, {"training": {"epochs": 6, "record_every": 20}}),
        "paper": PAPER,
    },
    conditions=panels,
)
