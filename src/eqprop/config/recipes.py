"""Recipes: complete settings by name. Never imports JAX."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eqprop.config.overrides import Overrides, over, override
from eqprop.config.paper import PAPER_P
from eqprop.config.run_config import RunConfig
from eqprop.config.settings import build
from eqprop.config.toml import read
from eqprop.energy.settings import COSTS, SquaredErrorSettings
from eqprop.errors import ConfigError, unknown_name


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Settings that go together.

    **Attributes:**

    - `summary`: what it is for, a sentence.
    - `hidden`: units of its hidden layers; inputs and outputs follow the data.
    - `values`: its settings, section by section.
    """

    summary: str
    hidden: tuple[int, ...]
    values: Mapping[str, Mapping[str, Any]]


_SWEEPS: dict[str, Any] = {
    "method": "block", "step_size": 1.0, "block_size": 0, "termination": "fixed-steps",
    "measured": False,
}  # fmt: skip

_LEARNING: dict[str, Any] = {
    "nudging": "one-sided", "beta": 0.1, "carried": True, "optimizer": "adam",
}  # fmt: skip

# With which deep networks and few examples were measured, at these values.
_TANH: dict[str, Mapping[str, Any]] = {
    "network": {"rho": "tanh"},
    "learning": {"beta": 0.5, "learning_rate": 3e-3},
}

_NEARLY_FORWARD: dict[str, Mapping[str, Any]] = {
    "network": {
        "activation": "activities", "rho": "hard-sigmoid", "cost": "cross-entropy",
        "feedback": 0.01,
    },
    "free": {**_SWEEPS, "steps": 2},
    "nudged": {**_SWEEPS, "steps": 1, "order": "backwards"},
    "learning": {**_LEARNING, "learning_rate": 1e-3, "schedule": "cosine", "final_rate": 0.05},
    "data": {"dataset": "mnist", "batch_size": 100, "shuffle": True},
    "training": {"epochs": 10, "persistent": False, "data_shards": 1},
}  # fmt: skip

_ACCURATE: dict[str, Mapping[str, Any]] = {
    **_NEARLY_FORWARD,
    # At this size a network can learn every example by heart: decay keeps its weights small.
    "learning": {
        **_NEARLY_FORWARD["learning"], "optimizer": "adamw", "weight_decay": 0.6,
        "final_rate": 0.001,
    },
    "training": {**_NEARLY_FORWARD["training"], "epochs": 50},
}  # fmt: skip

_WITH_SKIPS: dict[str, Mapping[str, Any]] = {
    **_NEARLY_FORWARD,
    # Not full inside its layers: such connections are not weakened, and would take many sweeps.
    "topology": {"wiring": "rewire", "p": PAPER_P},
}

_DEEP: dict[str, Mapping[str, Any]] = {
    **_NEARLY_FORWARD,
    "network": {**_NEARLY_FORWARD["network"], **_TANH["network"]},
    "learning": {**_NEARLY_FORWARD["learning"], **_TANH["learning"]},
}

_SMALL: dict[str, Mapping[str, Any]] = {
    **_DEEP,
    "learning": {**_LEARNING, **_TANH["learning"]},
    "data": {"dataset": "wine", "batch_size": 20, "shuffle": True},
    "training": {"epochs": 60, "persistent": False, "data_shards": 1},
}  # fmt: skip

_CHIP: dict[str, Mapping[str, Any]] = {
    # States in [0, 1] and weights in [-1, 1], which analog parts can hold; feedback whose effect
    # two layers down is a tenth, not a ten-thousandth; no memory but the weights.
    "network": {
        "activation": "activities", "rho": "hard-sigmoid", "cost": "squared-error", "feedback": 0.3,
    },
    "free": {**_SWEEPS, "steps": 8},
    "nudged": {**_SWEEPS, "steps": 6},
    "learning": {
        "nudging": "centered", "beta": 0.3, "learning_rate": 0.03, "max_weight": 1.0,
        "schedule": "cosine", "final_rate": 0.05,
    },
    "data": {"dataset": "mnist", "batch_size": 20, "shuffle": True},
    "training": {"epochs": 5, "persistent": False, "data_shards": 1},
}  # fmt: skip

RECIPES = {
    "paper": Recipe(
        "the network of the paper, rewired: hard sigmoid, one rate, particles",
        (500, 500, 500),
        {
            "topology": {"wiring": "rewire", "p": PAPER_P, "intralayer": True},
            "data": {"dataset": "mnist"},
        },
    ),
    "fast": Recipe(
        "a low error soon: weakened feedback, the carried difference, Adam",
        (512, 512, 512),
        _NEARLY_FORWARD,
    ),
    "accurate": Recipe(
        "the lowest error of these: `fast` with weights that decay, for fifty epochs",
        (512, 512, 512),
        _ACCURATE,
    ),
    "deep": Recipe(
        "ten hidden layers, learned as `fast` learns, at a rate that suits them",
        (64,) * 10,
        _DEEP,
    ),
    "small": Recipe(
        "a few hundred examples: one layer, small batches, many epochs",
        (64,),
        _SMALL,
    ),
    "skips": Recipe(
        "random skip connections as in the paper, learned as `fast` learns",
        (500, 500, 500),
        _WITH_SKIPS,
    ),
    "chip": Recipe(
        "what analog hardware can do: cold starts, hard bounds, plain steps, feedback that is felt",
        (500, 500),
        _CHIP,
    ),
}
"""By name."""


def find(name: str) -> Recipe:
    """The recipe of a name. **Raises:** `ConfigError` for one that does not exist."""
    if name not in RECIPES:
        raise ConfigError(unknown_name("recipe", name, RECIPES))
    return RECIPES[name]


def cook(
    recipe: str | None,
    given: Path | Mapping[str, Any] | None = None,
    overrides: Overrides = (),
    shape: tuple[int, int] | None = None,
) -> RunConfig:
    """A run's settings: those of a recipe, then given ones, then overrides; each may be absent.

    With a recipe, the first and the last layer follow the data set unless layers are said.

    **Arguments:**

    - `given`: a TOML file, or what one says.
    - `overrides`: such as `training.epochs=3`, or values by dotted name.
    - `shape`: inputs and outputs of the data, where it is at hand; layers then follow it without a
      recipe, too.

    >>> cook("fast", overrides=["data.dataset=wine"]).topology.layer_sizes
    (13, 512, 512, 512)
    """
    source = str(given) if isinstance(given, Path) else "the configuration"
    said = given if isinstance(given, Mapping) else read(given) if given is not None else {}
    if recipe is None and shape is None:
        return build(override(said, overrides), source)
    chosen = find(recipe or "paper")
    below = dict(chosen.values) if recipe else {}
    wired = override(said, overrides).get("topology", {})
    if isinstance(wired, Mapping) and ("file" in wired or wired.get("wiring") == "given"):
        below.pop("topology", None)  # a wiring of one's own takes the place of the recipe's
    values = override(over(below, said), overrides)
    wiring = values.get("topology", {})
    if isinstance(wiring, Mapping) and not {"layer_sizes", "file"} & set(wiring):
        values["topology"] = {**wiring, "layer_sizes": _sizes(chosen, values, shape)}
    return build(values, source)


def _sizes(recipe: Recipe, values: Mapping[str, Any], shape: tuple[int, int] | None) -> list[int]:
    data, network = values.get("data", {}), values.get("network", {})
    inputs, outputs = shape or build({"data": data}).data.dataset.sizes()
    cost = COSTS.find(network.get("cost", SquaredErrorSettings.name))
    return [inputs, *recipe.hidden, *([outputs] if cost.holds_targets else [])]
