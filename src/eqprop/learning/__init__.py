"""How equilibria become a gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eqprop.lazy import attach

if TYPE_CHECKING:
    from eqprop.learning.auditing import *  # noqa: F403
    from eqprop.learning.backpropagation import *  # noqa: F403
    from eqprop.learning.base import *  # noqa: F403
    from eqprop.learning.contrastive import *  # noqa: F403
    from eqprop.learning.differences import *  # noqa: F403
    from eqprop.learning.equilibrium_propagation import *  # noqa: F403
    from eqprop.learning.exact import *  # noqa: F403
    from eqprop.learning.holomorphic import *  # noqa: F403
    from eqprop.learning.nudging import *  # noqa: F403
    from eqprop.learning.rates import *  # noqa: F403
    from eqprop.learning.recurrent_backpropagation import *  # noqa: F403
    from eqprop.learning.through_time import *  # noqa: F403

__getattr__, __dir__, __all__ = attach(  # pyright: ignore[reportUnsupportedDunderAll]
    __name__,
    {
        "auditing": (
            "Agreement",
            "Audit",
            "Oracle",
            "Settling",
            "as_held",
            "audit",
            "nudge_of",
            "plain",
            "response",
        ),
        "backpropagation": ("Backpropagation",),
        "base": (
            "AbstractLearningRule",
            "Batch",
            "Estimate",
            "Phase",
            "Report",
            "apply_updates",
            "summed",
        ),
        "contrastive": (
            "ContrastiveHebbian",
            "CoupledLearning",
        ),
        "differences": (
            "AbstractContrastiveRule",
            "AbstractNudgedRule",
            "Phases",
            "contrast",
        ),
        "equilibrium_propagation": ("EquilibriumPropagation",),
        "exact": (
            "ImplicitDifferentiation",
            "implicit_gradient",
            "interior_units",
        ),
        "holomorphic": ("HolomorphicEquilibriumPropagation",),
        "nudging": (
            "AbstractNudging",
            "Centered",
            "OneSided",
            "RandomSign",
        ),
        "rates": (
            "BiasRates",
            "learning_rates",
        ),
        "recurrent_backpropagation": ("RecurrentBackpropagation",),
        "through_time": ("BackpropagationThroughTime",),
    },
)
