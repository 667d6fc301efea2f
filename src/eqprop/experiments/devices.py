"""Devices that were measured, beside each other: with and without skip connections."""

from __future__ import annotations

from eqprop.experiments.experiment import Experiment, Settings, lasting, merged
from eqprop.experiments.figure3 import networks

NAMES = (
    "reram-es",
    "reram-sb",
    "ecram",
    "ecram-mo",
    "capacitor",
    "gokmen-vlasov",
    "reram-om",
    "reram-hfo2",
    "pcm",
)


def _conditions(preset: str) -> dict[str, Settings]:
    shown = networks(preset)
    found: dict[str, Settings] = {}
    for network in ("layered", "rewired"):
        found[f"{network}, exact"] = shown[network]
        for name in NAMES:
            device: Settings = {"device": {"kind": name}}
            found[f"{network}, {name}"] = merged(shown[network], device)
    return found


DEVICES = Experiment(
    name="devices",
    about="devices that were measured, with and without skip connections",
    presets=lasting(2, 3, 3),
    conditions=_conditions,
    seeds=3,
    quick_seeds=1,
)
