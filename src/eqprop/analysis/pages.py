"""Results pages from committed CSV files, as a tables.toml beside them says."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

from eqprop.analysis import benchmark_tables, run_tables, strengths
from eqprop.analysis.collect import Row, Rows
from eqprop.analysis.numbers import lay_out


def read(file: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with open(file, newline="") as opened:
        return list(csv.DictReader(opened))


def several(value: str | list[str]) -> list[str]:
    """What an entry of tables.toml names, one thing or a list of them."""
    return [value] if isinstance(value, str) else value


KINDS: Mapping[str, Callable[..., str]] = {
    "accuracy": benchmark_tables.accuracy,
    "across": run_tables.across,
    "conditions": run_tables.conditions,
    "correlations": run_tables.correlations,
    "course": run_tables.course,
    "depths": run_tables.depths,
    "differences": run_tables.differences,
    "ends": run_tables.ends,
    "errors": run_tables.errors,
    "growth": benchmark_tables.growth,
    "layers": run_tables.layers,
    "learning": benchmark_tables.learning,
    "plain": benchmark_tables.plain,
    "reach": run_tables.reach,
    "repeated": benchmark_tables.repeated,
    "response": run_tables.response,
    "sensitivity": run_tables.sensitivity,
    "strengths": strengths.strengths,
    "wirings": run_tables.wirings,
}
OPTIONS = (
    "columns",
    "counts",
    "epoch",
    "epochs",
    "judged",
    "limits",
    "looks",
    "reference",
    "show",
    "size",
    "way",
)
"""Entries of tables.toml that a kind may take."""


def pages(folder: Path) -> dict[str, str]:
    """Every page of a folder with a tables.toml, by its file name."""
    made, given = {}, tomllib.loads((folder / "tables.toml").read_text("utf-8"))
    for page in given["page"]:
        parts = [f"# {page['title']}\n\n{page['text'].strip()}\n"]
        parts += glance(page["table"])
        for entry in page["table"]:
            source = given["source"][entry["source"]] if "source" in entry else {}
            parts.append(section(folder, source | entry, given["machine"]))
        made[page["file"]] = "\n".join(parts).rstrip() + "\n"
    return made


def glance(entries: Rows) -> list[str]:
    """What the sections of a page find about each claim; nothing where no section judges one."""
    rows = [
        [claim, verdict, f"[{entry['title']}](#{anchor(entry['title'])})"]
        for entry in entries
        for claim, verdict in entry.get("claims", {}).items()
    ]
    return [lay_out(["the paper", "here", "section"], rows)] if rows else []


def anchor(title: str) -> str:
    """The fragment under which a heading of a Markdown page is found."""
    kept = "".join(letter for letter in title.lower() if letter.isalnum() or letter in " -_")
    return kept.replace(" ", "-")


def section(folder: Path, entry: Row, machine: str) -> str:
    """A heading, where the numbers come from, what they say, and the table.

    **Arguments:** `machine`: where neither the entry nor its first CSV file says another.
    """
    files = several(entry["csv"])
    rows = [row for name in files for row in read(folder / name)]
    machine = entry.get("machine") or rows[0].get("machine", machine)
    options = {key: entry[key] for key in OPTIONS if key in entry}
    told = {
        "Data": entry.get("dataset"),
        "[Schedule](../reference/glossary.md#schedules)": entry.get("schedule"),
        "Machine": machine,
        "Rows": ", ".join(f"[{name}]({name})" for name in files),
    }
    source = "\n".join(f"- {what}: {value}" for what, value in told.items() if value)
    parts = [f"## {entry['title']}\n", f"`{entry['command']}`\n", f"{source}\n"]
    if "text" in entry:
        parts.append(entry["text"].strip() + "\n")
    for picture in several(entry.get("picture", [])):
        parts.append(f"![{entry['title']}]({picture})\n")
    return "\n".join([*parts, KINDS[entry["kind"]](rows, **options)])
