"""Makes the tables of figure3.md from the committed CSV files.

python docs/results/tables.py
"""

from __future__ import annotations

import csv
import tomllib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
HEADER = """# Figure 3: the three networks of the paper

Written by `python docs/results/tables.py` from the CSV files beside it. Errors in percent, mean
over the seeds with the single seeds in brackets. The training error is measured online, before
each update; the validation error at equilibrium, from a cold start. Validation is the paper's
"test error": examples 50,000 to 59,999 of the training file.
"""


def cell(values: Sequence[float]) -> str:
    """Mean and single values, in percent."""
    mean = sum(values) / len(values)
    return f"{100 * mean:.2f} ({', '.join(f'{100 * value:.2f}' for value in values)})"


def table(path: Path) -> str:
    """A row per epoch, a column per network."""
    found = defaultdict(list)
    networks, epochs, seeds = {}, {}, {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            networks[row["network"]] = epochs[int(row["epoch"])] = seeds[row["seed"]] = None
            for kind in ("training_error", "validation_error"):
                found[row["network"], int(row["epoch"]), kind].append(float(row[kind]))
    lines = [f"Seeds {', '.join(seeds)}.", ""]
    for kind in ("training", "validation"):
        lines += [
            f"| {kind} error after epoch | {' | '.join(networks)} |",
            f"|---|{'---|' * len(networks)}",
        ]
        for epoch in epochs:
            cells = [cell(found[network, epoch, f"{kind}_error"]) for network in networks]
            lines.append(f"| {epoch} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def page() -> str:
    """All of figure3.md."""
    parts = [HEADER]
    for entry in tomllib.loads((HERE / "tables.toml").read_text("utf-8"))["table"]:
        parts.append(
            f"## {entry['title']}\n\n`{entry['command']}`\n\n{entry['dataset']}; "
            f"{entry['schedule']}; {entry['machine']}; [data]({entry['csv']}).\n"
        )
        parts.append(table(HERE / entry["csv"]))
    return "\n".join(parts).rstrip() + "\n"


if __name__ == "__main__":
    (HERE / "figure3.md").write_text(page(), "utf-8")
