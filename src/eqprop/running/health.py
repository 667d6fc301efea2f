"""What a run is warned of."""

from __future__ import annotations

from typing import Any

from eqprop.training import Probe

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
        "the training error (cost, for a regression) is where guessing would be. Look at the sizes "
        "of the updates per layer, and at the warnings beside this one"
    ),
}
"""What each warning means, and a way out."""


def warnings_of(
    entry: dict[str, Any], seen: Probe, guessing: float, measured: bool = True
) -> list[str]:
    """The names of `WARNINGS` that an epoch deserves.

    **Arguments:**

    - `entry`: of the epoch (`epoch_entry`).
    - `seen`: a probe of the free phase after it.
    - `guessing`: the error of guessing the most frequent class; for a regression the cost of
      guessing the mean.
    - `measured`: whether residuals of free phases were measured where these ended.
    """
    found = []
    if measured and entry["free_unsettled"] > UNSETTLED:
        found.append("free-unsettled")
    if seen.two_cycles > 0.05:
        found.append("two-cycle")
    if seen.dead_outputs > 0.9:
        found.append("dead-outputs")
    # The outputs of a trained classifier may well all be 0 or 1.
    if any(share > 0.999 for share in seen.saturation[:-1]):
        found.append("saturated-layer")
    what = "cost" if entry["task"] == "regression" else "error"
    if entry[f"training_{what}"] > 0.97 * guessing:
        found.append("at-chance")
    return found
