"""`eqprop resume`: what was stopped goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from eqprop.cli.app import (
    DataDir,
    Scheduler,
    Together,
    Workers,
    app,
    prepared,
    trains_here,
    watched,
)
from eqprop.errors import ConfigError, RunFolderError


@app.command(name="resume")
def command(
    path: Annotated[Path, Parameter(help="Folder of a run, of a figure or of a sweep.")],
    *,
    epochs: Annotated[
        int | None, Parameter(help="Epochs in all: a finished run goes on to so many.")
    ] = None,
    data_dir: DataDir = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    together: Together = None,
) -> None:
    """Go on with what was stopped, from its last checkpoints; does no harm to finished work.

    A figure is drawn again from its records.
    """
    from eqprop.config.settings import load_recorded
    from eqprop.sweeps.sweep import open_sweep

    sweep = open_sweep(path)
    cells = [path] if sweep is None else map(sweep.folder, sweep.cells)
    first = next((cell for cell in cells if (cell / "config.toml").is_file()), None)
    if first is None:
        raise RunFolderError(
            f"`path` must be the folder of a run or of a figure, got {path}, which has no "
            "config.toml. Name a folder that `eqprop train` or `eqprop reproduce` made."
        )
    here = trains_here(workers, scheduler, together)
    if sweep is None and not here:
        raise ConfigError(
            "`--workers`, `--scheduler` and `--together` are of many runs, got the single run "
            f"{path}. Leave them out, or name the folder of a sweep."
        )
    with prepared(load_recorded(first / "config.toml"), here=here) as stop:
        if sweep is not None:
            if epochs is not None:
                raise ConfigError(
                    f"`--epochs` is of a single run, got the sweep {path}. Name one of its runs."
                )
            from eqprop.cli.finishing import finish
            from eqprop.running.context import Context
            from eqprop.sweeps.where import Where

            finish(sweep, Where(workers, scheduler, together), Context(data_dir, stop=stop))
            return
        from eqprop.running.run import resume as resume_run

        watched(lambda context: resume_run(path, context, epochs=epochs), data_dir, stop)
