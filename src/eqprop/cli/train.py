"""`eqprop train`: one network, as a settings file says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from eqprop.cli.app import (
    DataDir,
    Deterministic,
    Out,
    Override,
    RecipeName,
    app,
    overrides,
    prepared,
    watched,
)
from eqprop.errors import ConfigError


@app.command(name="train")
def command(
    config: Annotated[Path | None, Parameter(help="TOML file with the settings.")] = None,
    *,
    recipe: RecipeName = None,
    set_: Override = None,
    deterministic: Deterministic = False,
    data_dir: DataDir = None,
    out: Out = Path("runs"),
) -> None:
    """Train one network as a recipe or a configuration file says.

    A recipe comes first, then the file, then --set.
    """
    if config is None and recipe is None:
        raise ConfigError(
            "`train` must have a recipe or a TOML file, got neither. Try: eqprop train --recipe "
            "fast, or eqprop config > mine.toml and eqprop train mine.toml"
        )
    from eqprop.config.recipes import cook

    settings = cook(recipe, config, overrides(set_, deterministic))
    with prepared(settings) as stop:
        from eqprop.running.run import train as train_run

        watched(lambda context: train_run(settings, out, context), data_dir, stop)
