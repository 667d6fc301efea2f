"""Makes the results pages from the committed CSV files, as tables.toml says.

python docs/results/tables.py
"""

from __future__ import annotations

import csv
import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def read(name: str) -> list[dict[str, str]]:
    """The rows of a committed CSV file."""
    with open(HERE / name, newline="") as file:
        return list(csv.DictReader(file))


def lay_out(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def percent(values: Sequence[float]) -> str:
    """Mean and single values."""
    mean = sum(values) / len(values)
    if len(values) == 1:
        return f"{100 * mean:.2f}"
    return f"{100 * mean:.2f} ({', '.join(f'{100 * value:.2f}' for value in values)})"


def errors(rows: Sequence[Mapping[str, str]]) -> str:
    """A row per epoch, a column per network; training and validation error."""
    found = defaultdict(list)
    for row in rows:
        for kind in ("training", "validation"):
            found[row["condition"], row["epoch"], kind].append(float(row[f"{kind}_error"]))
    networks, epochs, seeds = (
        list(dict.fromkeys(row[key] for row in rows)) for key in ("condition", "epoch", "seed")
    )
    parts = [f"Seeds {', '.join(seeds)}.\n"]
    for kind in ("training", "validation"):
        table = [
            [epoch, *(percent(found[network, epoch, kind]) for network in networks)]
            for epoch in epochs
        ]
        parts.append(lay_out([f"{kind} error after epoch", *networks], table))
    return "\n".join(parts)


def plain(rows: Sequence[Mapping[str, str]]) -> str:
    """The file as it stands."""
    columns = [name for name in rows[0] if name != "machine"]
    return lay_out(columns, [[shorter(row[name]) for name in columns] for row in rows])


def shorter(text: str) -> str:
    """Numbers to four digits; anything else as it is."""
    try:
        return text if text.lstrip("-").isdigit() else f"{float(text):.4g}"
    except ValueError:
        return text


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
            *(percent([sum(float(row[kind]) for row in last) / len(last)]) for kind in kinds),
            f"{steps[0]:.0f}, {steps[-1]:.0f}",
            f"{100 * (1 - unsettled[-1]):.1f}, {100 * (1 - nudged[-1]):.1f}",
            f"{float(rows[-1]['free_residual_mean']):.1g}, "
            f"{float(rows[-1]['nudged_residual_mean']):.1g}",
            f"{seconds / len(rows) / 2500 * 1e3:.1f}",
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
            cells.append(f"{100 * over:+.2f}, {100 * end:+.2f}")
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


KINDS = {"errors": errors, "plain": plain, "learning": learning}


def pages() -> dict[str, str]:
    """Every page, by its file name."""
    made = {}
    for page in tomllib.loads((HERE / "tables.toml").read_text("utf-8"))["page"]:
        parts = [f"# {page['title']}\n\n{page['text'].strip()}\n"]
        parts += [section(entry) for entry in page["table"]]
        made[page["file"]] = "\n".join(parts).rstrip() + "\n"
    return made


def section(entry: Mapping[str, Any]) -> str:
    """A heading, where the numbers come from, what they say, and the table."""
    rows = read(entry["csv"])
    machine = entry.get("machine") or rows[0]["machine"]
    facts = [entry[key] for key in ("dataset", "schedule") if key in entry]
    source = "; ".join([*facts, machine, f"[data]({entry['csv']})"])
    parts = [f"## {entry['title']}\n", f"`{entry['command']}`\n", f"{source}.\n"]
    if "text" in entry:
        parts.append(entry["text"].strip() + "\n")
    return "\n".join([*parts, KINDS[entry["kind"]](rows)])


if __name__ == "__main__":
    for name, text in pages().items():
        (HERE / name).write_text(text, "utf-8")
