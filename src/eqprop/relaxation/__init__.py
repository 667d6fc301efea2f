"""How a state settles, when it stops, and whether it did."""

from eqprop.relaxation.base import (
    SETTLED,
    AbstractRelaxation,
    Equilibrium,
    is_traced,
    projected_residual,
)
from eqprop.relaxation.block import BlockCoordinateDescent, monotone_bound
from eqprop.relaxation.driver import observe, relax, watch
from eqprop.relaxation.euler import Euler, euler_limit
from eqprop.relaxation.forward import ForwardPass
from eqprop.relaxation.termination import AbstractTermination, FixedSteps, Residual

__all__ = [
    "SETTLED",
    "AbstractRelaxation",
    "AbstractTermination",
    "BlockCoordinateDescent",
    "Equilibrium",
    "Euler",
    "FixedSteps",
    "ForwardPass",
    "Residual",
    "euler_limit",
    "is_traced",
    "monotone_bound",
    "observe",
    "projected_residual",
    "relax",
    "watch",
]
