"""The application, and what its commands share.

Every command has a module of its own; heavy imports happen inside them, so that `--help` is quick.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

import eqprop
from eqprop.errors import ConfigError, RunFolderError

if TYPE_CHECKING:
    from eqprop.config.run_config import RunConfig
    from eqprop.records import RunFolder
    from eqprop.running.context import Context

app = App(
    name="eqprop",
    help="Train energy-based networks on any wiring by equilibrium propagation.",
    version=eqprop.__version__,
)

DataDir = Annotated[
    Path | None, Parameter(name="--data-dir", help="Folder with data files; nothing is downloaded.")
]
Out = Annotated[Path, Parameter(name="--out", help="Folder in which the run's folder is made.")]
Override = Annotated[
    list[str] | None,
    Parameter(name="--set", help="Change a setting: section.key=value. Can be repeated."),
]

RecipeName = Annotated[
    str | None,
    Parameter(name="--recipe", help="Begin with settings that go together, such as fast."),
]

Deterministic = Annotated[
    bool,
    Parameter(negative="", help="One thread: the same bits again on the same kind of machine."),
]

Workers = Annotated[
    int | None, Parameter(help="Run the cells in so many processes on this machine.")
]
Scheduler = Annotated[
    str | None, Parameter(help="Run the cells on the Dask cluster with this scheduler's address.")
]
Together = Annotated[
    int | None,
    Parameter(help="Train so many cells of one shape in one program, which pays on a GPU."),
]


Seeds = Annotated[int | None, Parameter(help="How many seeds.")]
FirstSeed = Annotated[int, Parameter(help="The first of them.")]
OnDevice = Annotated[
    list[str] | None,
    Parameter(
        name="--set",
        help="Put the network onto a device first, such as device.kind=ecram. Can be repeated.",
    ),
]
Into = Annotated[
    Path | None, Parameter(help="Add to what was begun in this folder; only the new is run.")
]


def trains_here(workers: int | None, scheduler: str | None, together: int | None) -> bool:
    """Whether neither workers nor a cluster were asked for."""
    from eqprop.sweeps.where import Where

    where = Where(workers, scheduler, together)
    try:
        where.check()
    except ConfigError as problem:  # in words of the command line
        raise ConfigError(
            re.sub("`(workers|scheduler|together)`", r"`--\1`", str(problem))
        ) from None
    return where.is_here


def seeds_of(seeds: int | None, first: int, usual: int) -> range:
    """The seeds that were asked for."""
    if seeds is not None and seeds < 1:
        raise ConfigError(f"`--seeds` must be 1 or more, got {seeds}.")
    if first < 0:
        raise ConfigError(f"`--first-seed` must be 0 or more, got {first}.")
    return range(first, first + (usual if seeds is None else seeds))


def overrides(set_: list[str] | None, deterministic: bool) -> list[str]:
    """What `--set` and `--deterministic` change."""
    return [*(set_ or []), *(["deterministic=true"] if deterministic else [])]


@contextmanager
def prepared(config: RunConfig, *, here: bool = True) -> Iterator[Callable[[], int | None]]:
    """What a training command needs around it, before JAX is imported.

    `here`: whether this process trains; if workers do, they must not inherit its devices.
    """
    from eqprop.running.machine import set_up
    from eqprop.running.signals import listening

    set_up(deterministic=config.deterministic, shards=config.training.data_shards if here else 1)
    with listening() as stop:
        yield stop


def watched(
    work: Callable[[Context], RunFolder], data_dir: Path | None, stop: Callable[[], int | None]
) -> None:
    """Does the work of one run with its progress shown, and prints how it ended."""
    from eqprop.python.progress import reporting
    from eqprop.running.context import Context

    with reporting() as report:
        tell = functools.partial(print, file=sys.stderr)
        folder = work(Context(data_dir, report, stop, tell))
    print_summary(folder)


def print_summary(folder: RunFolder) -> None:
    """Where a finished run is, and how it ended."""
    from eqprop.analysis.collect import measure_of

    summary = folder.read_json("summary.json")
    print(folder.path)
    what, scale = measure_of([summary])
    form = "{:.2f} %" if what == "error" else "{:.4g}"
    training, validation = (
        form.format(scale * summary[f"{name}_{what}"]) for name in ("training", "validation")
    )
    print(
        f"training {what} {training}, validation {what} {validation} "
        f"({summary['validation_examples']} examples of {summary['dataset']}, "
        f"{100 * summary['validation_unsettled']:.1f} % unsettled)"
    )
    for name, epochs in summary["warnings"].items():
        print(f"warning: {name} in {len(epochs)} of {summary['epoch']} epochs")


@contextmanager
def written_to(out: Path) -> Iterator[None]:
    """Makes the folder of a file that is written within; says in a message where that fails."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as problem:
        raise RunFolderError(
            f"`--out` must name a writable file, got {out} ({problem.strerror})."
        ) from None


def check_examples(count: int) -> None:
    """**Raises:** `ConfigError` for no examples."""
    if count < 1:
        raise ConfigError(f"`--examples` must be 1 or more, got {count}.")
