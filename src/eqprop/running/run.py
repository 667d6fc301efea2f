"""One run: a configuration becomes a trained network and a folder of records.

A run can be stopped anywhere and brought to its end later: `complete` does the same whether
nothing, a part, or all of the work is done already.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from eqprop.compiler import check as check_compiler
from eqprop.config.settings import RunConfig
from eqprop.config.settings import load_recorded as load_config
from eqprop.data import Dataset
from eqprop.errors import BusyError, ConfigError, DataError
from eqprop.records import RunFolder, locked
from eqprop.running import team
from eqprop.running.build import check_batches, check_rule, load_data
from eqprop.running.context import UNATTENDED, Context
from eqprop.running.in_progress import RunInProgress
from eqprop.running.machine import is_one_thread
from eqprop.running.wiring import build_topology
from eqprop.topology import Topology


def train(config: RunConfig, parent: Path, context: Context = UNATTENDED) -> RunFolder:
    """Trains one network in a new folder under `parent`.

    **Arguments:**

    - `config`: everything that decides the result.
    - `parent`: where the run's folder is made.
    - `context`: what is around it.

    **Raises:** `DivergedError` when a state or weight becomes NaN or infinite; `Stopped`.
    """
    # Missing data, a wiring that cannot be, and what the rule refuses are said before any
    # folder is made.
    dataset = load_data(config, context.data_dir)
    topology = build_topology(config)
    check_rule(config)
    check_batches(config, len(dataset.split("train")))
    folder = RunFolder.create(Path(parent), config.name)
    return complete(config, folder.path, context, dataset=dataset, topology=topology)


def resume(path: Path, context: Context = UNATTENDED) -> RunFolder:
    """Goes on with a run where it was saved last; does nothing to a finished one."""
    folder = RunFolder.open(Path(path))
    return complete(load_config(folder.path / "config.toml"), folder.path, context)


def complete(
    config: RunConfig,
    path: Path,
    context: Context = UNATTENDED,
    *,
    dataset: Dataset | None = None,
    topology: Topology | None = None,
) -> RunFolder:
    """Brings the run in the folder `path` to its end, from wherever it stands.

    **Arguments:**

    - `path`: a new or empty folder, or one that an earlier call left behind.
    - `dataset`: what `load_data` gave, where it is at hand.
    - `topology`: what `build_topology` gave, likewise.
    - the others: as in `train`.

    **Raises:** as `train`; `RunFolderError` if another process is working on it, or if its
    files are damaged; `ConfigError` if the folder holds a run with other settings.
    """
    folder = RunFolder(Path(path))
    with begun(config, folder, context, dataset=dataset, topology=topology) as run:
        if run is not None:
            team.finish([run])
    return folder


def complete_together(
    configs: Mapping[Path, RunConfig],
    failed: Callable[[Path, Exception], None],
    context: Context = UNATTENDED,
) -> None:
    """`complete` for several runs of one `program_of`, trained by one program.

    Those that another process is working on are left out.

    **Arguments:**

    - `configs`: by the path of the run's folder.
    - `failed`: called for each run that fails, which leaves the others alone.

    **Raises:** `Stopped`, with all that is not over saved.
    """
    runs: list[RunInProgress] = []
    with ExitStack() as folders:
        for path, config in configs.items():
            loaded = runs[0].dataset if runs else None
            held = begun(config, RunFolder(path), context, dataset=loaded)
            try:
                run = folders.enter_context(held)
            except BusyError:
                continue
            except Exception as problem:  # such as a damaged folder, or too little memory
                failed(path, problem)
                continue
            if run is not None:
                runs.append(run)
        if runs:
            team.finish(runs, lambda run, problem: failed(run.folder.path, problem))


@contextmanager
def begun(
    config: RunConfig,
    folder: RunFolder,
    context: Context,
    *,
    dataset: Dataset | None = None,
    topology: Topology | None = None,
) -> Iterator[RunInProgress | None]:
    """Holds a run's folder, with the run as far as it is; None if it is finished.

    **Arguments and errors:** as in `complete`.
    """
    if config.deterministic and not is_one_thread():
        raise ConfigError(
            "`deterministic` must be set up before JAX starts, got a process with several "
            "threads. Call eqprop.running.machine.use_one_thread() before importing JAX."
        )
    if (folder.path / "config.toml").is_file():
        if load_config(folder.path / "config.toml") != config:
            raise ConfigError(
                f"the settings must be those of the run in {folder.path}, got others. "
                "Choose another folder, or resume the run with its own settings."
            )
    else:
        folder.write_text("config.toml", config.to_toml())
    if folder.is_finished:
        yield None
        return
    check_compiler()
    with locked(folder.path):
        identity = folder.identity(data_dir=context.data_place)
        if dataset is None:
            dataset = _load_again(config, context.data_dir, identity.get("data_dir"))
        topology = topology or build_topology(config)
        yield RunInProgress(folder, identity["id"], config, dataset, topology, context)


def _load_again(config: RunConfig, data_dir: Path | None, remembered: str | None) -> Dataset:
    """Looks where the run found its data at first, when nothing else is said now."""
    if data_dir is None and "EQPROP_DATA" not in os.environ and remembered:
        try:
            return load_data(config, Path(remembered))
        except DataError:
            pass  # moved since; look where any run would
    return load_data(config, data_dir)
