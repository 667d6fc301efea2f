"""`eqprop config`: the settings."""

from __future__ import annotations

from eqprop.cli.app import Override, RecipeName, app


@app.command(name="config")
def command(*, recipe: RecipeName = None, set_: Override = None) -> None:
    """Print the default settings, or those of a recipe, as TOML, to start a file from."""
    from eqprop.config.recipes import cook

    print(cook(recipe, overrides=set_ or []).to_toml(), end="")
