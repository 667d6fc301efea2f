"""What a batch, an epoch and a run cost, and how that grows.

python benchmarks/training.py [--rounds 5] [--tables runs memory scaling parts together]
                              [--out docs/results]

Everything that a batch costs in training is counted: inputs, both phases, corrections, update,
particles, records. The schedule is a fixed 20 sweeps + 8 steps, so that the work is the same in
every row; growth is measured interleaved with the row before it. Compile time and peak memory
come from runs of the command line in processes of their own, on an empty and on a filled cache
of compiled programs. `together` is left out unless asked for: it trains up to 64 networks at once
(--networks), for which a CPU takes minutes, and keeps the rows of other devices.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import common
from eqprop.config.paper import PAPER_P
from eqprop.experiments.experiment import merged

common.a_core_per_shard()

FIXED = {"free": {"steps": 20, "tolerance": 0.0}}


def epoch_of(
    name: str,
    batches: int,
    networks: int = 1,
    other: Callable[[Any], Any] = lambda rule: rule,
    **settings: dict,
) -> Callable[[], None]:
    """One epoch of training on MNIST, compiled and run once already; `networks` in one program.

    `other` may make another rule of the one that the settings name.
    """
    trainer, start = common.paper_run(name, batches, **(FIXED | settings))
    rule = other(common.rule_for(**(FIXED | settings)))
    if networks > 1:
        from eqprop.training import Together

        orders = (dataclasses.replace(trainer, shuffle_seed=seed) for seed in range(networks))
        trainer, start = Together(list(orders)), [start] * networks
    kept = [trainer.start(start)]

    def run() -> None:
        kept[0] = common.trained(trainer, kept[0], rule, 1)

    run()
    return run


def growth(kind: str, cases: dict, rounds: int) -> list[dict]:
    """A row per case: `{label: (batches, batch size, multiply-adds of a batch or None, task)}`."""
    taken = common.interleaved({label: case[3] for label, case in cases.items()}, rounds)
    rows = []
    for label, (batches, size, work, _) in cases.items():
        seconds = common.median(taken[label])
        rows.append(
            {
                "grows": kind,
                "case": label,
                "batches": batches,
                "ms per batch": 1e3 * seconds / batches,
                "examples per s": batches * size / seconds,
                "s per 50,000 examples": 50_000 * seconds / (batches * size),
                "multiply-adds per batch": "" if work is None else f"{work:.3g}",
            }
        )
    return rows


def multiply_adds(sizes: tuple[int, ...], full: bool, size: int) -> float:
    """Of a batch: sweeps and steps over stored blocks, the input's drive, the corrections."""
    free = sizes[1:]
    if full:
        inner, first = sum(free) ** 2 - sizes[-1] ** 2, sizes[0] * sum(free)
        connections = first + inner / 2
    else:
        pairs = sum(a * b for a, b in itertools.pairwise(free))
        inner, first = 2 * pairs, sizes[0] * free[0]
        connections = first + pairs
    return size * (28 * inner + first + 2 * connections)


