"""Is another checkout of this repository faster? Both train the same batches, round by round.

python benchmarks/against.py PATH [--rounds 20] [--batches 50] [--out docs/results]

PATH is the root of the other checkout (`git worktree add PATH COMMIT`). Each round trains one epoch
of each network with each of the two, one after the other, in processes of their own; compile time
is left out. The table has the median of the ratios of a round, and their quartiles.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import common
import numpy as np

HERE = Path(__file__).parents[1]
NETWORKS = ("layered", "rewired")
CHILD = """
import sys, time
sys.argv = sys.argv[:1]
import training
task = training.epoch_of(NAME, BATCHES)
print("ready", flush=True)
for _ in sys.stdin:
    began = time.perf_counter()
    task()
    print(time.perf_counter() - began, flush=True)
"""


class Checkout:
    """A process that trains a network with the code of a checkout."""

    def __init__(self, root: Path, network: str, batches: int) -> None:
        code = CHILD.replace("NAME", repr(network)).replace("BATCHES", str(batches))
        self.child = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=root / "benchmarks",
            env=os.environ | {"PYTHONPATH": f"{root / 'src'}{os.pathsep}{root / 'benchmarks'}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._line()

    def seconds(self) -> float:
        """Of one epoch."""
        assert self.child.stdin is not None
        print(file=self.child.stdin, flush=True)
        return float(self._line())

    def _line(self) -> str:
        assert self.child.stdout is not None
        line = self.child.stdout.readline()
        if not line:
            raise RuntimeError("a checkout's process has ended; see its message above")
        return line


def main() -> None:
    options = common.parser(__doc__ or "")
    options.add_argument("other", type=Path, help="root of the other checkout")
    options.add_argument("--batches", type=int, default=50, help="of 20 examples in an epoch")
    wanted = options.parse_args()
    other = wanted.other.resolve()
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=other, capture_output=True, text=True
    ).stdout.strip()
    rows = []
    for network in NETWORKS:
        ours, theirs = (Checkout(root, network, wanted.batches) for root in (HERE, other))
        pairs = []
        for number in range(wanted.rounds):
            order = (ours, theirs) if number % 2 else (theirs, ours)
            taken = {checkout: checkout.seconds() for checkout in order}
            pairs.append((taken[ours], taken[theirs]))
        for checkout in (ours, theirs):
            checkout.child.kill()
        seconds = np.array(pairs)
        ratios = seconds[:, 0] / seconds[:, 1]
        low, middle, high = np.percentile(ratios, [25, 50, 75])
        per_batch = 1e3 / wanted.batches * np.median(seconds, axis=0)
        rows.append(
            {
                "network": network,
                "other commit": commit,
                "rounds": wanted.rounds,
                "ms per batch": float(per_batch[0]),
                "ms per batch, other": float(per_batch[1]),
                "ratio": float(middle),
                "quartiles of the ratio": f"{low:.3f} to {high:.3f}",
            }
        )
    common.write("against", rows, wanted.out)


if __name__ == "__main__":
    main()
