"""Runs the paper's released code: CHECKOUT WORK.npz; only NumPy, PyTorch and the checkout.

Reads the batches and the settings from WORK.npz, and writes initial weights, mask, signs,
final weights, and the seconds of each batch into WORK-released.npz.
"""

from __future__ import annotations

import contextlib
import io
import sys
import time
import types
from pathlib import Path

import numpy as np
import torch


def main(checkout: str, work: str) -> None:
    sys.path.insert(0, checkout)
    from eqp import datasets, network

    given = np.load(work)
    x, y = torch.from_numpy(given["x"]), torch.from_numpy(given["y"])
    torch.set_num_threads(int(given["threads"]))

    class Batches:
        name, dimensions = "given batches", None

        def __init__(self, *_):
            self.next = 0

        def get_training_batch(self):
            index = self.next % len(x)
            self.next += 1
            return [x[index], y[index]], index

    datasets.Linear = types.new_class("Linear")  # the code compares against it
    rewired = int(given["connections"]) > 0
    topology = {"layer sizes": given["layer_sizes"].tolist(), "type": "layered"}
    if rewired:
        topology |= {
            "type": "smallworld replace",
            "bypass connections": int(given["connections"]),
            "bypass magnitude": 0.05,
        }
    steps = [int(n) for n in given["steps"]]
    hyperparameters = {
        "learning rate": 0.02,
        "epsilon": 0.5,
        "beta": 1.0,
        "free iterations": steps[0],
        "weakly-clamped iterations": steps[1],
    }
    size = x.shape[1]
    configuration = {
        "batch size": size,
        "seed": 0,
        "device": "cpu",
        "dtype": torch.float32,
        "training examples": len(x) * size,
        "test examples": 0,
        "enable persistent particles": True,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        net = network.Network(topology, hyperparameters, configuration, Batches)
    start, mask = net.W[0].numpy().copy(), net.W_mask[0].numpy() != 0
    seconds, betas, weights = [], [], []
    for _ in range(len(x)):
        (batch, target), index = net.dataset.get_training_batch()
        began = time.perf_counter()
        net._Network__train_batch(batch, target, index, True, False)
        seconds.append(time.perf_counter() - began)
        betas.append(float(net.beta))
        weights.append(net.W[0].numpy().copy() if len(weights) < 4 else weights[-1])
    np.savez(
        Path(work).with_name(Path(work).stem + "-released.npz"),
        start=start,
        mask=mask,
        betas=np.array(betas),
        weights=weights[min(3, len(weights) - 1)],
        seconds=np.array(seconds),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
