"""E, C and F = E + beta C on a topology."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eqprop.lazy import attach

if TYPE_CHECKING:
    from eqprop.energy.activation import *  # noqa: F403
    from eqprop.energy.base import *  # noqa: F403
    from eqprop.energy.connections import *  # noqa: F403
    from eqprop.energy.cost import *  # noqa: F403
    from eqprop.energy.difference import *  # noqa: F403
    from eqprop.energy.feedback import *  # noqa: F403
    from eqprop.energy.groups import *  # noqa: F403
    from eqprop.energy.hopfield import *  # noqa: F403
    from eqprop.energy.interactions import *  # noqa: F403
    from eqprop.energy.network import *  # noqa: F403
    from eqprop.energy.own import *  # noqa: F403
    from eqprop.energy.pixels import *  # noqa: F403
    from eqprop.energy.total import *  # noqa: F403

__getattr__, __dir__, __all__ = attach(  # pyright: ignore[reportUnsupportedDunderAll]
    __name__,
    {
        "activation": (
            "AbstractActivation",
            "AbstractPotential",
            "AbstractSmoothActivation",
            "AbstractStateActivation",
            "Activities",
            "HardSigmoid",
            "ShiftedSigmoid",
            "Sigmoid",
            "Tanh",
            "hard_sigmoid",
        ),
        "base": (
            "AbstractBlockClampedEnergy",
            "AbstractClampedEnergy",
            "AbstractCost",
            "AbstractEnergy",
        ),
        "connections": ("Connections",),
        "cost": (
            "CrossEntropy",
            "SquaredError",
        ),
        "groups": (
            "Group",
            "WEIGHTS",
        ),
        "hopfield": (
            "ClampedHopfieldEnergy",
            "ComposedEnergy",
            "HopfieldEnergy",
        ),
        "difference": ("Difference",),
        "feedback": ("Feedback",),
        "interactions": (
            "AbstractInteraction",
            "AbstractTerm",
            "Biases",
        ),
        "network": ("Network",),
        "own": ("AbstractOwnEnergy",),
        "total": (
            "HeldOutputs",
            "TotalEnergy",
        ),
        "pixels": ("inputs",),
    },
)
