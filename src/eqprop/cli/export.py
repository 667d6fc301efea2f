"""`eqprop export` and `eqprop verify`: a trained network for other tools, and as a circuit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from eqprop.cli.app import DataDir, app, check_examples
from eqprop.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

RunFolder = Annotated[Path, Parameter(help="Folder of a finished run, or a saved network.")]
Split = Annotated[str, Parameter(help="Whose examples: train, validation or test.")]
Inputs = Annotated[
    bool, Parameter(negative="", help="Sources for the inputs, instead of biases that hold them.")
]


@app.command(name="export")
def command(
    run: RunFolder,
    *,
    to: Annotated[
        Literal["arrays", "spice", "nir"],
        Parameter(help="arrays: .npz, .csv and a file for eqprop.load; spice: netlists; nir."),
    ] = "arrays",
    out: Annotated[
        Path | None,
        Parameter(help="Folder to write to; exported-NAME, after the run, unless said."),
    ] = None,
    split: Split = "validation",
    examples: Annotated[
        int, Parameter(help="Netlists for the first so many; nir: tried on these.")
    ] = 1,
    inputs: Inputs = False,
    transient: Annotated[
        bool, Parameter(negative="", help="With capacitors, over time, instead of .op.")
    ] = False,
    lossy: Annotated[
        bool,
        Parameter(negative="", help="nir: without how units answer, which it cannot say."),
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Write a trained network for other tools: arrays and tables, circuits for ngspice, or NIR."""
    from eqprop.python.saving import load

    model, out = load(run), out or Path(f"exported-{run.resolve().stem}")
    if to == "arrays":
        from eqprop.exporting.arrays import export

        files = export(model, out)
    elif to == "nir":
        from eqprop.exporting.neuromorphic import graph, write_nir

        made = graph(model, lossy=lossy)  # what it refuses comes before data are read
        x, _ = _examples(run, split, examples, data_dir)
        file, deviation = write_nir(model, made, x, out / "network.nir")
        print(deviation.told())
        files = [file]
    else:
        from eqprop.exporting.spice import Circuit, write_netlists

        x, _ = _examples(run, split, examples, data_dir)
        circuit = Circuit(analysis="tran" if transient else "op", fold=not inputs)
        files = write_netlists(model, x, out, circuit)
    for file in files:
        print(file)


@app.command(name="verify")
def verify(
    run: RunFolder,
    *,
    with_: Annotated[Literal["ngspice"], Parameter(name="--with", help="By what.")] = "ngspice",
    split: Split = "validation",
    examples: Annotated[int, Parameter(help="So many of them.")] = 5,
    inputs: Inputs = False,
    data_dir: DataDir = None,
) -> None:
    """Settle examples in ngspice and here, and print how far apart they end, as JSON."""
    from eqprop.exporting.ngspice import verify as compared
    from eqprop.exporting.spice import Circuit
    from eqprop.python.saving import load

    model = load(run)
    x, labels = _examples(run, split, examples, data_dir)
    found = compared(model, x, Circuit(fold=not inputs))
    wrong = (found.labels != labels[:, None]).sum(axis=0).tolist()
    told = found.told() | {"wrong_here": wrong[0], "wrong_in_ngspice": wrong[2]}
    print(json.dumps(told, indent=2))


def _examples(
    run: Path, split: str, count: int, data_dir: Path | None
) -> tuple[np.ndarray, np.ndarray]:
    """The first examples of a split of the run's data, as the network sees them, and classes."""
    from eqprop.config.settings import load_recorded
    from eqprop.running.build import first_examples

    if not (run / "config.toml").is_file():
        raise ConfigError(
            f"`run` must be the folder of a run, whose data are known, got {run}. Export arrays, "
            "or use eqprop.exporting.spice in Python."
        )
    check_examples(count)
    return first_examples(load_recorded(run / "config.toml"), split, count, data_dir)
