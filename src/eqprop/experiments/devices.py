"""Devices that were measured: trained with them, and trained without and programmed onto them.

With and without skip connections.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from eqprop.errors import DataError
from eqprop.experiments.experiment import Experiment, Settings, lasting, merged
from eqprop.experiments.figure3 import networks

if TYPE_CHECKING:
    from eqprop.analysis.tables import Drawn
    from eqprop.sweeps.sweep import Cell, Sweep

EXACT = "exact"
"""The condition without a device."""

NAMES = (
    "reram-es",
    "reram-sb",
    "ecram",
    "ecram-mo",
    "capacitor",
    "gokmen-vlasov",
    "reram-om",
    "reram-hfo2",
    "pcm",
)


def _conditions(preset: str) -> dict[str, Settings]:
    shown = networks(preset)
    found: dict[str, Settings] = {}
    for network in ("layered", "rewired"):
        found[f"{network}, {EXACT}"] = shown[network]
        for name in NAMES:
            device: Settings = {"device": {"kind": name}}
            found[f"{network}, {name}"] = merged(shown[network], device)
    return found


COLUMNS = (
    "network", "seed", "device", "epochs", "training_error", "trained_error", "exact_epochs",
    "programmed_error", "weights_off", "tolerance",
)  # fmt: skip
_FILE = "devices-programmed.csv"
_MEASURED = ("exact_epochs", "programmed_error", "weights_off", "tolerance")


def rows_of(drawn: Drawn) -> list[dict[str, Any]]:
    """A row per network, seed and device: errors as shares, those of validation from cold starts.

    Of a network trained with the device for so many `epochs`, with its `training_error`, and of one
    trained without it for `exact_epochs` and programmed onto it. None where that run has not
    finished, or its data are gone. What was programmed once is read from the sweep's folder.
    """
    from eqprop.analysis import collect

    sweep, path = drawn.sweep, drawn.sweep.path / _FILE
    known = collect.read_rows(path) if path.is_file() else []
    before = {(row["network"], row["seed"], row["device"]): row for row in known}
    ends = {(*_parts(cell), cell.seed): cell for cell in sweep.finished}
    rows: list[dict[str, Any]] = []
    for network, seed in dict.fromkeys((network, seed) for network, _, seed in ends):
        exact = ends.get((network, EXACT, seed))
        length = None if exact is None else _trained(sweep, exact)["epochs"]
        for device in dict.fromkeys(_parts(cell)[1] for cell in sweep.cells):
            row = {"network": network, "seed": seed, "device": device}
            rows.append(dict.fromkeys(COLUMNS) | row)
            if (cell := ends.get((network, device, seed))) is not None:
                rows[-1] |= _trained(sweep, cell)
            if exact is not None and device != EXACT:
                old = before.get((network, seed, device), {})
                if old.get("exact_epochs") == length and old["programmed_error"] is not None:
                    rows[-1] |= {name: old[name] for name in _MEASURED}
                else:
                    rows[-1] |= {"exact_epochs": length} | _programmed(sweep, exact, device)
                    collect.write_rows(rows, COLUMNS, path)
    collect.write_rows(rows, COLUMNS, path)
    return rows


def _parts(cell: Cell) -> tuple[str, str]:
    """Network and device of a condition."""
    network, _, device = cell.condition.partition(", ")
    return network, device


def _trained(sweep: Sweep, cell: Cell) -> dict[str, Any]:
    end = sweep.run(cell).read_json("summary.json")
    is_cold = end["validation_start"] == "cold"
    return {
        "epochs": end["epoch"],
        "training_error": end["training_error"],
        "trained_error": end["validation_error"] if is_cold else None,
    }


def _programmed(sweep: Sweep, cell: Cell, device: str) -> dict[str, Any]:
    from eqprop.running.finished import evaluate_run

    first = sweep.config(cell).data.num_validation
    changes = {"device.kind": device}
    try:
        found = evaluate_run(
            sweep.folder(cell), "validation", seed=cell.seed, first=first, overrides=changes
        )
    except DataError:
        return {}
    return {
        "programmed_error": found["validation_error"],
        "weights_off": found["weights_off"],
        "tolerance": found["tolerance"],
    }


_LENGTHS = {"trained_error": "epochs", "programmed_error": "exact_epochs"}
_WORDS = {"trained_error": "trained with it", "programmed_error": "programmed onto it"}


def _tables(drawn: Drawn) -> list[str]:
    """Each device's two errors, means over the seeds that have trained longest."""
    from eqprop.analysis.numbers import means_of

    rows = rows_of(drawn)
    longest = {name: max((row[name] or 0 for row in rows), default=0) for name in _LENGTHS.values()}
    told = []
    for row in rows:
        errors = {
            error: row[error] if row[epochs] == longest[epochs] else None
            for error, epochs in _LENGTHS.items()
        }
        if any(value is not None for value in errors.values()):
            told.append({"condition": f"{row['network']}, {row['device']}", **errors})
    return means_of(told, _WORDS, "validation error ")


def _picture(drawn: Drawn, stem: Path) -> None:
    from eqprop.plots.devices import trained_and_programmed

    trained_and_programmed(rows_of(drawn), stem)


DEVICES = Experiment(
    name="devices",
    about="devices that were measured, with and without skips: trained with, or programmed after",
    presets=lasting(2, 3, 3),
    conditions=_conditions,
    seeds=3,
    quick_seeds=1,
    picture=_picture,
    tables=_tables,
)
