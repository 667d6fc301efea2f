"""Error against epochs and seconds of runs that differ in their schedule alone.

python benchmarks/learning.py RUN... [--first-epoch] [--out docs/results]

RUN are folders of runs (`eqprop train`) on the same wiring, initial weights and order: the fast
schedule, and slower ones to compare it with. The label of a run is the name of its folder,
NETWORK-SCHEDULE-seedN. Nothing is trained here: errors come from `metrics.jsonl`, seconds from
`timing.jsonl`. Rows of other runs that stand in the file in `--out` stay there: a slow run need
not be repeated to compare a new one with it.

With `--first-epoch` the runs make another table, a row each: how they relaxed in the first epoch,
and their errors after it. Runs with the same settings are told apart by tiny changes of the step
size, which change nothing but the rounding.
"""

from __future__ import annotations

from pathlib import Path

import common
from eqprop.config.settings import load_recorded
from eqprop.records import RunFolder

ERRORS = ("training_error", "validation_error", "validation_kept_error")
SETTLING = tuple(
    f"{phase}_{what}"
    for phase in ("free", "nudged")
    for what in ("steps", "residual_mean", "unsettled")
)


def label_of(run: Path) -> tuple[str, str, str]:
    """Network, schedule and seed, as the name of its folder says."""
    network, schedule, seed = run.name.rsplit("-", 2)
    return network, schedule, seed.removeprefix("seed")


def rows_of(run: Path) -> list[dict]:
    """A row per epoch."""
    network, schedule, seed = label_of(run)
    folder = RunFolder.open(run)
    timing = folder.read_lines("timing.jsonl")
    seconds = {e["epoch"]: e["training_seconds"] for e in timing if "training_seconds" in e}
    return [
        {"network": network, "schedule": schedule, "seed": seed}
        | {"epoch": entry["epoch"], "training_seconds": seconds[entry["epoch"]]}
        | {key: entry[key] for key in (*ERRORS, *SETTLING)}
        for entry in folder.epochs()
    ]


def first_epoch_of(run: Path) -> dict:
    """How one run relaxed in its first epoch, and its error after it."""
    flat = load_recorded(run / "config.toml").flat()
    entry = RunFolder.open(run).epochs()[0]
    network, _, seed = label_of(run)
    return {
        "network": network,
        "seed": seed,
        "step size": flat["free.step_size"],
        "tolerance": flat["free.cold_tolerance"],
        "share": flat["free.share"],
        "most sweeps": flat.get("free.cold_steps") or flat["free.steps"],
        "free sweeps": round(entry["free_steps"], 1),
        "training error %": round(100 * entry["training_error"], 2),
    }


def main() -> None:
    options = common.parser(__doc__ or "")
    options.add_argument("runs", nargs="+", type=Path, help="folders of finished runs")
    options.add_argument("--first-epoch", action="store_true", help="a row per run, after epoch 1")
    given = options.parse_args()
    if given.first_epoch:
        common.write("first-epoch", [first_epoch_of(run) for run in given.runs], given.out)
        return
    rows = [row for run in given.runs for row in rows_of(run)]
    common.renew("learning", rows, ("network", "schedule", "seed"), given.out)


if __name__ == "__main__":
    main()
