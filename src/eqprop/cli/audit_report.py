"""The audit of a run on the terminal and as files."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from eqprop.analysis.collect import FLAT_COLUMNS, flat_rows, write_rows
from eqprop.errors import RunFolderError
from eqprop.learning import Audit, plain
from eqprop.plots.audit import audit_picture
from eqprop.records import RunFolder
from eqprop.running import auditing


def write(
    run: Path, *, examples: int, response: bool, data_dir: Path | None, out: Path | None
) -> None:
    """Prints table, facts and verdict; writes the files."""
    found, rows, several = auditing.audit_run(
        run, examples=examples, respond=response, data_dir=data_dir
    )
    table = Table(title="The rule's correction beside the exact gradient")
    table.add_column("connections", no_wrap=True)
    for title in ("cosine", "same sign %", "size ratio", "exact rms"):
        table.add_column(title, justify="right")
    for row in auditing.table(found):
        table.add_row(*row)
    console = Console()
    (console if console.is_terminal else Console(width=120)).print(table)
    places = f"{several:.0%} of the examples have more than one equilibrium, from eight starts"
    for line in (*auditing.facts(found), places, "", *found.verdict):
        print(line)
    for path in _write(found, rows, several, out or run):
        print(path)


def _write(
    found: Audit, rows: Sequence[dict[str, Any]], several: float, folder: Path
) -> list[Path]:
    """Writes `audit.json`, its tables as CSV, and the picture, into a folder."""
    record = RunFolder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise RunFolderError(
            f"`--out` must be a writable folder, got {folder} ({problem.strerror})."
        ) from None
    values = found.to_dict()
    more = {"several_equilibria": several, "response": plain(list(rows))}
    record.write_json("audit.json", values | more)
    parts = [*values["pairs"], *values["kinds"], values["overall"]]
    write_rows(parts, auditing.AGREEMENT_COLUMNS, folder / "audit.csv")
    tables = ("overall", "pairs", "kinds", "verdict")
    facts = {name: value for name, value in dataclasses.asdict(found).items() if name not in tables}
    facts["several_equilibria"] = several
    write_rows(flat_rows(facts), FLAT_COLUMNS, folder / "audit-facts.csv")
    if rows:
        write_rows(rows, auditing.RESPONSE_COLUMNS, folder / "audit-response.csv")
    audit_picture(parts, rows, folder / "audit")
    return [folder / name for name in ("audit.json", "audit.csv", "audit.png")]
