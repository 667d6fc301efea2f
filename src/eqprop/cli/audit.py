"""`eqprop audit`: a run's corrections beside the exact gradient."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from eqprop.cli.app import DataDir, app


@app.command(name="audit")
def command(
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
    from eqprop.cli.audit_report import write

    write(run, examples=examples, response=response, data_dir=data_dir, out=out)
