"""`eqprop reproduce`: figures of the paper, and questions beside them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from eqprop.cli.app import (
    DataDir,
    Deterministic,
    FirstSeed,
    Into,
    Out,
    Override,
    Scheduler,
    Seeds,
    Together,
    Workers,
    app,
    overrides,
    prepared,
    seeds_of,
    trains_here,
)
from eqprop.errors import ConfigError, unknown_name

if TYPE_CHECKING:
    from eqprop.experiments.drawing import Drawing


@app.command(name="reproduce")
def command(
    figure: Annotated[str | None, Parameter(help="Which figure or question.")] = None,
    *,
    preset: Annotated[str, Parameter(help="smoke, quick, paper; see --list.")] = "quick",
    seeds: Seeds = None,
    first_seed: FirstSeed = 0,
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
    into: Into = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    together: Together = None,
    list_: Annotated[bool, Parameter(name="--list", help="Name everything there is.")] = False,
) -> None:
    """Reproduce a figure of the paper, or answer a question: train, draw, and print a table."""
    from eqprop.experiments.catalogue import drawings, experiments
    from eqprop.experiments.drawing import Drawing
    from eqprop.experiments.experiment import EXPERIMENTS

    if list_ or figure is None:
        for experiment in experiments().values():
            presets = ", ".join(experiment.presets)
            print(f"{experiment.name:15} {experiment.about} ({presets})")
        for drawing in drawings().values():
            print(f"{drawing.name:15} {drawing.about} (smoke, quick)")
        return
    if variant is not None:
        figure = f"{figure}-{variant}"
    if figure not in EXPERIMENTS.names():
        raise ConfigError(unknown_name("figure", figure, EXPERIMENTS.names()))
    experiment = EXPERIMENTS.find(figure)
    if isinstance(experiment, Drawing):
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
        _draw(experiment, preset, out)
        return
    configs = experiment.cells(
        preset,
        seeds_of(seeds, first_seed, experiment.default_seeds(preset)),
        epochs=epochs,
        dataset=dataset,
        only=only or (),
        overrides=overrides(set_, deterministic),
    )
    here = trains_here(workers, scheduler, together)
    with prepared(next(iter(configs.values())), here=here) as stop:
        from eqprop.cli.finishing import Asked, start
        from eqprop.running.context import Context
        from eqprop.sweeps.where import Where

        start(
            Asked(figure, preset),
            configs,
            out=out,
            into=into,
            where=Where(workers, scheduler, together),
            context=Context(data_dir, stop=stop),
        )


def _draw(drawing: Drawing, preset: str, out: Path) -> None:
    """Makes a folder with the files of a figure or table, and prints what it says."""
    from eqprop.experiments.drawing import PRESETS
    from eqprop.records import RunFolder

    if preset not in PRESETS:
        raise ConfigError(unknown_name("preset", preset, PRESETS))
    folder = RunFolder.create(out, f"{drawing.name}-{preset}").path
    for line in drawing.draw(folder, preset):
        print(line)
    for path in sorted(folder.glob(f"{drawing.name}*")):
        print(path)
