"""Trained networks to files and back."""

from __future__ import annotations

from pathlib import Path

from eqprop.energy import Network
from eqprop.exporting.arrays import SAVED
from eqprop.exporting.saved import read, restored, settings_of, write
from eqprop.running.finished import load_model
from eqprop.training import Model


def load(
    path: str | Path,
    *,
    best: bool = False,
    saved: bool = False,
    network: Network | None = None,
) -> Model:
    """The network of a run folder, of an export, or of a file that `save` or an estimator wrote.

    **Arguments:**

    - `best`: of a run, the network with the smallest validation error so far, which an unfinished
      run has too, instead of the final one.
    - `saved`: of a run, the network of the newest resume point, which an unfinished run has.
    - `network`: the one that a run began with, where Python handed one over.

    **Raises:** `RunFolderError` if a run is not finished, or a file of it is missing or damaged;
    `DataError` for a file of another kind.
    """
    path = Path(path)
    if path.is_dir() and not (path / "config.toml").is_file() and (path / SAVED).is_file():
        path = path / SAVED  # of an export
    if path.is_file():
        config, arrays, told = read(path)
        return restored(config, arrays, told["preparation"])
    return load_model(path, best=best, saved=saved, network=network)


def save(model: Model, path: str | Path) -> None:
    """Writes a network as one `.safetensors` file: weights, wiring, settings, what its data were.

    **Raises:** `ConfigError` for an energy, an activation or a cost that settings cannot name.

    >>> import eqprop, tempfile
    >>> file = tempfile.mkdtemp() + "/small.safetensors"
    >>> eqprop.save(eqprop.Model(eqprop.layered([4, 3, 2])), file)
    >>> eqprop.load(file)
    Model(4-3-2, 18 connections, HardSigmoid, SquaredError)
    """
    write(Path(path), settings_of(model), model, {})
