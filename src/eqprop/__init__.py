"""Equilibrium propagation on any wiring. Names are loaded when they are first used (PEP 562)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eqprop.compiler import guard
from eqprop.lazy import attach

__version__ = "0.1.0.dev0"

guard()

__getattr__, __dir__, __all__ = attach(  # pyright: ignore[reportUnsupportedDunderAll]
    __name__,
    {
        "topology": (
            "Accounting",
            "Topology",
            "add_skip_connections",
            "from_adjacency",
            "from_networkx",
            "layered",
            "probability_of",
            "replacements_for",
            "rewire",
            "rewire_each",
            "rewire_ends",
            "rewire_layers",
            "skip_pairs",
            "small_world",
            "with_intralayer",
            "without_intralayer",
        ),
        "energy": (
            "AbstractTerm",
            "ComposedEnergy",
            "CrossEntropy",
            "Activities",
            "HardSigmoid",
            "HopfieldEnergy",
            "Network",
            "ShiftedSigmoid",
            "Sigmoid",
            "SquaredError",
            "Tanh",
        ),
        "relaxation": (
            "BlockCoordinateDescent",
            "Equilibrium",
            "Euler",
            "FixedSteps",
            "ForwardPass",
            "Residual",
            "monotone_bound",
            "relax",
        ),
        "learning": (
            "apply_updates",
            "audit",
            "Backpropagation",
            "BackpropagationThroughTime",
            "Centered",
            "ContrastiveHebbian",
            "CoupledLearning",
            "EquilibriumPropagation",
            "HolomorphicEquilibriumPropagation",
            "ImplicitDifferentiation",
            "OneSided",
            "Phase",
            "RandomSign",
            "RecurrentBackpropagation",
            "implicit_gradient",
            "learning_rates",
        ),
        "training": (
            "Examples",
            "Model",
            "Together",
            "TrainState",
            "Trainer",
            "default_rule",
            "evaluate",
            "evaluate_starts",
            "join_processes",
        ),
        "errors": ("ConfigError", "DataError", "DivergedError", "EqpropError", "RunFolderError"),
        "exporting.arrays": ("export",),
        "estimators.estimators": ("EqPropClassifier", "EqPropRegressor"),
        "python.run": ("Run", "resume", "train"),
        "python.saving": ("load", "save"),
        "python.sweeping": ("SweepRun", "sweep"),
        "data.wirings": ("read_topology",),
    },
)

if TYPE_CHECKING:
    from eqprop.data.wirings import read_topology  # noqa: F401
    from eqprop.energy import *  # noqa: F403
    from eqprop.errors import *  # noqa: F403
    from eqprop.estimators.estimators import EqPropClassifier, EqPropRegressor  # noqa: F401
    from eqprop.exporting.arrays import export  # noqa: F401
    from eqprop.learning import *  # noqa: F403
    from eqprop.python.run import Run, resume, train  # noqa: F401
    from eqprop.python.saving import load, save  # noqa: F401
    from eqprop.python.sweeping import SweepRun, sweep  # noqa: F401
    from eqprop.relaxation import *  # noqa: F403
    from eqprop.topology import *  # noqa: F403
    from eqprop.training import *  # noqa: F403
