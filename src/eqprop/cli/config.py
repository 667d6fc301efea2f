"""`eqprop config`: the settings."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from eqprop.cli.app import Override, RecipeName, app


@app.command(name="config")
def command(
    name: Annotated[
        str | None, Parameter(help="Explain this setting, or those of this section.")
    ] = None,
    *,
    recipe: RecipeName = None,
    set_: Override = None,
) -> None:
    """Print every setting as TOML with words above it, to start a file from; or explain one.

    The values are the defaults, or those of a recipe.
    """
    from eqprop.config.recipes import cook
    from eqprop.config.words import annotated, explained

    if name is not None:
        print(explained(name))
        return
    print(annotated(cook(recipe, overrides=set_ or [])), end="")
