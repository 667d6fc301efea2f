"""How many bits weights and read-out states need: layered, with rates per layer, rewired."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from eqprop.experiments.experiment import Experiment, Published, Settings, lasting, merged
from eqprop.experiments.figure3 import networks

if TYPE_CHECKING:
    from eqprop.analysis.tables import Drawn

RANGE = 0.5
"""Weights lie in +-0.5: after 96 epochs of figure 3 one pair of layers has some beyond it."""

_BITS = {"smoke": (3, 6), "quick": (4, 8), "paper": (4, 6, 8, 10, 12)}
_STATES = {"smoke": (3,), "quick": (), "paper": (4, 6, 8)}


def rounded(bits: int, rounding: str) -> Settings:
    """Weights of so many bits."""
    return {"kind": "rounded", "bits": bits, "rounding": rounding, "low": -RANGE, "high": RANGE}


def _conditions(preset: str) -> dict[str, Settings]:
    found: dict[str, Settings] = {}
    for network, changes in networks(preset).items():
        found[f"{network}, exact"] = changes
        for bits in _BITS[preset]:
            for rounding in ("stochastic", "nearest"):
                device: Settings = {"device": rounded(bits, rounding)}
                found[f"{network}, {bits} bits, {rounding}"] = merged(changes, device)
        for bits in _STATES[preset]:
            wide = {"kind": "analog", "low": -100.0, "high": 100.0, "state_bits": bits}
            found[f"{network}, states of {bits} bits"] = merged(changes, {"device": wide})
    return found


def step_of(bits: int) -> float:
    """Between two levels."""
    return 2 * RANGE / (2**bits - 2)


def _tables(drawn: Drawn) -> list[str]:
    """Updates of each pair of layers beside the step that they would have to make."""
    from eqprop.analysis.collect import layers_of

    lines = []
    for row in drawn.layers:
        network, _, what = row["condition"].partition(", ")
        post, pre = layers_of(row["pair"])
        if what == "exact" and post - pre == 1 and row["seed"] == 0:
            steps = ", ".join(
                f"{float(row['late_update']) / step_of(bits):.2g} at {bits} bits"
                for bits in _BITS["paper"]
            )
            lines.append(f"{network}, pair {row['pair']}: an update is, in steps, {steps}")
    return lines


def _picture(drawn: Drawn, stem: Path) -> None:
    from eqprop.plots.bits import error_against_bits

    error_against_bits(drawn.epochs, stem)


BITS = Experiment(
    name="bits",
    about="how many bits weights and states need, with and without skip connections",
    presets=lasting(2, 3, 3),
    conditions=_conditions,
    seeds=3,
    quick_seeds=1,
    picture=_picture,
    tables=_tables,
    published=Published(
        "Section 4.1: corrections that span orders of magnitude could be difficult to represent in "
        "neuromorphic analog hardware due to limited bit depth.",
    ),
)
