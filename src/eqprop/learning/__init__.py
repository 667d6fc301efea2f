"""How equilibria become a gradient."""

from eqprop.learning.auditing import (
    Agreement,
    Audit,
    Oracle,
    Settling,
    audit,
    nudge_of,
    plain,
    response,
)
from eqprop.learning.backpropagation import Backpropagation
from eqprop.learning.base import (
    AbstractLearningRule,
    Estimate,
    Parts,
    Phase,
    Report,
    apply_updates,
    summed,
    weights_of,
)
from eqprop.learning.contrastive import ContrastiveHebbian, CoupledLearning
from eqprop.learning.differences import AbstractContrastiveRule, Phases, contrast
from eqprop.learning.equilibrium_propagation import EquilibriumPropagation
from eqprop.learning.exact import ImplicitDifferentiation, implicit_gradient, interior_units
from eqprop.learning.holomorphic import HolomorphicEquilibriumPropagation
from eqprop.learning.nudging import AbstractNudging, Centered, OneSided, RandomSign
from eqprop.learning.rates import BiasRates, learning_rates
from eqprop.learning.recurrent_backpropagation import RecurrentBackpropagation
from eqprop.learning.through_time import BackpropagationThroughTime

__all__ = [
    "AbstractContrastiveRule",
    "AbstractLearningRule",
    "AbstractNudging",
    "Agreement",
    "Audit",
    "Backpropagation",
    "BackpropagationThroughTime",
    "BiasRates",
    "Centered",
    "ContrastiveHebbian",
    "CoupledLearning",
    "EquilibriumPropagation",
    "Estimate",
    "HolomorphicEquilibriumPropagation",
    "ImplicitDifferentiation",
    "OneSided",
    "Oracle",
    "Parts",
    "Phase",
    "Phases",
    "RandomSign",
    "RecurrentBackpropagation",
    "Report",
    "Settling",
    "apply_updates",
    "audit",
    "contrast",
    "implicit_gradient",
    "interior_units",
    "learning_rates",
    "nudge_of",
    "plain",
    "response",
    "summed",
    "weights_of",
]
