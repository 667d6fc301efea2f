"""`eqprop audit`: the audit of a run on the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from eqprop.experiments import auditing


def report(
    run: Path, *, examples: int, response: bool, data_dir: Path | None, out: Path | None
) -> None:
    """Prints table, facts and verdict; writes the files."""
    found, rows = auditing.audit_run(run, examples=examples, respond=response, data_dir=data_dir)
    table = Table(title="The rule's correction beside the exact gradient")
    table.add_column("connections", no_wrap=True)
    for title in ("cosine", "same sign %", "size ratio", "exact rms"):
        table.add_column(title, justify="right")
    for row in auditing.table(found):
        table.add_row(*row)
    console = Console()
    (console if console.is_terminal else Console(width=120)).print(table)
    for line in (*auditing.facts(found), "", *found.verdict):
        print(line)
    caption = f"{run.name}: {examples} training examples"
    for path in auditing.write(found, rows, out or run, caption):
        print(path)
