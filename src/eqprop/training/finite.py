"""Training stops where a state or a parameter is no number any more."""

from __future__ import annotations

import numpy as np

from eqprop.energy import HopfieldEnergy, Network
from eqprop.errors import DivergedError
from eqprop.training.logs import BatchLog


def check_finite(log: BatchLog, network: Network, first: int) -> None:
    """Stops a run whose states or parameters are NaN or infinite.

    **Arguments:**

    - `log`: of the chunk that ran; `first`, the number of its first batch, from 0.
    - `network`: after it.

    **Raises:** `DivergedError` that names the update, the phase and the layer.
    """
    free, nudged = log.free.broken_unit >= 0, log.nudged.broken_unit >= 0
    if (free | nudged).any():
        row = int(np.argmax(free | nudged))
        phase = "free" if free[row] else "nudged"
        unit = int(getattr(log, phase).broken_unit[row])
        ends = np.cumsum(network.layer_sizes[1:])
        where = f"the state of layer {1 + int(np.searchsorted(ends, unit, side='right'))}"
        raise _diverged(where, f"in the {phase} phase of", first + row, _for_steep(network))
    for name, values in network.to_arrays().items():
        if not np.isfinite(values).all():
            kind, *layers = name.split("_")
            raise _diverged(
                f"the {kind} of {'-'.join(layers)}", "after", first + len(log.errors) - 1
            )


def _for_steep(network: Network) -> str:
    """What helps units whose force is infinite at the ends of their range."""
    energy = network.energy
    if not isinstance(energy, HopfieldEnergy) or energy.activation.has_finite_force:
        return ""
    return (
        " Euler steps leave the range of activities. Set free.method and nudged.method to "
        '"block" for these.'
    )


def _diverged(what: str, when: str, batch: int, advice: str = "") -> DivergedError:
    return DivergedError(
        f"{what} became NaN or infinite {when} update {batch + 1}. Nothing was written after it. "
        "The learning rate, a step of a relaxation or the initial weights are too large, or the "
        "data hold such values. Lower the learning rate or `step_size`." + advice
    )
