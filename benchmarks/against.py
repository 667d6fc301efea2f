"""Is another checkout of this repository faster? Both train the same batches, round by round.

python benchmarks/against.py PATH [--rounds 20] [--batches 50] [--out docs/results]

PATH is the root of the other checkout (`git worktree add PATH COMMIT`). Each round trains one epoch
of each network with each of the two, one after the other, in processes of their own; compile time
is left out. The table has the median of the ratios of a round, and their quartiles.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from statistics import median

import common

HERE = Path(__file__).parents[1]
NETWORKS = ("layered", "rewired")


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
        children = {
            name: common.training_child(root, network, wanted.batches)
            for name, root in (("ours", HERE), ("theirs", other))
        }
        taken = common.raced(children, wanted.rounds)
        per_batch = {name: 1e3 / wanted.batches * median(taken[name]) for name in taken}
        rows.append(
            {
                "network": network,
                "other commit": commit,
                "rounds": wanted.rounds,
                "ms per batch": per_batch["ours"],
                "ms per batch, other": per_batch["theirs"],
                **common.ratio(taken["ours"], taken["theirs"]),
            }
        )
    common.write("against", rows, wanted.out)


if __name__ == "__main__":
    main()
