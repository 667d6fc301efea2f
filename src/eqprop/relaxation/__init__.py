"""How a state settles, when it stops, and whether it did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eqprop.lazy import attach

if TYPE_CHECKING:
    from eqprop.relaxation.accelerated import *  # noqa: F403
    from eqprop.relaxation.base import *  # noqa: F403
    from eqprop.relaxation.block import *  # noqa: F403
    from eqprop.relaxation.driver import *  # noqa: F403
    from eqprop.relaxation.euler import *  # noqa: F403
    from eqprop.relaxation.forward import *  # noqa: F403
    from eqprop.relaxation.nudged_step import *  # noqa: F403
    from eqprop.relaxation.termination import *  # noqa: F403

__getattr__, __dir__, __all__ = attach(  # pyright: ignore[reportUnsupportedDunderAll]
    __name__,
    {
        "accelerated": (
            "Anderson",
            "Momentum",
            "Noisy",
        ),
        "base": (
            "AbstractRelaxation",
            "Equilibrium",
            "Outcome",
            "SETTLED",
            "is_traced",
            "projected_residual",
        ),
        "block": (
            "BlockCoordinateDescent",
            "monotone_bound",
        ),
        "driver": (
            "observe",
            "relax",
            "watch",
        ),
        "euler": (
            "Euler",
            "euler_limit",
        ),
        "forward": ("ForwardPass",),
        "nudged_step": (
            "AbstractNudgedStep",
            "Joint",
            "Split",
        ),
        "termination": (
            "AbstractTermination",
            "Among",
            "FixedSteps",
            "Residual",
        ),
    },
)
