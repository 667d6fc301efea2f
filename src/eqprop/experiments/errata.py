"""Where the paper's text and its released code differ."""

from __future__ import annotations

from eqprop.config.paper import CONNECTIONS, PER_LAYER
from eqprop.experiments.experiment import Experiment, Settings, lasting, replaced


def conditions(preset: str) -> dict[str, Settings]:
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


ERRATA = Experiment(
    "errata",
    "where the paper's text and its released code differ",
    lasting(2, 2, 2),
    conditions,
    seeds=3,
    quick_seeds=1,
)
