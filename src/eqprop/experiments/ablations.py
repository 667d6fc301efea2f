"""Questions beside the figures: what matters, and what does not."""

from __future__ import annotations

from eqprop.config.paper import CONNECTIONS, PAPER_P, PER_LAYER
from eqprop.experiments.experiment import (
    Experiment,
    Settings,
    lasting,
    replaced,
)
from eqprop.relaxation.settings import ResidualSettings


def _added(preset: str) -> dict[str, Settings]:
    rewired = replaced(preset, CONNECTIONS)
    added = {"wiring": "add", "intralayer": True}
    # At smoke size as many as the paper's p replaces there.
    added["connections"] = 99 if preset == "smoke" else CONNECTIONS
    return {"replaced": {"topology": rewired}, "added": {"topology": added}}


def _particles(preset: str) -> dict[str, Settings]:
    """In its first epoch a particle is a cold start: what particles do shows from the second."""
    found: dict[str, Settings] = {}
    for network, topology in (("layered", {}), ("rewired", replaced(preset, CONNECTIONS))):
        cold = {"persistent": False}
        # A cold start settles in every epoch as far as in the first: a residual of 1e-3 can hide
        # outputs that have yet to come to life.
        first = ResidualSettings(tolerance=1e-3).cold_tolerance
        as_first = {"tolerance": first, "cold_tolerance": first}
        thorough = {"steps": 500, "tolerance": 1e-6, "cold_tolerance": 1e-6, "share": 1.0}
        found |= {
            f"{network}-particles": {"topology": topology},
            f"{network}-cold": {"topology": topology, "training": cold, "free": as_first},
            f"{network}-thorough": {"topology": topology, "training": cold, "free": thorough},
        }
    return found


def _sign(preset: str) -> dict[str, Settings]:
    topology = replaced(preset, CONNECTIONS)
    return {
        nudging: {"topology": topology, "learning": {"nudging": nudging}}
        for nudging in ("random-sign", "one-sided")
    }


def _initialisation(preset: str) -> dict[str, Settings]:
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


def _errata(preset: str) -> dict[str, Settings]:
    rewired = replaced(preset, CONNECTIONS)
    found: dict[str, Settings] = {
        f"rewired-{step}": {"topology": rewired, "nudged": {"nudging_step": step}}
        for step in ("split", "joint")
    }
    # joint has no minimum at beta = -1 with a cost of factor 1; a weaker nudge has.
    found["rewired-joint-beta.3"] = {
        "topology": rewired,
        "nudged": {"nudging_step": "joint"},
        "learning": {"beta": 0.3},
    }
    for rates in ("below", "above", "as_released"):
        found[f"per-layer-biases-{rates}"] = {
            "learning": {"learning_rate": PER_LAYER, "bias_rates": rates}
        }
    return found


ADDED = Experiment(
    "added", "connections added against connections replaced", lasting(2, 4, 4), _added, seeds=3
)
PARTICLES = Experiment(
    "particles",
    "persistent particles against cold starts",
    lasting(2, 3, 3),
    _particles,
    seeds=3,
    quick_seeds=1,
)
SIGN = Experiment("sign", "random against fixed sign of beta", lasting(2, 4, 4), _sign, seeds=3)
INITIALISATION = Experiment(
    "initialisation",
    "initial skip and intralayer weights at several p",
    lasting(1, 1, 1),
    _initialisation,
    seeds=3,
    quick_seeds=1,
)
ERRATA = Experiment(
    "errata",
    "where the paper's text and its released code differ",
    lasting(2, 2, 2),
    _errata,
    seeds=3,
    quick_seeds=1,
)
