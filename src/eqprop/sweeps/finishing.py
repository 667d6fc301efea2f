"""A sweep brought to its end, wherever its cells run."""

from __future__ import annotations

from eqprop.errors import ConfigError, RunFolderError
from eqprop.running.context import UNATTENDED, Context
from eqprop.running.objects import NOTHING, Objects
from eqprop.sweeps.sweep import Sweep
from eqprop.sweeps.where import Where
from eqprop.sweeps.workers import (
    finish_here,
    finish_on,
    finish_on_cluster,
    finish_together,
    local_workers,
)


def complete(
    sweep: Sweep, where: Where, context: Context = UNATTENDED, objects: Objects = NOTHING
) -> dict[str, str]:
    """Brings every cell to its end.

    **Arguments:** `objects`: of every cell, in place of what its settings say.

    **Returns:** what went wrong, by cell; a cell that fails does not stop the others.

    **Raises:** `Stopped`; `ConfigError` for objects that would have to go to other processes.
    """
    where.check()
    if objects != NOTHING and not (where.is_here and where.together is None):
        raise ConfigError(
            "objects stay in the process that made them, got workers too. Put the data and the "
            "wiring into files that the settings name, or leave the workers out."
        )
    if where.scheduler is not None:
        return finish_on_cluster(where.scheduler, sweep, context)
    if where.count is not None:
        from eqprop.running.machine import cores

        count = where.count
        share = max(1, cores() // count)
        return finish_on(lambda: local_workers(count), sweep, context, worker_cores=share)
    if where.together is not None:
        return finish_together(sweep, where.together, context)
    return finish_here(sweep, context, objects)


def raise_failures(sweep: Sweep, failures: dict[str, str]) -> None:
    """Says, by `RunFolderError`, which cells failed; nothing where none did."""
    if failures:
        listed = "; ".join(f"{name}: {said.rstrip('.')}" for name, said in failures.items())
        raise RunFolderError(
            f"{len(failures)} of {len(sweep.cells)} cells failed, the others are done. {listed}. "
            f"Try them again with: eqprop resume {sweep.path}"
        )
