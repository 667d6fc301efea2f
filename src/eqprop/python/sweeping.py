"""Sweeps from Python: varied settings, and objects in place of any section of them."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eqprop.analysis import collect, varied
from eqprop.analysis.tables import Drawn
from eqprop.config.run_config import RunConfig
from eqprop.energy import Network
from eqprop.errors import ConfigError, RunFolderError
from eqprop.experiments.told import tell
from eqprop.learning import AbstractLearningRule
from eqprop.python.run import Run, Settings, configured, framed, handed_over, watched
from eqprop.running.context import Context, Reporter
from eqprop.running.objects import Objects
from eqprop.running.run import begin_in, load_all
from eqprop.sweeps.finishing import complete, raise_failures
from eqprop.sweeps.sweep import Sweep, create_sweep, open_sweep
from eqprop.sweeps.vary import Values, cells_of, conditions_of
from eqprop.sweeps.where import Where
from eqprop.topology import Topology


def sweep(
    settings: Settings = None,
    *,
    vary: Values,
    seeds: int | Sequence[int] = 1,
    zipped: bool = False,
    recipe: str | None = None,
    data: Any = None,
    topology: Topology | None = None,
    network: Network | None = None,
    rule: AbstractLearningRule | None = None,
    name: str = "sweep",
    out: str | Path | None = None,
    data_dir: str | Path | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: bool | Reporter = False,
) -> SweepRun:
    """Trains under varied settings as `eqprop sweep` does, several seeds each.

    What was stopped goes on with `SweepRun.resume`, or at the command line by `eqprop resume`.

    **Arguments:**

    - `vary`: the values of each setting, by its dotted name: `{"topology.p": [0.01, 0.1]}`. The
      first ones make the condition with which the others are compared.
    - `seeds`: how many, from 0, or which.
    - `zipped`: the first values of all settings together, then the second ones, and so on, instead
      of every value with every other.
    - `name`: of the folder.
    - `workers`: so many processes of this machine, or `scheduler`, the address of a Dask cluster;
      objects stay in this process.
    - the others: as in `train`.

    **Raises:** as `train`; `RunFolderError` at the end if runs have failed.

    >>> few = {"topology": {"layer_sizes": [20, 8, 4]}, "data": {"dataset": "teacher"}}
    >>> few |= {"training": {"epochs": 2}}
    >>> found = sweep(few, vary={"learning.learning_rate": [0.02, 0.1]}, seeds=2)
    >>> [run.config.seed for run in found.runs], len(found.conditions())
    ([0, 0, 1, 1], 6)
    """
    numbers = range(seeds) if isinstance(seeds, int) else seeds
    if not numbers:
        raise ConfigError(f"`seeds` must be 1 or more, got {seeds}.")
    where = Where(workers, scheduler)
    where.check()
    handed = handed_over(data)

    def of_cell(changes: Any, run: str, seed: int) -> RunConfig:
        changed = dict(changes) | {"name": run, "seed": seed}
        return configured(settings, recipe, handed, topology, changed, rule)

    cells = cells_of(conditions_of(vary, zipped=zipped), numbers, of_cell)
    objects = Objects(handed, topology, network, rule)
    with watched(data_dir, progress) as context:
        loaded: dict[str, Any] = {}  # each data set once
        begun_with = {}
        for cell, config in cells.items():  # all are refused before any folder is made
            wanted = config.data.dataset.model_dump_json()
            known = dataclasses.replace(objects, data=loaded.get(wanted, handed))
            loaded[wanted] = load_all(config, context, known).data
            begun_with[cell] = dataclasses.replace(objects, data=loaded[wanted])
        parent = Path(tempfile.mkdtemp(prefix="eqprop-") if out is None else out)
        made = create_sweep(parent, name, name, "own", cells, tuple(vary))
        for cell, config in cells.items():
            begin_in(made.run(cell), config, begun_with[cell])
        found = SweepRun(made.path, objects)
        if out is None:
            weakref.finalize(found, shutil.rmtree, parent, ignore_errors=True)
        return found._completed(where, context)


class SweepRun:
    """A sweep and its folder: runs, records, table, picture.

    **Attributes:** `folder`, its path.
    """

    def __init__(self, folder: str | Path, objects: Objects | None = None) -> None:
        self.folder, self._objects = Path(folder), objects or Objects()
        if open_sweep(self.folder) is None:
            raise RunFolderError(
                f"`folder` must be that of a sweep, got {folder}. `eqprop.load` reads the folder "
                "of a run."
            )

    @property
    def _sweep(self) -> Sweep:
        found = open_sweep(self.folder)
        assert found is not None
        return found

    @property
    def runs(self) -> list[Run]:
        """Those that have finished, condition by condition within a seed."""
        return [Run(self._sweep.run(cell), self._objects) for cell in self._sweep.finished]

    def metrics(self) -> Any:
        """A row per run and epoch; a pandas DataFrame where pandas is installed."""
        return framed(collect.epoch_rows(self._sweep))

    def conditions(self) -> Any:
        """A row per condition and measure, as `analysis.varied.compared` makes them."""
        return framed(varied.compared(varied.ends(Drawn.of(self._sweep))))

    def plot(self) -> Path:
        """Draws the errors, writes the tables as CSV beside them, and says where."""
        return tell(self._sweep).picture

    def resume(self, *, workers: int | None = None, progress: bool | Reporter = False) -> SweepRun:
        """Goes on with what was stopped or failed, with the same objects."""
        with watched(None, progress) as context:
            return self._completed(Where(workers), context)

    def _completed(self, where: Where, context: Context) -> SweepRun:
        sweep = self._sweep
        raise_failures(sweep, complete(sweep, where, context, self._objects))
        return self

    def __repr__(self) -> str:
        sweep = self._sweep
        return f"SweepRun({str(self.folder)!r}, {len(sweep.finished)} of {len(sweep.cells)} runs)"
