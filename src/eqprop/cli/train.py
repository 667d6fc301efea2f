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
    app,
    overrides,
    prepared,
    watched,
)


@app.command(name="train")
def command(
    config: Annotated[Path, Parameter(help="TOML file with the settings.")],
    *,
    set_: Override = None,
    deterministic: Deterministic = False,
    data_dir: DataDir = None,
    out: Out = Path("runs"),
) -> None:
    """Train one network as a configuration file says."""
    from eqprop.config.settings import load

    settings = load(config, overrides(set_, deterministic))
    with prepared(settings) as stop:
        from eqprop.running.run import train as train_run

        watched(lambda context: train_run(settings, out, context), data_dir, stop)
