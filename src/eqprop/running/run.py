"""One run: a configuration becomes a trained network and a folder of records.

A run can be stopped anywhere and brought to its end later: `complete` does the same whether
nothing, a part, or all of the work is done already.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from eqprop.compiler import check as check_compiler
from eqprop.config.run_config import RunConfig
from eqprop.config.settings import load_recorded as load_config
from eqprop.errors import BusyError, ConfigError
from eqprop.records import RunFolder, locked
from eqprop.running import team
from eqprop.running.build import check_batches, check_fit, check_rule, for_run, load_again
from eqprop.running.context import UNATTENDED, Context
from eqprop.running.in_progress import RunInProgress
from eqprop.running.machine import is_one_thread
from eqprop.running.objects import NOTHING, Objects
from eqprop.running.wiring import build_topology


def train(
    config: RunConfig, parent: Path, context: Context = UNATTENDED, objects: Objects = NOTHING
) -> RunFolder:
    """Trains one network in a new folder under `parent`.

    **Arguments:**

    - `config`: everything that decides the result.
    - `parent`: where the run's folder is made.
    - `context`: what is around it.
    - `objects`: in place of what the settings say.

    **Raises:** `DivergedError` when a state or weight becomes NaN or infinite; `Stopped`.
    """
    folder, objects = begin(config, parent, context, objects)
    return complete(config, folder.path, context, objects)


def begin(
    config: RunConfig, parent: Path, context: Context = UNATTENDED, objects: Objects = NOTHING
) -> tuple[RunFolder, Objects]:
    """A new folder for a run whose settings and objects go together, and the objects, all loaded.

    **Arguments:** as of `train`.
    """
    # Missing data, a wiring that cannot be, and what the rule refuses are said before any
    # folder is made.
    objects = load_all(config, context, objects)
    folder = RunFolder.create(Path(parent), config.name)
    begin_in(folder, config, objects)
    return folder, objects


def load_all(config: RunConfig, context: Context, objects: Objects) -> Objects:
    """Data and wiring, loaded, checked against the settings and the rule."""
    dataset = objects.dataset(config) or config.data.dataset.load(context.data_dir)
    if objects.network is None:
        check_fit(config, dataset)
    topology = objects.topology or build_topology(config)
    objects = dataclasses.replace(objects, data=dataset, topology=topology)
    check_rule(config, objects, topology, dataset.num_outputs)
    check_batches(config, len(for_run(config, dataset).split("train")))
    return objects


def begin_in(folder: RunFolder, config: RunConfig, objects: Objects) -> None:
    """Makes a folder that of a run: its settings, and what it began with beside them."""
    objects.begin(config, folder)
    folder.write_text("config.toml", config.to_toml())  # last: it makes the folder that of a run


def resume(
    path: Path,
    context: Context = UNATTENDED,
    objects: Objects = NOTHING,
    epochs: int | None = None,
) -> RunFolder:
    """Goes on with a run where it was saved last; does nothing to a finished one.

    **Arguments:** `epochs`: in all, more than the settings say; a finished run goes on, too.
    """
    folder = RunFolder.open(Path(path))
    config = load_config(folder.path / "config.toml")
    if epochs is not None:
        objects = _loaded(config, folder, context, objects)  # before anything is changed
        config = _extended(folder, config, epochs, context)
    return complete(config, folder.path, context, objects)


def _extended(folder: RunFolder, config: RunConfig, epochs: int, context: Context) -> RunConfig:
    """Makes a run one of more epochs."""
    before = config.training.epochs
    done = len(folder.epochs()) if (folder.path / "metrics.jsonl").is_file() else 0
    least = done if folder.is_finished else done + 1  # which may have begun
    if epochs < least:
        raise ConfigError(
            f"`epochs` must be {least} or more, got {epochs}: the run in {folder.path} has done "
            f"{done}. It counts in all."
        )
    if folder.is_finished and done < before:
        why = "patience" if config.training.patience is not None else "budget"
        raise ConfigError(
            f"the run in {folder.path} must have ended by its epochs to go on to {epochs}, got one "
            f"that `training.{why}` = {getattr(config.training, why)} ended after {done} of "
            f"{before}. Begin another: eqprop train {folder.path / 'config.toml'} --set "
            f"training.{why}=..."
        )
    longer = config.model_copy(
        update={"training": config.training.model_copy(update={"epochs": epochs})}
    )
    with locked(folder.path):
        # Killed between the two, it is a run of as many epochs as before, at its end.
        (folder.path / "summary.json").unlink(missing_ok=True)
        folder.write_text("config.toml", longer.to_toml())
    if epochs > before and not config.learning.schedule.is_constant:
        context.tell(
            f"`learning.schedule` '{config.learning.schedule.name}' spans all {epochs} epochs now: "
            f"the rate goes on from where it would be after {before} of them."
        )
    return longer


def complete(
    config: RunConfig,
    path: Path,
    context: Context = UNATTENDED,
    objects: Objects = NOTHING,
) -> RunFolder:
    """Brings the run in the folder `path` to its end, from wherever it stands.

    **Arguments:**

    - `path`: a new or empty folder, or one that an earlier call left behind.
    - `objects`: with data and wiring where they are at hand.
    - the others: as in `train`.

    **Raises:** as `train`; `RunFolderError` if another process is working on it, or if its
    files are damaged; `ConfigError` if the folder holds a run with other settings.
    """
    folder = RunFolder(Path(path))
    with begun(config, folder, context, objects) as run:
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
            loaded = Objects(runs[0].objects.data) if runs else NOTHING
            held = begun(config, RunFolder(path), context, loaded)
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
    objects: Objects = NOTHING,
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
        objects.check(config, folder)
    else:
        begin_in(folder, config, objects)
    if folder.is_finished:
        yield None
        return
    check_compiler()
    with locked(folder.path):
        objects = _loaded(config, folder, context, objects)
        identity = folder.identity(data_dir=context.data_place)
        yield RunInProgress(folder, identity["id"], config, objects, context)


def _loaded(config: RunConfig, folder: RunFolder, context: Context, objects: Objects) -> Objects:
    """All that a run needs, as the run began with it."""
    identity = folder.identity(data_dir=context.data_place)
    dataset = objects.dataset(config) or load_again(
        config.data.dataset.load, context.data_dir, identity.get("data_dir")
    )
    topology = objects.topology or build_topology(config)
    objects = dataclasses.replace(objects, data=dataset, topology=topology)
    objects.check(config, folder)
    return objects
