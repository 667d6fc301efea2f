"""`eqprop evaluate`: the error of a finished run on a whole split."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from eqprop.cli.app import DataDir, app


@app.command(name="evaluate")
def command(
    run: Annotated[Path, Parameter(help="Folder of a finished run.")],
    *,
    split: Annotated[str, Parameter(help="train, validation or test.")] = "validation",
    data_dir: DataDir = None,
) -> None:
    """Measure a finished run's error on a whole split, from a cold start; prints JSON."""
    from eqprop.running.finished import evaluate_run

    print(json.dumps(evaluate_run(run, split, data_dir), indent=2))
