"""What is around a run and decides no result: its data's place, who is told, who may stop it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Progress:
    """Where a run is: what is reported after each chunk and each epoch.

    **Attributes:** `epoch` counted from 1; `batches_done` of this epoch; `training_error` and
    `training_cost` of the epoch so far; `validation_error` of the last look; `settled`, share of
    the examples whose free phase settled in this chunk, None where that was not measured;
    `epoch_done`; `notice`, something to be said once; `task`, classification or regression.
    """

    name: str
    epoch: int
    epochs: int
    batches_done: int
    batches: int
    training_error: float | None = None
    training_cost: float | None = None
    validation_error: float | None = None
    settled: float | None = None
    epoch_done: bool = False
    notice: str | None = None
    task: str = "classification"


Reporter = Callable[[Progress], None]
StopSignal = Callable[[], int | None]
"""Says the number of the signal by which the run was asked to stop, or None."""


def nothing_said(what: object) -> None:
    """Tells nobody."""


def never() -> int | None:
    """Goes on."""


@dataclasses.dataclass(frozen=True)
class Context:
    """What is around runs.

    **Attributes:**

    - `data_dir`: where data files are looked for.
    - `report`: called after each chunk and each epoch of a run.
    - `stop`: asked after each chunk; when it names a signal, the run saves and raises `Stopped`.
    - `tell`: called with each line about a sweep.
    """

    data_dir: Path | None = None
    report: Reporter = nothing_said
    stop: StopSignal = never
    tell: Callable[[str], None] = nothing_said

    @property
    def data_place(self) -> str | None:
        """The whole path of the data folder that was named, here or by EQPROP_DATA."""
        named = self.data_dir or os.environ.get("EQPROP_DATA") or None
        return None if named is None else os.path.abspath(named)


UNATTENDED = Context()
"""Nobody watches and nobody stops it."""
