"""Is another checkout of this repository faster? Both train the same batches, round by round.

python benchmarks/against.py PATH [--rounds 20] [--batches 50] [--out docs/results]

PATH is the root of the other checkout (`git worktree add PATH COMMIT`). Each round trains one epoch
of each network with each of the two, one after the other, in processes of their own; compile time
is left out. The table has the median of the ratios of a round, and their quartiles.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np

import common

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


def begun(root: Path, network: str, batches: int) -> common.Child:
    """A process that trains a network with the code of a checkout, an epoch per line."""
    paths = f"{root / 'src'}{os.pathsep}{root / 'benchmarks'}"
    child = common.Child(
        CHILD.replace("NAME", repr(network)).replace("BATCHES", str(batches)),
        cwd=root / "benchmarks",
        env=os.environ | {"PYTHONPATH": paths},
    )
    child.line()
    return child


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
        ours, theirs = (begun(root, network, wanted.batches) for root in (HERE, other))
        pairs = []
        for number in range(wanted.rounds):
            order = (ours, theirs) if number % 2 else (theirs, ours)
            taken = {child: float(child.ask()) for child in order}
            pairs.append((taken[ours], taken[theirs]))
        for child in (ours, theirs):
            child.process.kill()
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
