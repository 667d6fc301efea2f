"""A network as files for other tools."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from eqprop.energy import Network


def export(network: Network, folder: str | Path) -> list[Path]:
    """Writes weights, biases and wiring for other tools.

    `network.npz` holds `weights` `[units, units]` (symmetric), `biases` `[free units]` and
    `layer_sizes`; `connections.csv` has one row per connection that exists; `units.csv` one per
    unit. Units are numbered input first.

    **Arguments:**

    - `network`: with a Hopfield energy.
    - `folder`: is made if it does not exist.

    **Returns:** the three files.

    >>> import eqprop, tempfile
    >>> network = eqprop.Network.initialize(eqprop.layered([4, 3, 2]), seed=0)
    >>> [path.name for path in eqprop.export(network, tempfile.mkdtemp())]
    ['network.npz', 'connections.csv', 'units.csv']
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    energy = network.hopfield
    topology, weights = energy.topology(), _numbers(energy.dense_weights())
    sizes = topology.layer_sizes
    biases = _numbers(np.concatenate([np.asarray(energy.biases[k]) for k in range(1, len(sizes))]))
    np.savez(folder / "network.npz", weights=weights, biases=biases, layer_sizes=np.array(sizes))
    layer = np.repeat(np.arange(len(sizes)), sizes)
    with open(folder / "connections.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["unit_a", "unit_b", "layer_a", "layer_b", "weight"])
        rows, columns = np.nonzero(np.tril(topology.adjacency().toarray()))
        for i, j in zip(columns.tolist(), rows.tolist(), strict=True):
            table.writerow([i, j, layer[i], layer[j], repr(float(weights[i, j]))])
    with open(folder / "units.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["unit", "layer", "bias"])
        table.writerows([i, 0, ""] for i in range(sizes[0]))
        for unit, bias in enumerate(biases.tolist(), start=sizes[0]):
            table.writerow([unit, layer[unit], repr(bias)])
    return [folder / name for name in ("network.npz", "connections.csv", "units.csv")]


def _numbers(values: np.ndarray) -> np.ndarray:
    """The same in a type that every reader of NumPy files knows: bfloat16 becomes float32."""
    return values if values.dtype.kind == "f" else values.astype(np.float32)
