"""Time to accuracy: seconds of training until the test error of MNIST is 5, 3 and 2 %.

python benchmarks/accuracy.py [--python PYTHON [--fre CHECKOUT]] [--epochs N] [--seeds N]

All train on all 60,000 training examples, without augmentation, and look at the 10,000 test
examples after every epoch, which chooses nothing. Seconds are those of training alone: without
compilation and looks. Each trains in a process of its own, an epoch at a time, in turns, so that
noise hits all alike. PYTHON is an interpreter with PyTorch; CHECKOUT a folder with
github.com/Zero0Hero/FRE-RNN-EP, of which nothing is copied.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import common

DRIVERS = Path(__file__).parent / "drivers"
OURS = "recipe fast"
KEYS = ("who", "seed", "epoch")


class Runner:
    """A process that trains one epoch for every line that it is sent."""

    def __init__(self, who: str, seed: int, epochs: int, command: list[str]) -> None:
        self.who, self.seed, self.epochs, self.seconds = who, seed, epochs, 0.0
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._answer()  # once data is loaded and programs are compiled

    def train(self, epoch: int) -> dict[str, Any]:
        """One more epoch."""
        assert self.process.stdin is not None
        print(epoch, file=self.process.stdin, flush=True)
        found = self._answer()
        self.seconds += found["seconds"]
        error = round(100 * found["error"], 2)
        return {
            "who": self.who, "seed": self.seed, "epoch": epoch + 1,
            "seconds": round(self.seconds, 3), "test_error": error,
        }  # fmt: skip

    def end(self) -> None:
        """Closes its input, which ends it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.who} ended with status {self.process.wait()}")
        return json.loads(line)


def main() -> None:
    options = common.parser(__doc__ or "")
    options.add_argument("--python", help="interpreter with PyTorch")
    options.add_argument("--fre", type=Path, help="checkout of FRE-RNN-EP")
    options.add_argument("--epochs", type=int, default=10, help="of ours and of backpropagation")
    options.add_argument("--fre-epochs", type=int, default=14)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--examples", type=int, help="use only the first so many")
    given = options.parse_args()
    files = common.mnist_files()
    few = str(given.examples or 60_000)
    runners = []
    for seed in range(given.seeds):
        rest = [str(seed), str(given.epochs), few]
        for who, rule in ((OURS, "equilibrium-propagation"), ("backpropagation, JAX", "forwards")):
            command = [sys.executable, str(DRIVERS / "recipe.py"), rule, *rest]
            runners.append(Runner(who, seed, given.epochs, command))
        if given.python:
            command = [given.python, str(DRIVERS / "backpropagation.py"), str(files), *rest]
            runners.append(Runner("backpropagation, PyTorch", seed, given.epochs, command))
    if given.python and given.fre:
        rest = [str(given.fre), str(files), "0", str(given.fre_epochs), few]
        command = [given.python, str(DRIVERS / "fre_rnn.py"), *rest]
        runners.append(Runner("FRE-RNN-EP", 0, given.fre_epochs, command))
    rows: list[dict[str, Any]] = []
    for epoch in range(max(runner.epochs for runner in runners)):
        for runner in runners:
            if epoch < runner.epochs:
                rows.append(runner.train(epoch))
                print(rows[-1], file=sys.stderr, flush=True)
    for runner in runners:
        runner.end()
    rows.sort(key=lambda row: (row["who"], row["seed"], row["epoch"]))
    common.renew("accuracy", rows, KEYS, given.out)


if __name__ == "__main__":
    main()
