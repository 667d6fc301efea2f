"""`eqprop report`: the records of runs as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from eqprop.cli.app import app


@app.command(name="report")
def command(
    run: Annotated[list[Path], Parameter(help="Folders of runs, or the folder of a figure.")],
    *,
    out: Annotated[Path, Parameter(name="--out", help="The page to write.")] = Path("report.html"),
) -> None:
    """Write one HTML page on finished runs: pictures, tables, settings, what did not settle."""
    from eqprop.cli.report_page import write

    write(run, out)
    print(out)
