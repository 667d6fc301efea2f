"""FRE-RNN-EP's `FNN_LN` at its own settings: CHECKOUT FILES SEED EPOCHS EXAMPLES.

Three hidden layers of 512 as in its notebook Layered_BP_EP_com_MNIST_512; an epoch for every line
of its input.
"""

from __future__ import annotations

import json
import sys
import time
import types
import warnings

import numpy as np
import torch
from mnist import read


class Settings:
    """What that notebook sets for three hidden layers."""

    n_input, n_hidd, n_out, nL_hidd = 784, 512, 10, 3
    sc_forward, sc_bias, sc_back = 1, 0, 1
    train_eta_global, train_batch_size, train_task, train_tmethod = 1e-3, 500, "MNIST", "EP"
    biasLearning = EP_b_learn = False
    EP_symm_W = adam = True
    EP_f_sc, EP_b_sc, EP_nudge, EP_It2sta, EP_It2sta2 = 1, 0.01, 0.1, 18, 10


def main(checkout: str, files: str, seed: str, epochs: str, examples: str) -> None:
    # It asks for torchvision, and uses it to load data alone.
    for name in ("torchvision", "torchvision.transforms"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["torchvision"].transforms = sys.modules["torchvision.transforms"]  # pyright: ignore[reportAttributeAccessIssue]
    sys.path.insert(0, checkout)
    import models_LN as theirs

    warnings.simplefilter("ignore")
    torch.manual_seed(int(seed))
    torch.set_num_threads(2)
    torch.set_grad_enabled(False)
    settings = Settings()
    for name, function in {
        "f": "tanh",
        "fd": "tanh_d",
        "ff": "softmax",
        "ffd": "softmax_d",
    }.items():
        setattr(settings, name, getattr(theirs, function))
    network = theirs.FNN_LN(settings)
    x, y, tx, ty = (torch.from_numpy(np.array(a)) for a in read(files, int(examples)))
    y, ty, order = y.long(), ty.long(), np.random.default_rng(int(seed))
    parts = list(zip(x.split(500), y.split(500), strict=True))  # its loader keeps batches, too
    print(json.dumps({}), flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        for number in order.permutation(len(parts)):
            images, labels = parts[number]
            wanted = theirs.one_hot(labels, 10, device=network.device)
            network.backward(images, wanted, network.forward(images))
            network.update_weights_adam()
        seconds = time.perf_counter() - began
        wrong = [
            (network.forward(a).argmax(1) != b).sum()
            for a, b in zip(tx.split(2000), ty.split(2000), strict=True)
        ]
        error = float(sum(wrong)) / len(tx)
        print(json.dumps({"seconds": seconds, "error": error}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
