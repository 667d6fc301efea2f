"""Whether a run is numerically sound: what stops it, and what it is warned of."""

from __future__ import annotations

from typing import Any

import numpy as np

from eqprop.energy import Network
from eqprop.errors import DivergedError
from eqprop.training import BatchLog, Probe

UNSETTLED = 0.5
"""Warn when more than this share of an epoch's free phases did not settle."""

WARNINGS = {
    "free-unsettled": (
        f"more than {UNSETTLED:.0%} of the free phases did not settle. Raise `free.steps`"
    ),
    "two-cycle": (
        "free phases jump to and fro between two states: the step is beyond its stability "
        "limit. Lower `free.step_size`"
    ),
    "dead-outputs": (
        "the output units of most examples are all 0, so that only the nudge can lift them. "
        'Use larger initial weights, and nudged.nudging_step = "split" if it is "joint"'
    ),
    "saturated-layer": (
        "every unit of a hidden layer is held at 0 or 1 and passes no signal on. Lower "
        "`learning.learning_rate` or the initial weights"
    ),
    "at-chance": (
        "the training error is where guessing would be. Look at the sizes of the updates per "
        "layer, and at the warnings beside this one"
    ),
}
"""What each warning means, and a way out."""


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
        raise _diverged(where, f"in the {phase} phase of", first + row)
    for name, values in network.to_arrays().items():
        if not np.isfinite(values).all():
            kind, *layers = name.split("_")
            raise _diverged(
                f"the {kind} of {'-'.join(layers)}", "after", first + len(log.errors) - 1
            )


def warnings_of(entry: dict[str, Any], seen: Probe, largest_class: float) -> list[str]:
    """The names of `WARNINGS` that an epoch deserves.

    **Arguments:**

    - `entry`: of the epoch (`epoch_entry`).
    - `seen`: a probe of the free phase after it.
    - `largest_class`: share of the most frequent class, 1 - the error of guessing it.
    """
    found = []
    if entry["free_unsettled"] > UNSETTLED:
        found.append("free-unsettled")
    if seen.two_cycles > 0.05:
        found.append("two-cycle")
    if seen.dead_outputs > 0.9:
        found.append("dead-outputs")
    # The outputs of a trained classifier may well all be 0 or 1.
    if any(share > 0.999 for share in seen.saturation[:-1]):
        found.append("saturated-layer")
    if entry["training_error"] > 0.97 * (1 - largest_class):
        found.append("at-chance")
    return found


def _diverged(what: str, when: str, batch: int) -> DivergedError:
    return DivergedError(
        f"{what} became NaN or infinite {when} update {batch + 1}. Nothing was written after it. "
        "The learning rate, a step of a relaxation or the initial weights are too large, or the "
        "data hold such values. Lower `learning.learning_rate` or `step_size`."
    )
