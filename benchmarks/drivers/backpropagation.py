"""Backpropagation in PyTorch, an epoch for every line of its input: FILES SEED EPOCHS EXAMPLES.

The shape, rate, schedule and batches of the recipe `fast`: 784-512-512-512 by tanh, softmax, Adam.
"""

from __future__ import annotations

import itertools
import json
import sys
import time

import numpy as np
import torch
from mnist import read

BATCH, RATE, LAST = 200, 2e-3, 0.05


def main(files: str, seed: str, epochs: str, examples: str) -> None:
    torch.manual_seed(int(seed))
    torch.set_num_threads(2)
    x, y, tx, ty = (torch.from_numpy(np.array(a)) for a in read(files, int(examples)))
    y, ty, sizes, parts = y.long(), ty.long(), [784, 512, 512, 512, 10], []
    for before, after in itertools.pairwise(sizes):
        layer = torch.nn.Linear(before, after)
        torch.nn.init.xavier_uniform_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
        parts += [layer, torch.nn.Tanh()]
    network, loss = torch.nn.Sequential(*parts[:-1]), torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    updates = int(epochs) * -(-len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates, RATE * LAST)
    order = np.random.default_rng(int(seed))
    print(json.dumps({}), flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        for batch in torch.from_numpy(order.permutation(len(x))).split(BATCH):
            optimizer.zero_grad()
            loss(network(x[batch]), y[batch]).backward()
            optimizer.step()
            schedule.step()
        seconds = time.perf_counter() - began
        with torch.no_grad():
            error = float((network(tx).argmax(1) != ty).float().mean())
        print(json.dumps({"seconds": seconds, "error": error}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
