"""`eqprop evaluate`: the error of a finished run on a whole split."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from eqprop.cli.app import DataDir, OnDevice, app


@app.command(name="evaluate")
def command(
    run: Annotated[Path, Parameter(help="Folder of a finished run.")],
    *,
    split: Annotated[str, Parameter(help="train, validation or test.")] = "validation",
    starts: Annotated[
        str,
        Parameter(
            help="Where relaxations begin: a number, 8 being zeros, halves, ones and five random "
            "ones, or names with commas. Of several the equilibrium of lowest energy counts."
        ),
    ] = "zeros",
    seed: Annotated[int, Parameter(help="Of the random starts, and of programming.")] = 0,
    first: Annotated[int | None, Parameter(help="So many examples of the split only.")] = None,
    set_: OnDevice = None,
    data_dir: DataDir = None,
) -> None:
    """Measure a finished run's error on a split, from a cold start or several; prints JSON."""
    from eqprop.running.finished import evaluate_run

    wanted = int(starts) if starts.isdigit() else starts.split(",")
    found = evaluate_run(
        run, split, data_dir, starts=wanted, seed=seed, first=first, overrides=set_ or ()
    )
    print(json.dumps(found, indent=2))
