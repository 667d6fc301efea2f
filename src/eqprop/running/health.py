"""What a run is warned of, in words of its settings."""

from __future__ import annotations

from eqprop.training.health import UNSETTLED

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
"""What each warning (`eqprop.training.health`) means, and a way out."""
