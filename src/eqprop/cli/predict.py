"""`eqprop predict`: what a finished run answers to new examples."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

from cyclopts import Parameter

from eqprop.cli.app import app, written_to
from eqprop.errors import DataError

if TYPE_CHECKING:
    from eqprop.config.run_config import RunConfig


@app.command(name="predict")
def command(
    run: Annotated[Path, Parameter(help="Folder of a finished run, or a saved network.")],
    examples: Annotated[
        Path,
        Parameter(help="A .csv or .tsv table with the columns of training, or x in an .npz file."),
    ],
    *,
    out: Annotated[Path | None, Parameter(help="A .csv file instead of the terminal.")] = None,
) -> None:
    """Tell what a trained network answers to examples of a file, a line each.

    The table may have the column of targets that training had; it is left out.
    """
    import numpy as np

    from eqprop.data.files import load_inputs
    from eqprop.python.saving import load

    model = load(run)
    apart = _no_inputs(model.config)
    needed = model.network.num_inputs
    x = load_inputs(examples, apart, needed)
    found = x.reshape(len(x), -1).shape[1]
    if found != needed:
        left_out = apart and examples.suffix != ".npz"
        named = f", without {' and '.join(map(str, apart))}" if left_out else ""
        raise DataError(
            f"the examples must have the {needed} inputs of training, got {found} columns in "
            f"{examples}{named}. Give it the same columns in the same order."
        )
    done = model.preparation
    is_single = done.classes is None and model.network.num_targets == 1
    answers = np.asarray(model.outputs(x) if is_single else model.predict(x))
    lines = answers.reshape(len(answers), -1)
    heads = (
        ["prediction"] if lines.shape[1] == 1 else [f"output {k}" for k in range(lines.shape[1])]
    )
    if out is None:
        _write(sys.stdout, heads, lines.tolist())
        return
    with written_to(out), open(out, "w", newline="", encoding="utf-8") as file:
        _write(file, heads, lines.tolist())
    print(out)


def _write(file: TextIO, heads: list[str], lines: list[list[object]]) -> None:
    csv.writer(file, lineterminator="\n").writerows([heads, *lines])


def _no_inputs(config: RunConfig | None) -> list[str | int]:
    """Names or numbers of the columns of a run's own table that are no inputs."""
    dataset = None if config is None else config.data.dataset
    told = (getattr(dataset, name, None) for name in ("target", "split_column"))
    return [name for name in told if isinstance(name, str | int)]
