"""Trained networks as single files: weights, wiring, settings, and what was done to the data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from eqprop.config.settings import RunConfig, build
from eqprop.energy import Network
from eqprop.errors import DataError
from eqprop.running.finished import load_model, model_of, network_from_arrays
from eqprop.training import Model
from eqprop.training.preparation import Preparation

_KEY = "eqprop"


def load(
    path: str | Path,
    *,
    best: bool = False,
    saved: bool = False,
    network: Network | None = None,
) -> Model:
    """The network of a run folder, or of a file that an estimator's `save` wrote.

    **Arguments:**

    - `best`: of a run, the network with the smallest validation error so far, which an unfinished
      run has too, instead of the final one.
    - `saved`: of a run, the network of the newest resume point, which an unfinished run has.
    - `network`: the one that a run began with, where Python handed one over.

    **Raises:** `RunFolderError` if a run is not finished, or a file of it is missing or damaged;
    `DataError` for a file of another kind.
    """
    if Path(path).is_file():
        config, arrays, told = read(Path(path))
        return restored(config, arrays, told["preparation"])
    return load_model(path, best=best, saved=saved, network=network)


def arrays_of(model: Model) -> dict[str, np.ndarray]:
    """Wiring, weights and biases."""
    return model.topology.to_arrays() | model.network.to_arrays()


def restored(
    config: RunConfig, arrays: dict[str, np.ndarray], preparation: Mapping[str, Any]
) -> Model:
    """The model of `arrays_of`, its settings, and what was done to its data."""
    topology, network = network_from_arrays(config, arrays, Path("the saved network"))
    return model_of(config, topology, network, Preparation.from_dict(preparation))


def write(path: Path, config: RunConfig, model: Model, told: Mapping[str, Any]) -> None:
    """Writes a `.safetensors` file, with whatever else is `told` as JSON holds it."""
    facts = {
        **told,
        "config": config.model_dump(mode="json", exclude_none=True),
        "preparation": model.preparation.to_dict(),
    }
    save_file(arrays_of(model), path, metadata={_KEY: json.dumps(facts)})


def read(path: Path) -> tuple[RunConfig, dict[str, np.ndarray], dict[str, Any]]:
    """Settings, arrays, and all that was told.

    **Raises:** `DataError` for a file that `write` did not write.
    """
    try:
        with safe_open(path, "np") as file:
            told = json.loads((file.metadata() or {})[_KEY])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return build(told["config"]), arrays, told
    except (OSError, KeyError, TypeError, ValueError, SafetensorError) as problem:
        raise DataError(
            f"`path` must be a folder of a run or a file that an estimator saved, got {path}: "
            f"{problem}."
        ) from None
