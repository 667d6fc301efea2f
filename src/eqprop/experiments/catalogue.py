"""Every figure and question of this package: importing a module declares it."""

from __future__ import annotations

from eqprop.experiments import (
    added,
    baseline,
    bits,
    controls,
    depth,
    devices,
    errata,
    figure1,
    figure2,
    figure3,
    figure4,
    figure5,
    figure6,
    figure7,
    generalisation,
    initialisation,
    journal,
    noise,
    particles,
    pruned,
    rules,
    sign,
    starts,
    table1,
)
from eqprop.experiments.drawing import Drawing
from eqprop.experiments.experiment import EXPERIMENTS, Experiment

__all__ = [
    "added", "baseline", "bits", "controls", "depth", "devices", "errata", "figure1", "figure2",
    "figure3", "figure4", "figure5", "figure6", "figure7", "generalisation", "initialisation",
    "journal", "noise", "particles", "pruned", "rules", "sign", "starts", "table1",
]  # fmt: skip


def experiments() -> dict[str, Experiment]:
    """Everything that trains, by name."""
    return {name: found for name, found in EXPERIMENTS.each() if isinstance(found, Experiment)}


def drawings() -> dict[str, Drawing]:
    """Everything that is drawn without training, by name."""
    return {name: found for name, found in EXPERIMENTS.each() if isinstance(found, Drawing)}
