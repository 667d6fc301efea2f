"""Initial weights of skips and within layers, at several p."""

from __future__ import annotations

from eqprop.config.paper import PAPER_P
from eqprop.experiments.experiment import Experiment, Settings, lasting


def conditions(preset: str) -> dict[str, Settings]:
    found: dict[str, Settings] = {}
    for p in (0.0, 0.01, PAPER_P, 0.3):
        wiring = {"wiring": "rewire", "p": p} if p else {}
        for factor in (0.5, 1.0, 2.0):
            scale = 0.05 * factor
            found[f"p{p:g}-x{factor:g}"] = {
                "topology": {"intralayer": True} | wiring,
                "network": {"skip_scale": scale, "intralayer_scale": scale},
            }
    return found


INITIALISATION = Experiment(
    "initialisation",
    "initial skip and intralayer weights at several p",
    lasting(1, 1, 1),
    conditions,
    seeds=3,
    quick_seeds=1,
)
