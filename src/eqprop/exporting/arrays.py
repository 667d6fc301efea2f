"""A network as files for other tools."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from eqprop.config.settings import build
from eqprop.energy import HopfieldEnergy, Network
from eqprop.errors import ConfigError
from eqprop.exporting.parts import written_into
from eqprop.exporting.saved import settings_of, write
from eqprop.training import Model

SAVED = "network.safetensors"
"""What `eqprop.load` reads of an export."""


def export(model: Model | Network, folder: str | Path) -> list[Path]:
    """Writes weights, biases, wiring and names for other tools, and a file for `eqprop.load`.

    `network.npz` holds `weights` `[units, units]` (symmetric), `biases` `[free units]`,
    `layer_sizes`, `names` where units have some, and the parameters of a read-out; and where
    imperfect devices hold them, `weights_read` `[to, from]` and `biases_read`, what units see;
    `connections.csv` has one row per connection that exists; `units.csv` one per unit; both have
    what is read beside what is held: `weight_read_ab` is how a acts on b, `weight_read_ba` how b
    acts on a. Units are numbered input first. `settings.toml` names activation, cost, weakened
    feedback and the device that held the weights in training. `network.safetensors` holds all of
    it, and what was done to the data.

    **Arguments:**

    - `model`: with a Hopfield energy; or its network alone, whose units then have no names.
    - `folder`: is made if it does not exist.

    **Returns:** the files; without the last two where settings cannot name the activation or the
    cost, or where no network could be trained with them.

    **Raises:** `ConfigError` for a folder that cannot be written to.

    >>> import eqprop, tempfile
    >>> model = eqprop.Model(eqprop.layered([4, 3, 2]))
    >>> [path.name for path in eqprop.export(model, tempfile.mkdtemp())]
    ['network.npz', 'connections.csv', 'units.csv', 'settings.toml', 'network.safetensors']
    """
    folder = written_into(folder)
    if isinstance(model, Network):
        model = Model(model.hopfield.topology(), network=model)
    topology, energy = model.topology, model.network.hopfield
    sizes, names = topology.layer_sizes, topology.names
    weights, biases = _dense(energy)
    arrays: dict[str, Any] = {"weights": weights, "biases": biases, "layer_sizes": np.array(sizes)}
    read = None if model.devices is None else _dense(model.seen.hopfield)
    if read is not None:
        arrays["weights_read"], arrays["biases_read"] = read
    if names is not None:
        arrays["names"] = np.array(names)
    for name, value in model.network.to_arrays().items():
        if name.startswith("cost_"):
            arrays[name] = _numbers(value)
    np.savez(folder / "network.npz", **arrays)
    layer = np.repeat(np.arange(len(sizes)), sizes)
    with open(folder / "connections.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        named = [] if names is None else ["source", "target"]
        seen = [] if read is None else ["weight_read_ab", "weight_read_ba"]
        table.writerow([*named, "unit_a", "unit_b", "layer_a", "layer_b", "weight", *seen])
        rows, columns = np.nonzero(np.tril(topology.adjacency().toarray()))
        for a, b in zip(columns.tolist(), rows.tolist(), strict=True):
            ends = [] if names is None else [names[a], names[b]]
            values = (
                [weights[a, b]] if read is None else [weights[a, b], read[0][b, a], read[0][a, b]]
            )
            table.writerow([*ends, a, b, layer[a], layer[b], *(repr(float(v)) for v in values)])
    with open(folder / "units.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        seen = [] if read is None else ["bias_read"]
        table.writerow([*([] if names is None else ["name"]), "unit", "layer", "bias", *seen])
        told = [biases] if read is None else [biases, read[1]]
        shown = [*([[""] * len(told)] * sizes[0]), *np.stack(told, axis=1).tolist()]
        for unit, values in enumerate(shown):
            named = [] if names is None else [names[unit]]
            table.writerow([*named, unit, layer[unit], *values])
    made = [folder / name for name in ("network.npz", "connections.csv", "units.csv")]
    try:
        settings = settings_of(model)
        build(settings.model_dump(mode="json", exclude_none=True))  # as whoever loads it will
    except ConfigError:  # its energy or cost is known to nobody but its author
        return made
    (folder / "settings.toml").write_text(settings.to_toml(), "utf-8")
    write(folder / SAVED, settings, model, {})
    return [*made, folder / "settings.toml", folder / SAVED]


def _dense(energy: HopfieldEnergy) -> tuple[np.ndarray, np.ndarray]:
    """Weights `[to, from]` and biases of a network."""
    biases = [np.asarray(energy.biases[k]) for k in range(1, len(energy.layer_sizes))]
    return _numbers(energy.dense_weights()), _numbers(np.concatenate(biases))


def _numbers(values: np.ndarray) -> np.ndarray:
    """The same in a type that every reader of NumPy files knows: bfloat16 becomes float32."""
    return values if values.dtype.kind == "f" else values.astype(np.float32)
