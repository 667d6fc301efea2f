"""What is wrong with a network that does not learn, as far as numbers show it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.energy import Network
from eqprop.training.examples import Examples, decided
from eqprop.training.probing import Probe

UNSETTLED = 0.5
"""Warn when more than this share of an epoch's free phases did not settle."""
_CHANCE = 0.97

PYTHON = {
    "free-unsettled": (
        f"more than {UNSETTLED:.0%} of the free phases did not settle. Give `Residual` or "
        "`FixedSteps` more steps"
    ),
    "two-cycle": (
        "free phases jump to and fro between two states: the step is beyond its stability limit. "
        "Lower the step size of the free phase"
    ),
    "dead-outputs": (
        "the output units of most examples are all 0, so that only the nudge can lift them. Use "
        "larger initial weights, or `Euler(nudging_step='split')` if the nudge is 'joint'"
    ),
    "saturated-layer": (
        "every unit of a hidden layer is held at 0 or 1 and passes no signal on. Lower the "
        "learning rate or the initial weights"
    ),
    "at-chance": (
        "the training error (cost, for a regression) is where guessing would be. Try another "
        "learning rate, other initial weights or a recipe (docs/howto/recipes.md), and audit the "
        "rule: `eqprop.audit`"
    ),
}
"""What each warning means, and a way out, for those who write Python."""


def warnings_of(seen: Probe, reached: float, guessing: float, unsettled: float | None) -> list[str]:
    """The names of what an epoch is to be warned of.

    **Arguments:**

    - `seen`: a probe of the free phase after it.
    - `reached`, `guessing`: training error, and that of guessing the most frequent class; for a
      regression the costs.
    - `unsettled`: share of the free phases that did not settle; None where nobody measured it.
    """
    found = []
    if unsettled is not None and unsettled > UNSETTLED:
        found.append("free-unsettled")
    if seen.two_cycles > 0.05:
        found.append("two-cycle")
    if seen.dead_outputs > 0.9:
        found.append("dead-outputs")
    # The outputs of a trained classifier may well all be 0 or 1.
    if any(share > 0.999 for share in seen.saturation[:-1]):
        found.append("saturated-layer")
    if reached > _CHANCE * guessing:
        found.append("at-chance")
    return found


def guessing(network: Network, examples: Examples, task: str) -> float:
    """The error of guessing the most frequent class, or the cost of guessing the mean."""
    target = np.asarray(examples.target)
    if task == "regression":
        mean = jnp.broadcast_to(target.mean(axis=0), target.shape)
        return float(jax.vmap(network.cost)(mean, jnp.asarray(target)).mean())
    return 1 - np.bincount(decided(target).astype(int)).max() / len(target)
