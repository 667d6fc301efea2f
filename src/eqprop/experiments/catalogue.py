"""Every figure and question of this package: importing a module declares it."""

from __future__ import annotations

import importlib
import pkgutil

from eqprop import experiments as room
from eqprop.experiments.drawing import Drawing
from eqprop.experiments.experiment import EXPERIMENTS, Experiment

for _module in pkgutil.iter_modules(room.__path__, f"{room.__name__}."):
    importlib.import_module(_module.name)


def experiments() -> dict[str, Experiment]:
    """Everything that trains, by name."""
    return {name: found for name, found in EXPERIMENTS.each() if isinstance(found, Experiment)}


def drawings() -> dict[str, Drawing]:
    """Everything that is drawn without training, by name."""
    return {name: found for name, found in EXPERIMENTS.each() if isinstance(found, Drawing)}
