"""Draws the pictures of the results pages from the committed CSV files.

python docs/results/pictures.py [NAME ...]

The updates of single batches, of which figure 4 is drawn, are too many to commit: its two pictures
are those of `eqprop reproduce figure4`.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from eqprop.analysis.collect import Rows, read_rows
from eqprop.analysis.complexity import measured
from eqprop.plots.audit import audit_picture
from eqprop.plots.bits import error_against_bits
from eqprop.plots.curves import error_curves, error_rows
from eqprop.plots.depth import error_against_depth
from eqprop.plots.devices import trained_and_programmed
from eqprop.plots.hardware import neuron
from eqprop.plots.noise import error_against_strength
from eqprop.plots.rules import work_curves
from eqprop.plots.updates import against_p

HERE = Path(__file__).parent

Draw = Callable[..., Any]


def beside_published(ours: Rows, published: Rows, stem: Path) -> None:
    """Ours and the published runs of the same networks, as far as ours have come."""
    last = max(row["epoch"] for row in ours)
    same = {f"{row['condition']}, published" for row in ours}
    theirs = [row for row in published if row["condition"] in same and row["epoch"] <= last]
    error_curves([*ours, *theirs], stem)


def with_the_paper_s(ours: Rows, paper: Rows, stem: Path) -> None:
    """Every condition at its end, and the paper's networks at that epoch."""
    last = max(row["epoch"] for row in ours)
    shown = ("layered", "rewired")
    named = [
        {**row, "condition": f"3x500-{row['condition']}"}
        for row in paper
        if row["condition"] in shown and row["epoch"] <= last
    ]
    error_rows([*named, *ours], stem)


def without_controls(rows: Rows, stem: Path) -> None:
    """The wirings; the control with frozen layers would squeeze them into a corner."""
    error_against_depth([row for row in rows if "/frozen" not in row["condition"]], stem)


def training_curves(rows: Rows, stem: Path) -> None:
    """Training errors alone, where validation examples are too few to say much."""
    error_curves([{**row, "validation_error": None} for row in rows], stem)


DRAWN: dict[str, tuple[Draw, Sequence[str]]] = {
    "audit-layered": (audit_picture, ["audit-layered", "audit-layered-response"]),
    "audit-rewired": (audit_picture, ["audit-rewired", "audit-rewired-response"]),
    "bits": (error_against_bits, ["unfinished/bits-mnist"]),
    "controls": (with_the_paper_s, ["controls", "figure3-mnist"]),
    "depth": (without_controls, ["depth-mnist"]),
    "depth-rule": (error_against_depth, ["depth-rule"]),
    "devices": (trained_and_programmed, ["unfinished/devices-programmed"]),
    "figure3-mnist-60": (error_curves, ["figure3-mnist-60"]),
    "figure3-quick": (error_curves, ["figure3-quick"]),
    "figure5-mnist": (against_p, ["figure5-mnist", "figure5-mnist-layers"]),
    "figure6": (lambda stem: neuron(measured()[1], stem), []),
    "figure7": (lambda stem: neuron(measured()[0], stem), []),
    "initialisation": (error_curves, ["initialisation"]),
    "journal-5x100": (
        beside_published,
        ["unfinished/journal-mnist-5x100", "journal-published"],
    ),
    "journal-diabetes": (error_curves, ["journal-diabetes"]),
    "journal-wine": (training_curves, ["journal-wine"]),
    "noise": (error_against_strength, ["unfinished/noise-mnist"]),
    "particles": (error_rows, ["particles"]),
    "rules": (work_curves, ["rules"]),
}
"""What draws a picture, and the files of rows that it is given."""


def draw(name: str, folder: Path) -> Path:
    """Draws a picture into a folder; returns its PNG file."""
    drawer, files = DRAWN[name]
    drawer(*(read_rows(HERE / f"{file}.csv") for file in files), folder / name)
    return folder / f"{name}.png"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        for chosen in sys.argv[1:] or DRAWN:
            (HERE / f"{chosen}.png").write_bytes(draw(chosen, Path(made)).read_bytes())
