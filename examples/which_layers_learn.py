"""How far each pair of layers moves in an epoch: a layered network, and one with skips.

python examples/which_layers_learn.py
"""

from __future__ import annotations

import numpy as np

import eqprop
from eqprop import data

SIZES = [784, 100, 100, 100, 10]


def moved(topology: eqprop.Topology, x: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Root-mean-square change of the weights of each pair of adjacent layers in the 8th epoch."""
    model = eqprop.Model(topology, seed=0)
    model.fit(x, labels, epochs=7)
    before = dict(model.network.hopfield.weights)
    errors = model.fit(x, labels, epochs=1)
    print(f"training error {100 * errors[0]:.1f} %")
    after, masks = model.network.hopfield.weights, model.network.hopfield.masks
    changes = {}
    for post in range(1, len(SIZES)):
        block = (post, post - 1)
        change = np.asarray(after[block] - before[block])[np.asarray(masks[block])]
        changes[f"layers {post - 1} to {post}"] = float(np.sqrt(np.mean(change**2)))
    return changes


def main() -> None:
    digits = data.load("mnist-5k").split("train").first(2_000)
    x = digits.x.reshape(len(digits.x), -1) / 255
    layered = eqprop.layered(SIZES)
    rewired = eqprop.rewire(eqprop.with_intralayer(layered), p=0.08, seed=0)
    for name, topology in (("layered", layered), ("rewired", rewired)):
        print(name)
        changes = moved(topology, x, digits.target)
        first, *_, last = changes.values()
        for pair, change in changes.items():
            print(f"  {pair}: {change:.1e}")
        print(f"  last over first: {last / first:.0f}")


if __name__ == "__main__":
    main()
