"""Section 4.1: backpropagation on the networks of figure 3."""

from __future__ import annotations

from eqprop.experiments.experiment import Experiment, Settings, lasting, merged
from eqprop.experiments.figure3 import networks


def _methods(preset: str) -> dict[str, Settings]:
    """Each network by either method, and the rewired one by both without intralayer connections.

    Backpropagation reads a network forwards, which connections inside a layer do not allow.
    """
    backwards: Settings = {"learning": {"rule": "backpropagation"}}
    acyclic: Settings = {"topology": {"drop_intralayer": True}}
    found: dict[str, Settings] = {}
    for name, settings in networks(preset).items():
        found[name] = settings
        if name == "rewired":
            settings = merged(settings, acyclic)
            name = "rewired-without-intralayer"
            found[name] = settings
        found[f"{name}-backpropagation"] = merged(settings, backwards)
    return found


BASELINE = Experiment(
    name="baseline",
    about="equilibrium propagation against backpropagation on the same networks",
    presets=lasting(3, 5, 10),
    conditions=_methods,
)
