"""A random against a fixed sign of beta."""

from __future__ import annotations

from eqprop.config.paper import CONNECTIONS
from eqprop.experiments.experiment import Experiment, Published, Settings, lasting, replaced


def conditions(preset: str) -> dict[str, Settings]:
    topology = replaced(preset, CONNECTIONS)
    return {
        nudging: {"topology": topology, "learning": {"nudging": nudging}}
        for nudging in ("random-sign", "one-sided")
    }


SIGN = Experiment(
    "sign",
    "random against fixed sign of beta",
    lasting(2, 4, 4),
    conditions,
    seeds=3,
    published=Published(
        "Section 2.2: a random sign of beta has a regularising effect.",
    ),
)
