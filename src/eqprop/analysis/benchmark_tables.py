"""Kinds of tables of results pages whose rows are what benchmarks measured.

Each takes the rows of CSV files, as they are written there, and gives Markdown.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from eqprop.analysis.numbers import lay_out, mean_and_singles, number, shorter

_BATCHES = 2500  # of an epoch: 50,000 examples, 20 at a time


def plain(rows: Sequence[Mapping[str, str]], show: Sequence[str] = ()) -> str:
    """The file as it stands.

    **Arguments:** `show`: what stands first in a row, of those to show; all if empty.
    """
    first = next(iter(rows[0]))
    rows = [row for row in rows if not show or row[first] in show]
    columns = [name for name in rows[0] if name != "machine" and any(row[name] for row in rows)]
    return lay_out(columns, [[shorter(row[name]) for name in columns] for row in rows])


def growth(rows: Sequence[Mapping[str, str]]) -> str:
    """The file as it stands, and a straight line through the time of an epoch by examples."""
    fits = []
    for network in dict.fromkeys(row["case"].partition(",")[0] for row in rows):
        chosen = [
            row for row in rows
            if row["grows"] == "examples" and row["case"].startswith(network)
        ]  # fmt: skip
        batches = np.array([float(row["batches"]) for row in chosen])
        seconds = batches * [float(row["ms per batch"]) / 1e3 for row in chosen]
        slope, start = np.polyfit(batches, seconds, 1)
        explained = np.corrcoef(batches, seconds)[0, 1] ** 2
        fits.append(
            f"{network}: {1e3 * slope:.2f} ms for each batch and {start:+.2f} s, "
            f"R^2 = {explained:.5f}"
        )
    line = "Straight lines through the seconds of an epoch against its batches: "
    return plain(rows) + "\n" + line + "; ".join(fits) + ".\n"


def repeated(rows: Sequence[Mapping[str, str]]) -> str:
    """A row per way to relax in the first epoch; step sizes that agree to .01 are one."""
    same = ("network", "seed", "step size", "tolerance", "share", "most sweeps")
    found: dict[tuple[str, ...], list[Mapping[str, str]]] = defaultdict(list)
    for row in rows:
        rounded = {**row, "step size": f"{float(row['step size']):.2f}"}
        found[tuple(rounded[key] for key in same)].append(row)
    table = []
    for how, runs in found.items():
        sweeps, errors = (
            [float(run[key]) for run in runs] for key in ("free sweeps", "training error %")
        )
        single = ", ".join(f"{error:.1f}" for error in errors)
        spread = f"{np.std(errors, ddof=1):.1f}" if len(errors) > 1 else "-"
        mean = f"{np.mean(errors):.1f} ({single})"
        table.append([*how, f"{np.mean(sweeps):.0f}", mean, spread])
    return lay_out([*same, "free sweeps", "training error %", "their spread"], table)


def learning(rows: Sequence[Mapping[str, str]]) -> str:
    """Each schedule beside the slow one it is compared with, and their differences."""
    runs: dict[tuple[str, str, str], list[Mapping[str, str]]] = defaultdict(list)
    for row in rows:
        runs[row["network"], row["seed"], row["schedule"]].append(row)
    kinds = ("training_error", "validation_error", "validation_kept_error")

    def line(label: str, rows: Sequence[Mapping[str, str]]) -> list[str]:
        last = rows[-3:]
        seconds = sum(float(row["training_seconds"]) for row in rows)
        steps = [float(row["free_steps"]) for row in rows]
        unsettled = [float(row["free_unsettled"]) for row in rows]
        nudged = [float(row["nudged_unsettled"]) for row in rows]
        return [
            label,
            str(len(rows)),
            *(
                mean_and_singles([sum(float(row[kind]) for row in last) / len(last)])
                for kind in kinds
            ),
            f"{steps[0]:.0f}, {steps[-1]:.0f}",
            f"{100 * (1 - unsettled[-1]):.1f}, {100 * (1 - nudged[-1]):.1f}",
            f"{float(rows[-1]['free_residual_mean']):.1g}, "
            f"{float(rows[-1]['nudged_residual_mean']):.1g}",
            f"{seconds / len(rows) / _BATCHES * 1e3:.1f}",
        ]

    table, differences = [], []
    for (network, seed, schedule), found in runs.items():
        table.append(line(f"{network}, seed {seed}, {schedule}", found))
        fast = runs.get((network, seed, "fast"))
        if schedule == "fast" or not fast:
            continue
        same = min(len(fast), len(found))

        def mean(rows: Sequence[Mapping[str, str]], kind: str) -> float:
            return sum(float(row[kind]) for row in rows) / len(rows)

        cells = []
        for kind in kinds:
            over = mean(fast[:same], kind) - mean(found[:same], kind)
            ends = slice(max(0, same - 3), same)
            end = mean(fast[ends], kind) - mean(found[ends], kind)
            cells.append(f"{number(over, sign='+')}, {number(end, sign='+')}")
        differences.append([f"{network}, seed {seed}, fast against {schedule}", str(same), *cells])
    columns = [
        "run", "epochs", "training %", "validation, cold %", "validation, kept %",
        "free sweeps (first, last epoch)", "settled %, free, nudged",
        "residual, free, nudged", "ms per batch",
    ]  # fmt: skip
    pairs = ["pair", "epochs", "training", "validation, cold", "validation, kept"]
    return (
        "Errors are means of a run's last three epochs; settling is that of its last epoch.\n\n"
        + lay_out(columns, table)
        + "\nDifferences in points of error, mean over the common epochs and mean of the last "
        "three of them; negative means that the fast schedule is better.\n\n"
        + lay_out(pairs, differences)
        + "\n"
        + times(runs)
    )


def times(runs: Mapping[tuple[str, str, str], Sequence[Mapping[str, str]]]) -> str:
    """When each run first had a validation error so small."""
    table = []
    for (network, seed, schedule), rows in runs.items():
        cells = []
        for limit in (0.10, 0.05, 0.03):
            spent, cell = 0.0, "-"
            for row in rows:
                spent += float(row["training_seconds"])
                if float(row["validation_error"]) <= limit:
                    cell = f"epoch {row['epoch']}, {spent:.0f} s"
                    break
            cells.append(cell)
        table.append([f"{network}, seed {seed}, {schedule}", *cells])
    return "Time of training until the validation error (cold) was first this small:\n\n" + lay_out(
        ["run", "10 %", "5 %", "3 %"], table
    )


def accuracy(rows: Sequence[Mapping[str, str]], limits: Sequence[float]) -> str:
    """Seconds of training until an error, per cent, was first so small, and the last look.

    A row per contestant: the median over its seeds where all reached it, then every seed.
    """
    found: dict[str, dict[str, list[Mapping[str, str]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        found[row["who"]][row["seed"]].append(row)

    def cell(values: Sequence[float | None], form: str) -> str:
        told = [f"{value:{form}}" if value is not None else "-" for value in values]
        reached = [value for value in values if value is not None]
        if len(values) == 1 or len(reached) < len(values):
            return ", ".join(told)
        return f"**{statistics.median(reached):{form}}** ({', '.join(told)})"

    table = []
    for who, seeds in found.items():
        cells = []
        for limit in limits:
            below = [[r for r in run if float(r["test_error"]) <= limit] for run in seeds.values()]
            cells.append(cell([float(run[0]["seconds"]) if run else None for run in below], ".1f"))
        last = [run[-1] for run in seeds.values()]
        pace = [float(row["seconds"]) / int(row["epoch"]) for row in last]
        cells.append(cell([float(row["test_error"]) for row in last], ".2f"))
        table.append([who, *cells, last[0]["epoch"], f"{statistics.median(pace):.1f}"])
    heads = [f"{limit:g} %, s" for limit in limits]
    return lay_out(["code", *heads, "last test error %", "epochs", "s an epoch"], table)
