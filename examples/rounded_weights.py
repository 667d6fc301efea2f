"""What is left of a trained network when its weights are stored in a few bits.

python examples/rounded_weights.py

Analog and digital hardware hold a weight in few levels. All weights share one scale here: 2^bits
- 1 levels, evenly spaced between the largest weight and its negative, zero among them.
"""

from __future__ import annotations

import numpy as np

import eqprop
from eqprop import data


def rounded(network: eqprop.Network, bits: int) -> eqprop.Network:
    """The network with every weight at the nearest level; biases stay as they are."""
    arrays = network.to_arrays()
    names = [name for name in arrays if name.startswith("weights_")]
    step = max(np.abs(arrays[name]).max() for name in names) / (2 ** (bits - 1) - 1)
    levels = {name: (np.round(arrays[name] / step) * step).astype(np.float32) for name in names}
    return network.with_arrays({**arrays, **levels})


def main() -> None:
    digits = data.load("mnist-5k")
    train, check = digits.split("train").first(2_000), digits.split("validation").first(500)
    x, shown = (split.x.reshape(len(split.x), -1) / 255 for split in (train, check))
    layered = eqprop.layered([784, 100, 100, 10])
    topology = eqprop.rewire(eqprop.with_intralayer(layered), p=0.08, seed=0)
    model = eqprop.Model(topology, seed=0)
    model.fit(x, train.target, epochs=10)
    print(f"{topology.num_connections:,} connections, as trained: ", end="")
    print(f"{100 * np.mean(model.predict(shown) != check.target):.1f} % of 500 new digits wrong")
    for bits in (8, 6, 5, 4, 3):
        stored = eqprop.Model(topology, network=rounded(model.network, bits))
        print(f"{bits} bits: {100 * np.mean(stored.predict(shown) != check.target):.1f} %")


if __name__ == "__main__":
    main()
