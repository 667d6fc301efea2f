"""How far apart one thread and two bring a run.

python benchmarks/threads.py [--out docs/results]

The rewired network of the paper on the bundled digits, one epoch of so many batches, three times:
twice with `--deterministic` (one thread), once as usual (a core for each part of a batch). The
table gives the largest difference of a weight, and the online training error.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

import common
from eqprop.config.toml import to_toml
from eqprop.experiments.experiment import merged
from eqprop.experiments.figure3 import networks


def trained(folder: Path, batches: int, deterministic: bool) -> tuple[dict, float]:
    """Final arrays and training error of one run of the command line."""
    changes = {
        "name": "rewired",
        "deterministic": deterministic,
        "data": {"dataset": "mnist-5k", "num_train": 20 * batches},
        "training": {"epochs": 1},
        "evaluation": {"examples": 100},
    }
    config = folder / "config.toml"
    config.write_text(to_toml(merged(networks("paper")["rewired"], changes)), "utf-8")
    out = Path(tempfile.mkdtemp(dir=folder))
    command = [common.program(), "train", str(config), "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    summary = json.loads((out / "rewired" / "summary.json").read_text("utf-8"))
    return load_file(out / "rewired" / "network.safetensors"), summary["training_error"]


def main() -> None:
    given = common.parser(__doc__ or "").parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as place:
        for batches in (1, 10, 50, 200):
            runs = [trained(Path(place), batches, one) for one in (True, True, False)]
            (first, error), (again, _), (two, error_two) = runs
            largest = max(np.abs(v).max() for k, v in first.items() if k.startswith("weights"))
            rows.append(
                {
                    "batches": batches,
                    "one thread, again": common.apart(first, again),
                    "one core against two": common.apart(first, two),
                    "largest weight": float(largest),
                    "training error, one": error,
                    "training error, two": error_two,
                }
            )
    common.write("threads", rows, given.out)


if __name__ == "__main__":
    main()
