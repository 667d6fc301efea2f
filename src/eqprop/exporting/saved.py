"""Trained networks as single files: weights, wiring, settings, and what was done to the data."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import numpy as np
from safetensors import SafetensorError, safe_open

from eqprop.config.run_config import RunConfig
from eqprop.config.settings import build
from eqprop.energy.settings import ACTIVATIONS, COSTS
from eqprop.errors import ConfigError, DataError
from eqprop.records.checkpoint import write_arrays
from eqprop.relaxation import ForwardPass
from eqprop.running.build import look_phase
from eqprop.running.finished import devices_of, model_of, network_from_arrays
from eqprop.training import Model
from eqprop.training.preparation import Preparation

_KEY = "eqprop"


def arrays_of(model: Model) -> dict[str, np.ndarray]:
    """Wiring, weights and biases, and what it takes to read them from their devices."""
    arrays = model.topology.to_arrays() | model.network.to_arrays()
    return arrays | ({} if model.devices is None else model.devices.to_arrays())


def restored(
    config: RunConfig, arrays: dict[str, np.ndarray], preparation: Mapping[str, Any]
) -> Model:
    """The model of `arrays_of`, its settings, and what was done to its data."""
    topology, network = network_from_arrays(config, arrays, Path("the saved network"))
    done, devices = Preparation.from_dict(preparation), devices_of(config, network, arrays)
    return model_of(config, topology, network, done, devices)


def settings_of(model: Model) -> RunConfig:
    """The settings that describe a network: those of its run, or what its energy and cost are.

    Warns (`UserWarning`) of an `evaluation` that they do not tell.

    **Raises:** `ConfigError` for an energy, an activation or a cost that has no name.
    """
    config = _described(model) if model.config is None else model.config
    if not eqx.tree_equal(model.evaluation, look_phase(config, model.network)):
        warnings.warn(
            "the `evaluation` of this model is not saved: what is loaded relaxes as "
            "`evaluation_phase` says. Hand it over again: `Model(..., evaluation=...)`.",
            stacklevel=3,
        )
    return config


def _described(model: Model) -> RunConfig:
    energy, cost = model.network.hopfield, model.network.cost
    if energy.terms:
        raise ConfigError(
            "a network with terms of its own cannot be described by settings, got one. Save the "
            "run that trained it, or its arrays: `Network.to_arrays`."
        )
    network: dict[str, Any] = {"feedback": energy.feedback}
    for what, kind, made in (
        ("activation", ACTIVATIONS, energy.activation),
        ("cost", COSTS, cost),
    ):
        found = (choice.describing(made) for _, choice in kind.each())
        chosen = next((choice for choice in found if choice is not None), None)
        if chosen is None:
            raise ConfigError(
                f"the {what} must be one that a settings file can name, got {type(made).__name__}. "
                "Declare it as docs/howto/energy.md says."
            )
        network |= {what: chosen.name} | chosen.model_dump(mode="json")
    sizes = list(model.topology.layer_sizes)
    topology = {"layer_sizes": sizes, "wiring": "given"}
    values: dict[str, Any] = {"seed": model.seed, "topology": topology, "network": network}
    if isinstance(model.evaluation.method, ForwardPass):
        values["learning"] = {"rule": "backpropagation"}
        topology["drop_intralayer"] = True
    elif not ACTIVATIONS.find(network["activation"]).has_box:
        values["free"] = {"method": "euler"}  # how training relaxed is not known
    return build(values)


def write(path: Path, config: RunConfig, model: Model, told: Mapping[str, Any]) -> None:
    """Writes a `.safetensors` file, with whatever else is `told` as JSON holds it."""
    facts = {
        **told,
        "config": config.model_dump(mode="json", exclude_none=True),
        "preparation": model.preparation.to_dict(),
    }
    write_arrays(path, arrays_of(model), {_KEY: json.dumps(facts)})


def read(path: Path) -> tuple[RunConfig, dict[str, np.ndarray], dict[str, Any]]:
    """Settings, arrays, and all that was told.

    **Raises:** `DataError` for a file that `write` did not write.
    """
    try:
        with safe_open(path, "np") as file:
            told = json.loads((file.metadata() or {}).get(_KEY, "null"))
            if told is None:
                raise ValueError("it has no settings of a network")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return build(told["config"]), arrays, told
    except (OSError, KeyError, TypeError, ValueError, SafetensorError) as problem:
        raise DataError(
            f"`path` must be a folder of a run, what `eqprop.export` made, or a file that "
            f"`eqprop.save` or an estimator wrote, got {path}: {problem}."
        ) from None
