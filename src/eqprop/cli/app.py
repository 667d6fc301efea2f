"""The commands. Heavy imports happen inside them, so that `--help` is quick."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

import eqprop
from eqprop.errors import ConfigError, RunFolderError, unknown_name

if TYPE_CHECKING:
    from eqprop.config.settings import RunConfig
    from eqprop.records import RunFolder

app = App(
    name="eqprop",
    help="Train energy-based networks on any wiring by equilibrium propagation.",
    version=eqprop.__version__,
)
data_app = App(name="data", help="Data sets: which there are, and fetching them.")
app.command(data_app)

DataDir = Annotated[
    Path | None, Parameter(name="--data-dir", help="Folder with data files; nothing is downloaded.")
]
Out = Annotated[Path, Parameter(name="--out", help="Folder in which the run's folder is made.")]
Override = Annotated[
    list[str] | None,
    Parameter(name="--set", help="Change a setting: section.key=value. Can be repeated."),
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


@app.command
def reproduce(
    figure: Annotated[str | None, Parameter(help="Which figure or question.")] = None,
    *,
    preset: Annotated[str, Parameter(help="smoke, quick, paper; see --list.")] = "quick",
    seeds: Annotated[int | None, Parameter(help="How many seeds.")] = None,
    first_seed: Annotated[int, Parameter(help="The first of them.")] = 0,
    epochs: Annotated[int | None, Parameter(help="Instead of the preset's.")] = None,
    dataset: Annotated[str | None, Parameter(help="Instead of the preset's.")] = None,
    variant: Annotated[str | None, Parameter(help="journal, for figure3; see --list.")] = None,
    only: Annotated[
        list[str] | None,
        Parameter(negative="", help="Only this condition of the figure. Can be repeated."),
    ] = None,
    set_: Override = None,
    deterministic: Deterministic = False,
    data_dir: DataDir = None,
    out: Out = Path("runs"),
    into: Annotated[
        Path | None, Parameter(help="Add to what was begun in this folder; only the new is run.")
    ] = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    together: Together = None,
    list_: Annotated[bool, Parameter(name="--list", help="Name everything there is.")] = False,
) -> None:
    """Reproduce a figure of the paper, or answer a question: train, draw, and print a table."""
    from eqprop.experiments.catalogue import DRAWINGS, EXPERIMENTS

    if list_ or figure is None:
        for experiment in EXPERIMENTS.values():
            presets = ", ".join(experiment.presets)
            print(f"{experiment.name:15} {experiment.about} ({presets})")
        for name, about in DRAWINGS.items():
            print(f"{name:15} {about} (smoke, quick)")
        return
    if variant is not None:
        figure = f"{figure}-{variant}"
    if figure in DRAWINGS:
        from eqprop.cli.drawings import draw

        ignored = {
            "--seeds": seeds, "--epochs": epochs, "--dataset": dataset, "--only": only,
            "--set": set_, "--into": into, "--workers": workers, "--scheduler": scheduler,
            "--together": together,
        }  # fmt: skip
        for name, value in ignored.items():
            if value is not None:
                raise ConfigError(
                    f"`{name}` has no meaning for {figure}, for which nothing is trained, got "
                    f"{value}. Leave it out."
                )
        draw(figure, preset, out)
        return
    if figure not in EXPERIMENTS:
        raise ConfigError(unknown_name("figure", figure, [*EXPERIMENTS, *DRAWINGS]))
    if seeds is not None and seeds < 1:
        raise ConfigError(f"`--seeds` must be 1 or more, got {seeds}.")
    if first_seed < 0:
        raise ConfigError(f"`--first-seed` must be 0 or more, got {first_seed}.")
    count = EXPERIMENTS[figure].default_seeds(preset) if seeds is None else seeds
    configs = EXPERIMENTS[figure].cells(
        preset,
        range(first_seed, first_seed + count),
        epochs=epochs,
        dataset=dataset,
        only=only or (),
        overrides=_overrides(set_, deterministic),
    )
    here = _trains_here(workers, scheduler, together)
    with _prepared(next(iter(configs.values())), here=here) as stop:
        from eqprop.cli import reproduce as job

        job.start(
            figure,
            preset,
            configs,
            out=out,
            into=into,
            workers=job.Workers(workers, scheduler, together),
            data_dir=data_dir,
            stop=stop,
        )


@app.command
def train(
    config: Annotated[Path, Parameter(help="TOML file with the settings.")],
    *,
    set_: Override = None,
    deterministic: Deterministic = False,
    data_dir: DataDir = None,
    out: Out = Path("runs"),
) -> None:
    """Train one network as a configuration file says."""
    from eqprop.config.settings import load

    settings = load(config, _overrides(set_, deterministic))
    with _prepared(settings) as stop:
        from eqprop.cli.progress import reporting
        from eqprop.running.run import train as train_run

        with reporting() as report:
            folder = train_run(settings, out, data_dir=data_dir, report=report, stop=stop)
        _print_summary(folder)


@app.command
def resume(
    path: Annotated[Path, Parameter(help="Folder of a run, of a figure or of a sweep.")],
    *,
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
    first = path if sweep is None else sweep.folder(sweep.cells[0])
    if not (first / "config.toml").is_file():
        raise RunFolderError(
            f"`path` must be the folder of a run or of a figure, got {path}, which has no "
            "config.toml. Name a folder that `eqprop train` or `eqprop reproduce` made."
        )
    here = _trains_here(workers, scheduler, together) or sweep is None
    with _prepared(load_recorded(first / "config.toml"), here=here) as stop:
        if sweep is not None:
            from eqprop.cli import reproduce as job

            job.finish(sweep, job.Workers(workers, scheduler, together), data_dir, stop)
            return
        from eqprop.cli.progress import reporting
        from eqprop.running.run import resume as resume_run

        with reporting() as report:
            folder = resume_run(path, data_dir=data_dir, report=report, stop=stop)
        _print_summary(folder)


def _trains_here(workers: int | None, scheduler: str | None, together: int | None) -> bool:
    """Whether neither workers nor a cluster were asked for."""
    for name, count in {"--workers": workers, "--together": together}.items():
        if count is not None and count < 1:
            raise ConfigError(f"`{name}` must be 1 or more, got {count}.")
    if workers is not None and scheduler is not None:
        raise ConfigError(
            "`--workers` and `--scheduler` exclude each other: a cluster has its own workers. "
            "Give one of them."
        )
    if together is not None and not (workers is None and scheduler is None):
        raise ConfigError(
            "`--together` trains in this process, got workers too. Leave out one of them."
        )
    return workers is None and scheduler is None


def _overrides(set_: list[str] | None, deterministic: bool) -> list[str]:
    return [*(set_ or []), *(["deterministic=true"] if deterministic else [])]


@contextmanager
def _prepared(config: RunConfig, *, here: bool = True) -> Iterator[Callable[[], int | None]]:
    """What a training command needs around it, before JAX is imported.

    `here`: whether this process trains; if workers do, they must not inherit its devices.
    """
    from eqprop.cli.signals import listening
    from eqprop.running.machine import set_up

    set_up(deterministic=config.deterministic, shards=config.training.data_shards if here else 1)
    with listening() as stop:
        yield stop


def _print_summary(folder: RunFolder) -> None:
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


@app.command
def report(
    run: Annotated[list[Path], Parameter(help="Folders of runs, or the folder of a figure.")],
    *,
    out: Annotated[Path, Parameter(name="--out", help="The page to write.")] = Path("report.html"),
) -> None:
    """Write one HTML page on finished runs: pictures, tables, settings, what did not settle."""
    from eqprop.cli import report as job

    job.write(run, out)
    print(out)


@app.command
def audit(
    run: Annotated[Path, Parameter(help="Folder of a finished run.")],
    *,
    examples: Annotated[int, Parameter(help="How many training examples to look at.")] = 40,
    response: Annotated[
        bool, Parameter(negative="", help="Vary beta and the nudged steps too; a minute more.")
    ] = False,
    data_dir: DataDir = None,
    out: Annotated[
        Path | None, Parameter(name="--out", help="Folder for its files; default: the run's.")
    ] = None,
) -> None:
    """Compare a run's corrections with the exact gradient, layer by layer, and give a verdict.

    Writes audit.json, its tables as audit.csv, audit-facts.csv and audit-response.csv, a picture.
    """
    from eqprop.cli import audit as job

    job.report(run, examples=examples, response=response, data_dir=data_dir, out=out)


@app.command
def evaluate(
    run: Annotated[Path, Parameter(help="Folder of a finished run.")],
    *,
    split: Annotated[str, Parameter(help="train, validation or test.")] = "validation",
    data_dir: DataDir = None,
) -> None:
    """Measure a finished run's error on a whole split, from a cold start; prints JSON."""
    from eqprop.running.finished import evaluate_run

    print(json.dumps(evaluate_run(run, split, data_dir), indent=2))


