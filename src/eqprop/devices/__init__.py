"""How a parameter is held, written and read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eqprop.lazy import attach

if TYPE_CHECKING:
    from eqprop.devices.analog import *  # noqa: F403
    from eqprop.devices.base import *  # noqa: F403
    from eqprop.devices.clip import *  # noqa: F403
    from eqprop.devices.ideal import *  # noqa: F403
    from eqprop.devices.programming import *  # noqa: F403
    from eqprop.devices.writing import *  # noqa: F403

__getattr__, __dir__, __all__ = attach(  # pyright: ignore[reportUnsupportedDunderAll]
    __name__,
    {
        "analog": (
            "Analog",
            "Effects",
            "Mismatch",
            "Sensor",
        ),
        "base": (
            "AbstractDevice",
            "Held",
        ),
        "clip": ("Clip",),
        "ideal": ("Ideal",),
        "programming": ("program",),
        "writing": (
            "AbstractWriting",
            "Added",
            "ExponentialPulses",
            "LinearPulses",
            "Pulses",
            "Range",
            "Rounded",
            "Written",
        ),
    },
)
