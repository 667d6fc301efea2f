"""Every experiment by name."""

from __future__ import annotations

from eqprop.experiments.ablations import ADDED, ERRATA, INITIALISATION, PARTICLES, SIGN
from eqprop.experiments.baseline import BASELINE
from eqprop.experiments.controls import CONTROLS
from eqprop.experiments.experiment import Experiment
from eqprop.experiments.figure3 import FIGURE3
from eqprop.experiments.figure4 import FIGURE4
from eqprop.experiments.figure5 import FIGURE5
from eqprop.experiments.journal import JOURNAL
from eqprop.experiments.rules import RULES

DRAWINGS = {
    "figure1": "the layered topology, with exact accounting",
    "figure2": "the rewired topology, with exact accounting",
    "figure6": "the hardware of a neuron, equilibrium propagation",
    "figure7": "the hardware of a neuron, backpropagation",
    "table1": "both methods compared, counted from the implementation",
}
"""What is drawn without training anything (`eqprop.cli.drawings`), and what it shows."""

EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment
    for experiment in (
        FIGURE3,
        JOURNAL,
        FIGURE4,
        FIGURE5,
        ADDED,
        PARTICLES,
        SIGN,
        INITIALISATION,
        CONTROLS,
        BASELINE,
        ERRATA,
        RULES,
    )
}
