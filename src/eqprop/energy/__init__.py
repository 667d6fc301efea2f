"""E, C and F = E + beta C on a topology."""

from eqprop.energy.activation import (
    AbstractActivation,
    HardSigmoid,
    ShiftedSigmoid,
    Sigmoid,
    Tanh,
    hard_sigmoid,
)
from eqprop.energy.base import (
    AbstractBlockClampedEnergy,
    AbstractClampedEnergy,
    AbstractCost,
    AbstractEnergy,
)
from eqprop.energy.composed import AbstractTerm, ComposedEnergy
from eqprop.energy.cost import CrossEntropy, SquaredError
from eqprop.energy.hopfield import ClampedHopfieldEnergy, HopfieldEnergy
from eqprop.energy.network import Network
from eqprop.energy.total import HeldOutputs, TotalEnergy

__all__ = [
    "AbstractActivation",
    "AbstractBlockClampedEnergy",
    "AbstractClampedEnergy",
    "AbstractCost",
    "AbstractEnergy",
    "AbstractTerm",
    "ClampedHopfieldEnergy",
    "ComposedEnergy",
    "CrossEntropy",
    "HardSigmoid",
    "HeldOutputs",
    "HopfieldEnergy",
    "Network",
    "ShiftedSigmoid",
    "Sigmoid",
    "SquaredError",
    "Tanh",
    "TotalEnergy",
    "hard_sigmoid",
]
