"""`eqprop export` and `eqprop verify`: a trained network for other tools, and as a circuit."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from eqprop.cli.app import DataDir, OnDevice, app, check_examples
from eqprop.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

    from eqprop.training import Model

Exported = Annotated[
    Path,
    Parameter(help="Folder of a finished run; for arrays also a saved network or an export."),
]
Seed = Annotated[int, Parameter(help="Of that programming.")]
Split = Annotated[str, Parameter(help="Whose examples: train, validation or test.")]
Inputs = Annotated[
    bool, Parameter(negative="", help="Sources for the inputs, instead of biases that hold them.")
]

_OF_TARGETS = {
    "split": ("spice", "nir"), "examples": ("spice", "nir"), "inputs": ("spice",),
    "transient": ("spice",), "lossy": ("nir",),
}  # fmt: skip


@app.command(name="export")
def command(
    run: Exported,
    *,
    to: Annotated[
        Literal["arrays", "spice", "nir"],
        Parameter(help="arrays: .npz, .csv and a file for eqprop.load; spice: netlists; nir."),
    ] = "arrays",
    out: Annotated[
        Path | None,
        Parameter(help="Folder to write to; exported-NAME, after the run, unless said."),
    ] = None,
    split: Annotated[
        str | None, Parameter(help="spice, nir: whose examples, unless those of validation.")
    ] = None,
    examples: Annotated[
        int | None,
        Parameter(
            help="spice: netlists for the first so many; nir: tried on these. 1 unless said."
        ),
    ] = None,
    inputs: Inputs = False,
    transient: Annotated[
        bool, Parameter(negative="", help="With capacitors, over 100 time constants, not .op.")
    ] = False,
    lossy: Annotated[
        bool,
        Parameter(negative="", help="nir: without how units answer, which it cannot say."),
    ] = False,
    set_: OnDevice = None,
    seed: Seed = 0,
    data_dir: DataDir = None,
) -> None:
    """Write a trained network for other tools: arrays and tables, circuits for ngspice, or NIR."""
    given = {
        "split": split, "examples": examples, "inputs": inputs, "transient": transient,
        "lossy": lossy,
    }  # fmt: skip
    said = [name for name, value in given.items() if value is not None and value is not False]
    _check_belong(to, said)
    split, examples = split or "validation", 1 if examples is None else examples
    model, told = _loaded(run, set_, seed)
    out = out or Path(f"exported-{run.resolve().name}")
    if told:
        off = told["weights_off"]
        print(f"on the device weights are off by {off:.4f} (root mean square)", file=sys.stderr)
    if to == "arrays":
        from eqprop.exporting.arrays import export

        files = export(model, out)
    elif to == "nir":
        from eqprop.exporting.neuromorphic import graph, write_nir

        made = graph(model, lossy=lossy)  # what it refuses comes before data are read
        x, _ = _examples(run, model, split, examples, data_dir)
        file, deviation = write_nir(model, made, x, out / "network.nir")
        print(deviation.told())
        files = [file]
    else:
        from eqprop.exporting.spice import Circuit, write_netlists

        x, _ = _examples(run, model, split, examples, data_dir)
        circuit = Circuit(analysis="tran" if transient else "op", fold=not inputs)
        files = write_netlists(model, x, out, circuit)
    for file in files:
        print(file)


@app.command(name="verify")
def verify(
    run: Annotated[Path, Parameter(help="Folder of a finished run.")],
    *,
    with_: Annotated[Literal["ngspice"], Parameter(name="--with", help="By what.")] = "ngspice",
    split: Split = "validation",
    examples: Annotated[int, Parameter(help="So many of them.")] = 5,
    inputs: Inputs = False,
    set_: OnDevice = None,
    seed: Seed = 0,
    data_dir: DataDir = None,
) -> None:
    """Settle examples in ngspice and here, and print how far apart they end, as JSON."""
    from eqprop.exporting.ngspice import verify as compared
    from eqprop.exporting.spice import Circuit

    model, told = _loaded(run, set_, seed)
    x, labels = _examples(run, model, split, examples, data_dir)
    found = compared(model, x, Circuit(fold=not inputs))
    wrong = (found.labels != labels[:, None]).sum(axis=0).tolist()
    told |= found.told() | {"wrong_here": wrong[0], "wrong_in_ngspice": wrong[2]}
    print(json.dumps(told, indent=2))


def _check_belong(to: str, given: list[str]) -> None:
    """Refuses options that another target has: what does nothing was asked for by mistake."""
    for name in given:
        if to not in _OF_TARGETS[name]:
            others = " or ".join(f"--to {target}" for target in _OF_TARGETS[name])
            raise ConfigError(
                f"`--{name}` must come with {others}, got --to {to}. Leave it out, or choose."
            )


def _loaded(run: Path, overrides: list[str] | None, seed: int) -> tuple[Model, dict[str, Any]]:
    """A trained network, and what is told of the device that it was put onto."""
    if overrides:
        from eqprop.running.finished import programmed

        return programmed(run, overrides, seed=seed)
    from eqprop.python.saving import load

    return load(run), {}


def _examples(
    run: Path, model: Model, split: str, count: int, data_dir: Path | None
) -> tuple[np.ndarray, np.ndarray]:
    """The first examples of a split of the run's data, as the network sees them, and classes."""
    from eqprop.running.build import first_examples

    if not (run / "config.toml").is_file():
        raise ConfigError(
            f"`run` must be the folder of a run, whose data are known, got {run}. In Python, "
            "`eqprop.exporting` takes a network and examples of yours (docs/howto/chip.md)."
        )
    check_examples(count)
    return first_examples(run, model.config, split, count, data_dir)
