"""Every experiment by name."""

from __future__ import annotations

from eqprop.experiments.ablations import ADDED, ERRATA, INITIALISATION, PARTICLES, SIGN
from eqprop.experiments.controls import CONTROLS
from eqprop.experiments.experiment import Experiment
from eqprop.experiments.figure3 import FIGURE3
from eqprop.experiments.figure4 import FIGURE4
from eqprop.experiments.figure5 import FIGURE5
from eqprop.experiments.journal import JOURNAL

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
        ERRATA,
    )
}
