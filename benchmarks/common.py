"""What every benchmark needs: interleaved timing, the machine's own rate, one table."""

from __future__ import annotations

import argparse
import csv
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "docs" / "results"

sys.path.insert(0, str(Path(__file__).parent))  # so that benchmarks run from anywhere


def interleaved(tasks: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every task in every round, round after round, so that noise hits all alike."""
    taken: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            began = time.perf_counter()
            task()
            taken[name].append(time.perf_counter() - began)
    return taken


def median(values: Sequence[float]) -> float:
    """The middle one."""
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def machine() -> str:
    """The machine class, without its name."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        model = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{cores} cores, {model}, {platform.system()}"


def write(name: str, rows: Sequence[Mapping[str, Any]], out: Path | None) -> None:
    """Prints rows as a table and, if `out` is given, writes them as `out/performance-NAME.csv`."""
    columns = list(rows[0])
    text = [[f"{v:.4g}" if isinstance(v, float) else str(v) for v in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *text, strict=True)]
    for line in [columns, *text]:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
    print(f"\n{machine()}")
    if out is not None:
        path = out / f"performance-{name}.csv"
        with open(path, "w", newline="") as file:
            table = csv.DictWriter(file, [*columns, "machine"])
            table.writeheader()
            table.writerows({**row, "machine": machine()} for row in rows)
        print(path)


def parser(description: str) -> argparse.ArgumentParser:
    """With the options that all benchmarks share."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--rounds", type=int, default=7, help="interleaved repetitions")
    options.add_argument("--out", type=Path, help=f"folder for the CSV, such as {RESULTS.name}")
    return options


def a_core_per_shard(shards: int = 2) -> None:
    """As the command line sets a run up; call it before anything imports JAX."""
    from eqprop.experiments.machine import use_a_core_per_shard

    use_a_core_per_shard(shards)
