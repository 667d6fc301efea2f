"""E, C and F = E + beta C on a topology."""

from eqprop.energy.activation import AbstractActivation, HardSigmoid, hard_sigmoid
from eqprop.energy.base import (
    AbstractBlockClampedEnergy,
    AbstractClampedEnergy,
    AbstractCost,
    AbstractEnergy,
)
from eqprop.energy.cost import SquaredError
from eqprop.energy.hopfield import ClampedHopfieldEnergy, HopfieldEnergy
from eqprop.energy.network import Network
from eqprop.energy.total import TotalEnergy

__all__ = [
    "AbstractActivation",
    "AbstractBlockClampedEnergy",
    "AbstractClampedEnergy",
    "AbstractCost",
    "AbstractEnergy",
    "ClampedHopfieldEnergy",
    "HardSigmoid",
    "HopfieldEnergy",
    "Network",
    "SquaredError",
    "TotalEnergy",
    "hard_sigmoid",
]
