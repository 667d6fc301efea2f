"""energy-based-learning's deep Hopfield network on MNIST: CHECKOUT FILES SEED EPOCHS EXAMPLES.

The network and the settings of its papers/fast-drn/dhn.py with one hidden layer; an epoch for every
line of its input. Nothing is copied: its modules are imported from a checkout of
github.com/rain-neuromorphics/energy-based-learning.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import torch
from mnist import read

BATCH, SWEEPS, GAIN, NUDGING, RATE = 16, 15, 0.7, 0.2, 0.05


def main(checkout: str, files: str, seed: str, epochs: str, examples: str) -> None:
    sys.path.insert(0, checkout)
    from model.function.cost import SquaredError
    from model.function.network import Network
    from model.hopfield.minimizer import FixedPointMinimizer
    from model.hopfield.network import DeepHopfieldEnergy
    from training.sgd import AugmentedFunction, EquilibriumProp

    torch.manual_seed(int(seed))
    torch.set_num_threads(2)
    x, y, tx, ty = (torch.from_numpy(np.array(a)) for a in read(files, int(examples)))
    y, ty, order = y.long(), ty.long(), np.random.default_rng(int(seed))
    energy = DeepHopfieldEnergy([(784,), (1024,), (10,)], [GAIN, GAIN])
    energy.set_device("cpu")
    cost, network = SquaredError(energy.layers()[-1]), Network(energy)
    free = network.free_layers()
    augmented = AugmentedFunction(energy, cost)
    nudged = FixedPointMinimizer(augmented, free, SWEEPS, "asynchronous")
    rule = EquilibriumProp(energy.params(), energy.layers(), augmented, cost, nudged)
    rule.variant, rule.nudging = "centered", NUDGING
    # Its own optimiser is this one; importing it would need a logging package.
    optimizer = torch.optim.SGD([param.state for param in energy.params()], lr=RATE)
    decay = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.99)
    inference = FixedPointMinimizer(energy, free, SWEEPS, "asynchronous")
    print(json.dumps({}), flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        for batch in torch.from_numpy(order.permutation(len(x))).split(BATCH):
            network.set_input(x[batch], reset=False)
            inference.compute_equilibrium()
            cost.set_target(y[batch])
            for param, grad in zip(energy.params(), rule.compute_gradient(), strict=False):
                param.state.grad = grad
            optimizer.step()
            for param in energy.params():
                param.clamp_()
        decay.step()
        seconds = time.perf_counter() - began
        wrong = 0
        for images, labels in zip(tx.split(1000), ty.split(1000), strict=True):
            network.set_input(images, reset=True)
            inference.compute_equilibrium()
            wrong += int((energy.layers()[-1].state.argmax(1) != labels).sum())
        print(json.dumps({"seconds": seconds, "error": wrong / len(tx)}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