def scaling(rounds: int) -> list[dict]:
    """How a batch and an epoch grow."""
    rows, full = [], {"wiring": "rewire", "intralayer": True, "p": 0.0756}
    for name in ("layered", "rewired"):
        wide = name == "rewired"
        cases = {}
        for count in (100, 200, 400, 800):
            work = multiply_adds(common.SIZES, wide, 20)
            cases[f"{name}, {20 * count} examples"] = (count, 20, work, epoch_of(name, count))
        rows += growth("examples", cases, rounds)
        cases = {}
        for size in (4, 20, 100, 500):
            count = max(4, 1000 // size)
            work = multiply_adds(common.SIZES, wide, size)
            task = epoch_of(name, count, data={"batch_size": size})
            cases[f"{name}, batches of {size}"] = (count, size, work, task)
        rows += growth("batch size", cases, rounds)
        shapes = {
            "width": {f"3 x {n}": (784, n, n, n, 10) for n in (125, 250, 500, 1000)},
            "depth": {f"{d} x 500": (784, *[500] * d, 10) for d in (1, 2, 3, 5)},
        }
        for kind, found in shapes.items():
            cases = {}
            for label, sizes in found.items():
                topology = {"layer_sizes": list(sizes)} | (full if wide else {})
                if wide:
                    topology["connections"] = None
                work = multiply_adds(sizes, wide, 20)
                task = epoch_of(name, 50, topology=topology)
                cases[f"{name}, {label}"] = (50, 20, work, task)
            rows += growth(kind, cases, rounds)
    return rows


def parts(rounds: int) -> list[dict]:
    """What a batch is made of: from the same epoch with twice the sweeps, and twice the steps."""
    schedules = {"batch": (20, 8), "sweeps": (40, 8), "steps": (20, 16)}
    tasks = {
        (name, part): epoch_of(
            name, 200, free=FIXED["free"] | {"steps": sweeps}, nudged={"steps": steps}
        )
        for name in ("layered", "rewired")
        for part, (sweeps, steps) in schedules.items()
    }
    taken = common.interleaved(tasks, rounds)
    rows = []
    for name in ("layered", "rewired"):
        batch, sweeps, steps = (1e3 / 200 * common.median(taken[name, p]) for p in schedules)
        rest = batch - (sweeps - batch) - (steps - batch)
        rows.append(
            {
                "network": name,
                "ms per batch": batch,
                "ms, 20 free sweeps": sweeps - batch,
                "ms, 8 nudged steps": steps - batch,
                "ms, all else": rest,
            }
        )
    return rows


def together(rounds: int, counts: list[int]) -> list[dict]:
    """Networks trained by one program, on whatever device JAX has here."""
    import jax

    rows, batches = [], 50
    for name in ("layered", "rewired"):
        for count in counts:
            task = epoch_of(name, batches, count, training={"chunk_batches": batches})
            [seconds] = common.interleaved({name: task}, rounds).values()
            batch = 1e3 * common.median(seconds) / batches
            rows.append(
                {
                    "device": jax.devices()[0].device_kind,
                    "network": name,
                    "networks": count,
                    "ms per batch": batch,
                    "ms per batch and network": batch / count,
                }
            )
    return rows


def whole_runs() -> list[dict]:
    """Two runs of the command line per network, one after the other: peak memory, compile time."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in ("layered", "rewired"):
            for cache in ("empty", "filled"):
                rows.append({"network": name, "compiled programs": cache} | _run(name, folder))
    return rows


def memory() -> list[dict]:
    """How peak memory and compile time grow: short runs of the command line."""
    rows = []
    cases: dict[str, dict] = {
        "3 x 500": {},
        "10,000 examples": {"data": {"num_train": 10_000}},
        "batches of 500": {"data": {"batch_size": 500}},
    }
    shapes = {"3 x 125": [125] * 3, "3 x 1000": [1000] * 3, "5 x 500": [500] * 5}
    for label, hidden in shapes.items():
        cases[label] = {"topology": {"layer_sizes": [784, *hidden, 10]}}
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, (label, case)) in enumerate(
            itertools.product(("layered", "rewired"), cases.items())
        ):
            changes = merged({"data": {"num_train": 2000}}, case)
            if name == "rewired" and "topology" in case:
                changes = merged(changes, {"topology": {"connections": None, "p": PAPER_P}})
            found = _run(name, f"{folder}/{number}", changes)
            rows.append(
                {"network": name, "case": label}
                | {key: found[key] for key in ("peak MB", "compile s")}
            )
    return rows


def _run(name: str, folder: str, settings: dict | None = None) -> dict:
    from eqprop.config.settings import build
    from eqprop.experiments.figure3 import networks
    from eqprop.records import RunFolder

    changes = merged({"data": {"dataset": "mnist"}, "training": {"epochs": 1}}, settings or {})
    values = merged(networks("paper")[name], changes)
    config = Path(folder) / f"{name}.toml"
    config.parent.mkdir(exist_ok=True)
    config.write_text(build({"name": name} | values).to_toml(), "utf-8")
    out = Path(folder) / str(time.monotonic_ns())
    command = [common.program(), "train", str(config), "--out", str(out)]
    child = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        env=os.environ | {"JAX_COMPILATION_CACHE_DIR": f"{folder}/cache", "XLA_FLAGS": ""},
    )
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise RuntimeError(f"{' '.join(command)} ended with status {status}")
    entries = RunFolder.open(out / name).read_lines("timing.jsonl")
    epoch = entries[-1]
    return {
        "peak MB": usage.ru_maxrss / 1000,
        "compile s": next(e["compile_seconds"] for e in entries if "compile_seconds" in e),
        "training s per epoch": epoch["training_seconds"],
        "evaluation s": epoch["evaluation_seconds"],
        "ms per batch": epoch["training_seconds"] / 2500 * 1e3,
    }


def main() -> None:
    options = common.parser(__doc__ or "")
    tables = {
        "runs": whole_runs,
        "memory": memory,
        "scaling": lambda: scaling(given.rounds),
        "parts": lambda: parts(given.rounds),
        "together": lambda: together(given.rounds, given.networks),
    }
    keys = {"together": ("device", "network", "networks")}  # rows of others are kept
    usual = [name for name in tables if name not in keys]
    options.add_argument("--tables", nargs="+", choices=tables, default=usual)
    options.add_argument("--networks", type=int, nargs="+", default=[1, 8, 64])
    given = options.parse_args()
    # In this order: the peak of a run's process counts what this one held when it began it.
    for name, make in tables.items():
        if name in given.tables:
            common.renew(name, make(), keys.get(name, ()), given.out)


if __name__ == "__main__":
    main()
