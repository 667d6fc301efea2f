"""How equilibria become a gradient."""

from eqprop.learning.base import AbstractLearningRule, Estimate, Phase, Report, apply_updates
from eqprop.learning.equilibrium_propagation import EquilibriumPropagation, contrast
from eqprop.learning.exact import implicit_gradient, interior_units
from eqprop.learning.nudging import AbstractNudging, Centered, OneSided, RandomSign
from eqprop.learning.rates import BiasRates, learning_rates

__all__ = [
    "AbstractLearningRule",
    "AbstractNudging",
    "BiasRates",
    "Centered",
    "EquilibriumPropagation",
    "Estimate",
    "OneSided",
    "Phase",
    "RandomSign",
    "Report",
    "apply_updates",
    "contrast",
    "implicit_gradient",
    "interior_units",
    "learning_rates",
]
