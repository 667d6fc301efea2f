"""When a relaxation stops."""

from __future__ import annotations

import abc

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from eqprop.relaxation.base import SETTLED


class AbstractTermination(eqx.Module):
    """A rule for stopping: after `max_steps`, or earlier once every residual is small.

    **Attributes:**

    - `max_steps`: the most steps taken.
    - `check_every`: steps between two checks of the residual and the energy; a check costs
      about as much as a step.
    - `tolerance`: a state within it counts as settled.
    """

    max_steps: eqx.AbstractVar[Array]
    check_every: eqx.AbstractVar[Array]
    tolerance: eqx.AbstractVar[Array]

    @abc.abstractmethod
    def is_done(self, residual: Array) -> Array:
        """Whether to stop before `max_steps`, given the residuals `[batch]` at a check."""


class FixedSteps(AbstractTermination):
    """Takes exactly `max_steps` steps; the residual is measured once, at the end.

    **Arguments:**

    - `max_steps`: how many; a traced value, so changing it does not recompile.
    - `tolerance`: a state whose residual is within it counts as settled.

    >>> int(FixedSteps(20).max_steps)
    20
    """

    max_steps: Array
    check_every: Array
    tolerance: Array

    def __init__(self, max_steps: int | Array, tolerance: float | Array = SETTLED) -> None:
        self.max_steps = self.check_every = jnp.asarray(max_steps)
        self.tolerance = jnp.asarray(tolerance)

    def is_done(self, residual: Array) -> Array:
        return jnp.asarray(False)


class Residual(AbstractTermination):
    """Stops once the residual of every example is at most `tolerance`, or after `max_steps`.

    **Arguments:**

    - `tolerance`: of the residual; 1e-3 in training and evaluation, 1e-12 for oracles.
    - `max_steps`: the limit.
    - `check_every`: steps between two checks; each costs about as much as a step.
    """

    max_steps: Array
    check_every: Array
    tolerance: Array

    def __init__(
        self,
        tolerance: float | Array = SETTLED,
        max_steps: int | Array = 500,
        check_every: int | Array = 5,
    ) -> None:
        self.tolerance = jnp.asarray(tolerance)
        self.max_steps = jnp.asarray(max_steps)
        self.check_every = jnp.asarray(check_every)

    def is_done(self, residual: Array) -> Array:
        return jnp.all(residual <= self.tolerance)
