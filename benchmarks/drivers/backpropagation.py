"""Backpropagation in PyTorch: FILES SEED EPOCHS EXAMPLES BATCH RATE LAST SIZE [SIZE ...].

Layers of these sizes by hard sigmoids, a softmax read-out, Adam, and a rate that falls along a
cosine to LAST of itself; an epoch for every line of its input.
"""

from __future__ import annotations

import itertools
import json
import sys
import time

import numpy as np
import torch
from mnist import read


def main(files: str, seed: str, epochs: str, examples: str, *recipe: str) -> None:
    batch, rate, last = int(recipe[0]), float(recipe[1]), float(recipe[2])
    torch.manual_seed(int(seed))
    torch.set_num_threads(2)
    x, y, tx, ty = (torch.from_numpy(np.array(a)) for a in read(files, int(examples)))
    y, ty, sizes, parts = y.long(), ty.long(), [*map(int, recipe[3:]), 10], []
    for before, after in itertools.pairwise(sizes):
        layer = torch.nn.Linear(before, after)
        torch.nn.init.xavier_uniform_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
        parts += [layer, torch.nn.Hardtanh(0.0, 1.0)]
    network, loss = torch.nn.Sequential(*parts[:-1]), torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    updates = int(epochs) * -(-len(x) // batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates, rate * last)
    order = np.random.default_rng(int(seed))
    print(json.dumps({}), flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        for part in torch.from_numpy(order.permutation(len(x))).split(batch):
            optimizer.zero_grad()
            loss(network(x[part]), y[part]).backward()
            optimizer.step()
            schedule.step()
        seconds = time.perf_counter() - began
        with torch.no_grad():
            error = float((network(tx).argmax(1) != ty).float().mean())
        print(json.dumps({"seconds": seconds, "error": error}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
