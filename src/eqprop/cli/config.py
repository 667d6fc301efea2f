"""`eqprop config`: the settings."""

from __future__ import annotations

from eqprop.cli.app import Override, app


@app.command(name="config")
def command(*, set_: Override = None) -> None:
    """Print the default settings as TOML, to start a configuration file from."""
    from eqprop.config.settings import build, override

    print(build(override({}, set_ or [])).to_toml(), end="")
