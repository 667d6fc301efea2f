"""Persistent particles against cold starts."""

from __future__ import annotations

from eqprop.config.paper import CONNECTIONS
from eqprop.experiments.experiment import Experiment, Published, Settings, lasting, replaced
from eqprop.relaxation.settings import ResidualSettings


def as_in_the_first_epoch() -> Settings:
    """A free phase that settles as far in every epoch as in the first.

    A residual of 1e-3 from a cold start can hide outputs that have yet to come to life.
    """
    first = ResidualSettings(tolerance=1e-3).cold_tolerance
    return {"tolerance": first, "cold_tolerance": first}


def conditions(preset: str) -> dict[str, Settings]:
    """In its first epoch a particle is a cold start: what particles do shows from the second."""
    found: dict[str, Settings] = {}
    for network, topology in (("layered", {}), ("rewired", replaced(preset, CONNECTIONS))):
        cold = {"persistent": False}
        as_first = as_in_the_first_epoch()
        thorough = {"steps": 500, "tolerance": 1e-6, "cold_tolerance": 1e-6, "share": 1.0}
        found |= {
            f"{network}-particles": {"topology": topology},
            f"{network}-cold": {"topology": topology, "training": cold, "free": as_first},
            f"{network}-thorough": {"topology": topology, "training": cold, "free": thorough},
        }
    return found


PARTICLES = Experiment(
    "particles",
    "persistent particles against cold starts",
    lasting(2, 3, 3),
    conditions,
    seeds=3,
    quick_seeds=1,
    published=Published(
        "Section 2.2: persistent particles raise the error early in training.",
    ),
)