@app.command
def config(*, set_: Override = None) -> None:
    """Print the default settings as TOML, to start a configuration file from."""
    from eqprop.config.settings import build, override

    print(build(override({}, set_ or [])).to_toml(), end="")


@app.command
def topology(
    config: Annotated[Path | None, Parameter(help="TOML file; default: the paper's.")] = None,
    *,
    set_: Override = None,
    picture: Annotated[Path | None, Parameter(help="Write a PNG or SVG here.")] = None,
    small_world: Annotated[
        bool, Parameter(negative="", help="Measure path length and clustering too; seconds.")
    ] = False,
    compare: Annotated[
        Path | None,
        Parameter(help="Write a CSV: Algorithm 1 beside Watts and Strogatz's procedure; minutes."),
    ] = None,
    seeds: Annotated[int, Parameter(help="How many, with --compare.")] = 3,
) -> None:
    """Count the connections of a topology, and draw it like figures 1 and 2.

    Small networks are drawn as graphs, large ones as densities per pair of layers. --compare
    rewires its layers, full inside if they are so, by both procedures at several p.
    """
    from eqprop.config.settings import build, load, override
    from eqprop.experiments.figure3 import networks

    if config is None:
        settings = build(override(networks("paper")["rewired"], set_ or []))
    else:
        settings = load(config, set_ or [])
    from eqprop.running.wiring import build_topology

    if compare is not None:
        _compare(settings, compare, seeds)
        return
    wired = build_topology(settings)
    facts = wired.accounting().to_dict()
    if small_world:
        from eqprop.topology import small_world as measure

        facts["small_world"] = measure(wired, seed=settings.seed).to_dict()
    print(json.dumps(facts, indent=2))
    if picture is not None:
        from eqprop.plots.wiring import draw

        try:
            draw(wired, picture)
        except (OSError, ValueError) as problem:
            raise ConfigError(
                f"`--picture` must name a writable .png or .svg file, got {picture}: {problem}."
            ) from None
        print(picture, file=sys.stderr)


