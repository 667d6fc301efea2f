"""Sweeps begun, brought to their end, and told."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from eqprop.config.run_config import RunConfig
from eqprop.errors import RunFolderError
from eqprop.experiments.told import tell
from eqprop.python.progress import reporting
from eqprop.running.context import Context
from eqprop.sweeps.finishing import complete, raise_failures
from eqprop.sweeps.sweep import RECORDED, Cell, Sweep, create_sweep, extended, open_sweep
from eqprop.sweeps.where import Where


@dataclasses.dataclass(frozen=True)
class Asked:
    """What sweep is asked for.

    **Attributes:** as of `Sweep`.
    """

    figure: str
    preset: str
    varied: tuple[str, ...] = ()


def start(
    asked: Asked,
    configs: Mapping[Cell, RunConfig],
    *,
    out: Path,
    into: Path | None,
    where: Where,
    context: Context,
) -> None:
    """Makes the sweep's folder with the settings of every cell, or extends it; finishes it."""
    from eqprop.running.build import load_data

    # Loaded here so that missing data is said before any folder is made.
    load_data(next(iter(configs.values())), context.data_dir)
    if where.scheduler is not None:
        from eqprop.sweeps.workers import dask_cluster

        with dask_cluster(where.scheduler):  # so is a scheduler that does not answer
            pass
    if into is None:
        name = asked.figure if asked.varied else f"{asked.figure}-{asked.preset}"
        sweep = create_sweep(out, name, asked.figure, asked.preset, configs, asked.varied)
    else:
        sweep = extended(_begun(into, asked), configs)
    finish(sweep, where, context)


def _begun(into: Path, asked: Asked) -> Sweep:
    """The sweep in a folder, which must be the one that is asked for."""
    found = open_sweep(into)
    if found is None or found.figure != asked.figure:
        kind = "no sweep" if found is None else f"one of {found.figure}"
        raise RunFolderError(
            f"`--into` must be the folder of a {asked.figure} that was begun, got {into}, which "
            f"is {kind}. Leave it out to begin a new one."
        )
    if found.preset not in (asked.preset, RECORDED):
        raise RunFolderError(
            f"`--into` must be a sweep of preset '{asked.preset}', got {into}, which is of "
            f"'{found.preset}'. Ask for that preset, or leave out --into to begin a new one."
        )
    if found.varied != asked.varied:
        raise RunFolderError(
            f"`--into` must be a sweep that varies {', '.join(asked.varied)}, got {into}, which "
            f"varies {', '.join(found.varied)}. Leave out --into to begin a new one."
        )
    return found


def finish(sweep: Sweep, where: Where, context: Context) -> None:
    """Brings every cell to its end, draws the figure from the records and prints the table.

    **Raises:** `RunFolderError` at the end if cells have failed.
    """
    console = Console(stderr=True)

    def line(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    with reporting(console) as report:
        failures = complete(sweep, where, dataclasses.replace(context, tell=line, report=report))
    if sweep.finished:
        show(sweep)
    raise_failures(sweep, failures)


def show(sweep: Sweep) -> None:
    """Draws a sweep and prints its table."""
    told = tell(sweep)
    table = Table(title="Error", caption=escape(told.caption), caption_justify="left")
    table.add_column(told.columns[0], no_wrap=True)
    for title in told.columns[1:]:
        table.add_column(title, justify="right")
    for row in told.rows:
        table.add_row(*map(escape, row))
    console = Console()
    (console if console.is_terminal else Console(width=140)).print(table)
    print(told.legend)
    for text in told.lines:
        print(text)
    print(told.picture)
