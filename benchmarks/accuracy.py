"""Time to accuracy: seconds of training until the test error of MNIST is 5, 3 and 2 %.

python benchmarks/accuracy.py [--python PYTHON [--fre CHECKOUT] [--ebl CHECKOUT]] [--seeds N]

All train on all 60,000 training examples, without augmentation, and look at the 10,000 test
examples after every epoch, which chooses nothing. Seconds are those of training alone: without
compilation and looks. Each trains in a process of its own, an epoch at a time, in turns, so that
noise hits all alike. PYTHON is an interpreter with PyTorch; the CHECKOUTs are folders with
github.com/Zero0Hero/FRE-RNN-EP and github.com/rain-neuromorphics/energy-based-learning, of which
nothing is copied.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import common
from eqprop.config.recipes import cook
from eqprop.training.settings import CosineSettings

DRIVERS = Path(__file__).parent / "drivers"
KEYS = ("device", "who", "seed", "epoch")


class Runner:
    """A process that trains one epoch for every line that it is sent."""

    def __init__(self, who: str, seed: int, epochs: int, command: list[str]) -> None:
        self.who, self.seed, self.epochs, self.seconds = who, seed, epochs, 0.0
        self.command = command

    def start(self) -> None:
        """Returns once data is loaded and programs are compiled."""
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.device = self._answer().get("device", "cpu")

    def train(self, epoch: int) -> dict[str, Any]:
        """One more epoch."""
        assert self.process.stdin is not None
        print(epoch, file=self.process.stdin, flush=True)
        found = self._answer()
        self.seconds += found["seconds"]
        error = round(100 * found["error"], 2)
        return {
            "device": self.device, "who": self.who, "seed": self.seed, "epoch": epoch + 1,
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


def contestants(given: argparse.Namespace) -> Iterator[Runner]:
    """All that take part, seed by seed."""
    files, few = str(common.mnist_files()), str(given.examples or 60_000)

    def ours(who: str, recipe: str, rule: str, seed: int, epochs: int) -> Runner:
        rest = [recipe, rule, str(seed), str(epochs), few]
        return Runner(who, seed, epochs, [sys.executable, str(DRIVERS / "recipe.py"), *rest])

    def theirs(who: str, driver: str, checkout: list[str], seed: int, epochs: int, *rest: str):
        command = [given.python, str(DRIVERS / driver), *checkout, files, str(seed), str(epochs)]
        return Runner(who, seed, epochs, [*command, few, *rest])

    fast = cook("fast")
    schedule = fast.learning.schedule
    assert isinstance(schedule, CosineSettings)
    shape = [fast.data.batch_size, fast.learning.learning_rate, schedule.final_rate]
    shape += fast.topology.layer_sizes
    for seed in range(given.seeds):
        yield ours("recipe fast", "fast", "recipe", seed, given.epochs)
        yield ours("backpropagation, JAX", "fast", "backpropagation", seed, given.epochs)
        if given.python:
            told = "backpropagation, PyTorch", "backpropagation.py"
            yield theirs(*told, [], seed, given.epochs, *map(str, shape))
        if given.accurate_epochs:
            yield ours("recipe accurate", "accurate", "recipe", seed, given.accurate_epochs)
            told = "backpropagation, JAX, with decay"
            yield ours(told, "accurate", "backpropagation", seed, given.accurate_epochs)
    if given.skips_epochs:
        yield ours("recipe skips", "skips", "recipe", 0, given.skips_epochs)
    if given.paper_epochs:
        yield ours("recipe paper", "paper", "recipe", 0, given.paper_epochs)
    if given.python and given.fre:
        yield theirs("FRE-RNN-EP", "fre_rnn.py", [str(given.fre)], 0, given.fre_epochs)
    if given.python and given.ebl:
        told = "energy-based-learning, 784-1024-10", "deep_hopfield.py"
        yield theirs(*told, [str(given.ebl)], 0, given.ebl_epochs)


def main() -> None:
    options = common.parser(__doc__ or "")
    options.add_argument("--python", help="interpreter with PyTorch")
    options.add_argument("--fre", type=Path, help="checkout of FRE-RNN-EP")
    options.add_argument("--ebl", type=Path, help="checkout of energy-based-learning")
    options.add_argument("--epochs", type=int, default=10, help="of `fast` and backpropagation")
    options.add_argument("--accurate-epochs", type=int, default=50)
    options.add_argument("--skips-epochs", type=int, default=10)
    options.add_argument("--paper-epochs", type=int, default=4)
    options.add_argument("--fre-epochs", type=int, default=14)
    options.add_argument("--ebl-epochs", type=int, default=4)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--name", default="accuracy", help="of the table")
    options.add_argument("--examples", type=int, help="use only the first so many")
    options.add_argument("--only", nargs="+", help="names of contestants")
    given = options.parse_args()
    runners = [c for c in contestants(given) if not given.only or c.who in given.only]
    for runner in runners:
        runner.start()
    rows: list[dict[str, Any]] = []
    for epoch in range(max(runner.epochs for runner in runners)):
        for runner in runners:
            if epoch < runner.epochs:
                rows.append(runner.train(epoch))
                print(rows[-1], file=sys.stderr, flush=True)
    for runner in runners:
        runner.end()
    rows.sort(key=lambda row: (row["who"], row["seed"], row["epoch"]))
    common.renew(given.name, rows, KEYS, given.out)


if __name__ == "__main__":
    main()
