"""Devices that were measured: trained with them, and trained without and programmed onto them.

With and without skip connections.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    "network", "seed", "device", "epochs", "trained_error", "programmed_error", "weights_off",
)  # fmt: skip
_FILE = "devices-programmed.csv"


def rows_of(drawn: Drawn) -> list[dict[str, Any]]:
    """A row per network, seed and device: validation errors, from cold starts, as shares.

    Of a network trained with the device, and of one trained without and programmed onto it; None
    where that run has not finished. What a sweep has programmed once is read from its folder.
    """
    from eqprop.analysis import collect

    sweep, path = drawn.sweep, drawn.sweep.path / _FILE
    known = collect.read_rows(path) if path.is_file() else []
    before = {(row["network"], row["seed"], row["device"]): row for row in known}
    ends = {
        (*_parts(cell), cell.seed): (cell, summary)
        for cell, summary in collect.summaries(sweep).items()
        if sweep.is_finished(cell)
    }
    rows = []
    for network, seed in dict.fromkeys((network, seed) for network, _, seed in ends):
        exact = ends.get((network, EXACT, seed))
        for device in dict.fromkeys(_parts(cell)[1] for cell in sweep.cells):
            trained = ends.get((network, device, seed))
            row = {"network": network, "seed": seed, "device": device}
            if trained is not None:
                end = trained[1]
                row |= {"epochs": end["epoch"], "trained_error": end["validation_error"]}
            if exact is not None and device != EXACT:
                row |= before.get((network, seed, device)) or _programmed(sweep, exact[0], device)
            rows.append(dict.fromkeys(COLUMNS) | row)
    collect.write_rows(rows, COLUMNS, path)
    return rows


def _parts(cell: Cell) -> tuple[str, str]:
    """Network and device of a condition."""
    network, _, device = cell.condition.partition(", ")
    return network, device


def _programmed(sweep: Sweep, cell: Cell, device: str) -> dict[str, Any]:
    from eqprop.running.finished import evaluate_run

    changes = {"device.kind": device}
    found = evaluate_run(sweep.folder(cell), "validation", seed=cell.seed, overrides=changes)
    return {"programmed_error": found["validation_error"], "weights_off": found["weights_off"]}


def _tables(drawn: Drawn) -> list[str]:
    """Each device's two errors, means over seeds."""
    from eqprop.analysis.pages import means_of

    rows = [{**row, "condition": f"{row['network']}, {row['device']}"} for row in rows_of(drawn)]
    words = {"trained_error": "trained with it", "programmed_error": "programmed onto it"}
    return means_of(rows, words, "validation error ")


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
