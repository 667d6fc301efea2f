"""Sweeps brought to their end, drawn and told."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from eqprop.analysis import collect
from eqprop.analysis.tables import LEGEND, Drawn, table_of
from eqprop.config.settings import RunConfig
from eqprop.errors import RunFolderError
from eqprop.experiments.experiment import EXPERIMENTS, Experiment, draw_errors, nothing_more
from eqprop.python.progress import reporting
from eqprop.records import RunFolder
from eqprop.running.context import Context
from eqprop.sweeps.sweep import RECORDED, Cell, Sweep, create_sweep, extended, open_sweep


@dataclasses.dataclass(frozen=True)
class Where:
    """Where cells run: in this process, unless one of the first two is given.

    **Attributes:** `count` of local worker processes; `scheduler`, address of a Dask cluster's;
    `together`, how many cells this process trains in one program.
    """

    count: int | None = None
    scheduler: str | None = None
    together: int | None = None


def start(
    figure: str,
    preset: str,
    configs: Mapping[Cell, RunConfig],
    *,
    out: Path,
    into: Path | None,
    where: Where,
    context: Context,
) -> None:
    """Makes the sweep's folder with the settings of every cell, or extends it; finishes it."""
    from eqprop.running.run import load_data

    # Loaded here so that missing data is said before any folder is made.
    load_data(next(iter(configs.values())), context.data_dir)
    if where.scheduler is not None:
        from eqprop.sweeps.workers import dask_cluster

        with dask_cluster(where.scheduler):  # so is a scheduler that does not answer
            pass
    if into is None:
        sweep = create_sweep(out, f"{figure}-{preset}", figure, preset, configs)
    else:
        found = open_sweep(into)
        if found is None or found.figure != figure:
            kind = "no sweep" if found is None else f"one of {found.figure}"
            raise RunFolderError(
                f"`--into` must be the folder of a {figure} that was begun, got {into}, which is "
                f"{kind}. Leave it out to begin a new one."
            )
        if found.preset not in (preset, RECORDED):
            raise RunFolderError(
                f"`--into` must be a sweep of preset '{preset}', got {into}, which is of "
                f"'{found.preset}'. Ask for that preset, or leave out --into to begin a new one."
            )
        sweep = extended(found, configs)
    finish(sweep, where, context)


def finish(sweep: Sweep, where: Where, context: Context) -> None:
    """Brings every cell to its end, draws the figure from the records and prints the table.

    **Raises:** `RunFolderError` at the end if cells have failed.
    """
    from eqprop.sweeps.workers import (
        finish_here,
        finish_on,
        finish_on_cluster,
        finish_together,
        local_workers,
    )

    console = Console(stderr=True)

    def tell(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    context = dataclasses.replace(context, tell=tell)
    if where.scheduler is not None:
        failures = finish_on_cluster(where.scheduler, sweep, context)
    elif where.count is not None:
        from eqprop.running.machine import cores

        count = where.count
        failures = finish_on(
            lambda: local_workers(count), sweep, context, worker_cores=max(1, cores() // count)
        )
    else:
        with reporting() as report:
            context = dataclasses.replace(context, report=report)
            if where.together is not None:
                failures = finish_together(sweep, where.together, context)
            else:
                failures = finish_here(sweep, context)
    if sweep.finished:
        draw(sweep)
    if failures:
        listed = "; ".join(f"{name}: {problem}" for name, problem in failures.items())
        raise RunFolderError(
            f"{len(failures)} of {len(sweep.cells)} cells failed, the others are done. {listed}. "
            f"Try them again with: eqprop resume {sweep.path}"
        )


def draw(sweep: Sweep) -> None:
    """Figure, CSV, caption and table from the records of the cells that are finished.

    **Raises:** `RunFolderError`, before anything is written, where records have been cut.
    """
    drawn = Drawn.of(sweep)
    if cut := collect.cut(sweep, drawn.epochs):
        raise RunFolderError(
            f"the records of finished runs must reach the epoch of their summary.json, got "
            f"metrics.jsonl of {', '.join(cell.name for cell in cut)} in {sweep.path} that end "
            "before. Put back a copy of that file, or delete the run's summary.json and resume."
        )
    stem = sweep.path / sweep.figure
    collect.write_rows(drawn.epochs, collect.EPOCH_COLUMNS, stem.with_suffix(".csv"))
    collect.write_rows(drawn.updates, collect.UPDATE_COLUMNS, Path(f"{stem}-updates.csv"))
    collect.write_rows(drawn.layers, collect.LAYER_COLUMNS, Path(f"{stem}-layers.csv"))
    RunFolder(sweep.path).write_text("caption.txt", drawn.caption + "\n")
    experiment = experiment_of(sweep)
    (experiment.picture if experiment else draw_errors)(drawn, stem)
    columns, rows = table_of(drawn, experiment.speed if experiment else "late_update")
    table = Table(title="Error", caption=drawn.caption, caption_justify="left")
    table.add_column(columns[0], no_wrap=True)
    for title in columns[1:]:
        table.add_column(title, justify="right")
    for row in rows:
        table.add_row(*row)
    console = Console()
    (console if console.is_terminal else Console(width=120)).print(table)
    print(LEGEND)
    for line in (experiment.tables if experiment else nothing_more)(drawn):
        print(line)
    print(stem.with_suffix(".png"))


def experiment_of(sweep: Sweep) -> Experiment | None:
    """The experiment that a sweep is of; None for one of another version or of the user's own."""
    if sweep.figure not in EXPERIMENTS.names():
        return None
    found = EXPERIMENTS.find(sweep.figure)
    return found if isinstance(found, Experiment) else None
