"""Figure 3: training and validation error of the paper's three networks."""

from __future__ import annotations

from eqprop.config.paper import CONNECTIONS, PER_LAYER, RELEASED, SIZES
from eqprop.experiments.experiment import (
    PAPER,
    QUICK,
    SMOKE,
    Experiment,
    Published,
    Settings,
    merged,
    replaced,
)


def three_by_500(preset: str) -> list[int]:
    """Those sizes; at smoke size as many small layers."""
    return SMOKE["topology"]["layer_sizes"] if preset == "smoke" else list(SIZES)


def networks(preset: str) -> dict[str, Settings]:
    """Section 2.3.2, 2.3.1 and 2.3.3, in the order of the tables."""
    per_layer: Settings = {"learning": {"learning_rate": PER_LAYER}}
    return {
        "layered": {},
        "per-layer": per_layer,
        "rewired": {"topology": replaced(preset, CONNECTIONS)},
    }


FIGURE3 = Experiment(
    name="figure3",
    about="training and validation error of the paper's three networks",
    presets={
        "smoke": SMOKE,
        "quick": QUICK,
        "paper": PAPER,
        "as-released": merged(PAPER, {"free": RELEASED}),
    },
    conditions=networks,
    published=Published(
        "Section 3.1, after 250 epochs: about 2.5 % test error (our validation error) and 0 % "
        "training error for the layer-skipping network and for the layered one with a rate "
        "per layer; the layered one with a single rate is about 0.5 points worse in both errors. "
        "The layer-skipping network needs around 25 % more epochs than the one with a rate per "
        "layer.",
        errors={
            "layered": "0.5 / 3.0 after 250 epochs",
            "per-layer": "0 / 2.5 after 250 epochs",
            "rewired": "0 / 2.5 after 250 epochs",
        },
    ),
)
