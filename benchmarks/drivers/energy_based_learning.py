"""Runs rain-neuromorphics/energy-based-learning: CHECKOUT WORK.npz; NumPy, PyTorch, the checkout.

A dense Hopfield network, asynchronous fixed-point minimiser, one-sided equilibrium propagation.
Reads batches and settings from WORK.npz, writes the seconds of each batch into WORK-ebl.npz.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import torch


def main(checkout: str, work: str) -> None:
    sys.path.insert(0, checkout)
    from model.function.cost import SquaredError
    from model.function.network import Network
    from model.hopfield.minimizer import FixedPointMinimizer
    from model.hopfield.network import DeepHopfieldEnergy
    from training.sgd import AugmentedFunction, EquilibriumProp

    given = np.load(work)
    x, labels = torch.from_numpy(given["x"]), torch.from_numpy(given["y"].argmax(axis=2))
    torch.set_num_threads(int(given["threads"]))
    sizes, steps = given["layer_sizes"].tolist(), [int(n) for n in given["steps"]]
    energy = DeepHopfieldEnergy([(n,) for n in sizes], [0.7] * (len(sizes) - 1))
    energy.set_device("cpu")
    cost, network = SquaredError(energy.layers()[-1]), Network(energy)
    free = network.free_layers()
    augmented = AugmentedFunction(energy, cost)
    nudged = FixedPointMinimizer(augmented, free, steps[1], "asynchronous")
    rule = EquilibriumProp(energy.params(), energy.layers(), augmented, cost, nudged)
    rule.variant, rule.nudging = "positive", 0.5
    # Its own optimiser is this one; importing it would need a logging package.
    optimizer = torch.optim.SGD([param.state for param in energy.params()], lr=0.02)
    inference = FixedPointMinimizer(energy, free, steps[0], "asynchronous")
    seconds = []
    for batch, label in zip(x, labels, strict=True):
        began = time.perf_counter()
        network.set_input(batch, reset=False)
        inference.compute_equilibrium()
        cost.set_target(label)
        for param, grad in zip(energy.params(), rule.compute_gradient(), strict=False):
            param.state.grad = grad
        optimizer.step()
        for param in energy.params():
            param.clamp_()
        seconds.append(time.perf_counter() - began)
    np.savez(Path(work).with_name(Path(work).stem + "-ebl.npz"), seconds=np.array(seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])
