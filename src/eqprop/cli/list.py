"""`eqprop list` and `eqprop watch`: where runs stand, from any shell."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from eqprop.cli.app import app
from eqprop.errors import RunFolderError

Where = Annotated[Path, Parameter(help="Folder of a run, of a sweep, or of several of them.")]


@app.command(name="list")
def command(folder: Where = Path("runs")) -> None:
    """List runs: whether they go on, their epoch, their errors, and when they last wrote."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from eqprop.running.overview import standings

    table = Table(box=box.SIMPLE)
    table.add_column("run", overflow="fold")
    for column in ("state", "epoch", "training", "validation", "written"):
        table.add_column(column, no_wrap=True)
    found = list(standings(_existing(folder)))
    if not found:
        raise RunFolderError(f"`folder` must hold runs, got {folder} without any.")
    for one in found:
        name = one.path.name if one.path == folder else str(one.path.relative_to(folder))
        reached = f"{one.epoch}/{one.epochs}" if one.epochs else "-"
        table.add_row(escape(name), one.state, reached, *_measures(one.entry), _age(one.age))
    console = Console()
    (console if console.is_terminal else Console(width=_WIDE)).print(table)


@app.command(name="watch")
def watch(
    path: Where,
    *,
    every: Annotated[float, Parameter(help="Seconds between two looks.")] = 2.0,
) -> None:
    """Follow runs that go on elsewhere, a line per epoch, until none of them goes on any more."""
    from eqprop.running.overview import Follower, standings

    follower = Follower()
    follower.pass_over(one.path for one in standings(_existing(path)))
    while True:
        found = sorted(standings(_existing(path)), key=lambda one: one.path)
        for one in follower.news([one.path for one in found]):
            training, validation = _measures(one.entry)
            print(
                f"{one.path.name} epoch {one.epoch}/{one.epochs} training {training} "
                f"validation {validation}",
                flush=True,
            )
        if not any(one.state == "running" for one in found):
            for one in found:
                print(f"{one.path.name}: {one.state}", flush=True)
            return
        time.sleep(every)


_WIDE = 1000  # a program that reads a line wants all of it


def _existing(path: Path) -> Path:
    if not path.is_dir():
        raise RunFolderError(f"`folder` must be a folder of runs, got {path}, which is none.")
    return path


def _measures(entry: dict[str, Any]) -> list[str]:
    """Of training and validation: an error in percent; of a regression the cost."""
    from eqprop.analysis.collect import measure_of

    what, scale = measure_of([entry]) if entry else ("error", 100)
    form = "{:.2f} %" if what == "error" else "cost {:.4g}"
    found = [entry.get(f"{kind}_{what}") for kind in ("training", "validation")]
    return ["-" if value is None else form.format(scale * value) for value in found]


def _age(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"