def _compare(settings: RunConfig, file: Path, seeds: int) -> None:
    from eqprop.analysis import procedures
    from eqprop.analysis.collect import write_rows
    from eqprop.topology import layered, with_intralayer

    base = layered(settings.topology.layer_sizes)
    if settings.topology.intralayer:
        base = with_intralayer(base)

    def tell(line: str) -> None:
        print(line, file=sys.stderr)

    rows = procedures.compared(base, range(seeds), tell=tell)
    try:
        write_rows(rows, procedures.COLUMNS, file)
    except OSError as problem:
        raise ConfigError(
            f"`--compare` must name a writable file, got {file}: {problem}."
        ) from None
    print(file)


@data_app.command
def fetch(
    name: Annotated[str, Parameter(help="mnist or fashion-mnist.")] = "mnist",
    *,
    data_dir: Annotated[Path | None, Parameter(help="Where to put it; default: the cache.")] = None,
) -> None:
    """Download a data set and check its digests."""
    from eqprop.data.idx import fetch as fetch_source
    from eqprop.data.settings import DATASETS, source_of

    source = source_of(name)
    if source is None:
        files = [known for known in DATASETS.names() if source_of(known) is not None]
        raise ConfigError(unknown_name("dataset", name, files))
    print(fetch_source(source, data_dir))


@data_app.command(name="list")
def list_() -> None:
    """Name every data set."""
    from eqprop.data.settings import DATASETS

    print("\n".join(DATASETS.names()))
