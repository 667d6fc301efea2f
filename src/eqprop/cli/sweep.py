"""`eqprop sweep`: a question of your own, as many runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from eqprop.cli.app import (
    DataDir,
    Deterministic,
    FirstSeed,
    Into,
    Out,
    Override,
    RecipeName,
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


@app.command(name="sweep")
def command(
    config: Annotated[Path | None, Parameter(help="TOML file with the settings.")] = None,
    *,
    vary: Annotated[
        list[str] | None,
        Parameter(negative="", help="section.key=value,value: TOML values. Can be repeated."),
    ] = None,
    zip_: Annotated[
        bool,
        Parameter(
            name="--zip", negative="", help="First values together, then second, instead of all."
        ),
    ] = False,
    seeds: Seeds = None,
    first_seed: FirstSeed = 0,
    recipe: RecipeName = None,
    set_: Override = None,
    deterministic: Deterministic = False,
    data_dir: DataDir = None,
    out: Out = Path("runs"),
    into: Into = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    together: Together = None,
) -> None:
    """Train under varied settings, several seeds each; draw them and print a table.

    A recipe comes first, then the file, then --set, then what varies. The folder is resumed,
    reported and extended as that of a figure.
    """
    from eqprop.config.overrides import assignments
    from eqprop.config.settings import build
    from eqprop.sweeps.vary import conditions_of, parsed, varied_cells

    said = assignments(set_ or [])
    name = build({"name": said["name"]}).name if "name" in said else None
    varied = parsed(vary or [])
    configs = varied_cells(
        conditions_of(varied, zipped=zip_),
        seeds_of(seeds, first_seed, 1),
        recipe=recipe,
        given=config,
        overrides=overrides(set_, deterministic),
    )
    here = trains_here(workers, scheduler, together)
    with prepared(next(iter(configs.values())), here=here) as stop:
        from eqprop.cli.finishing import Asked, start
        from eqprop.running.context import Context
        from eqprop.sweeps.where import Where

        start(
            Asked(name or (config.stem if config else recipe or "sweep"), "own", tuple(varied)),
            configs,
            out=out,
            into=into,
            where=Where(workers, scheduler, together),
            context=Context(data_dir, stop=stop),
        )
