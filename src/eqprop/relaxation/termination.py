"""When a relaxation stops."""

from __future__ import annotations

import abc

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from eqprop.errors import ConfigError
from eqprop.relaxation.base import SETTLED, is_traced
from eqprop.shapes import PerExample, Present


class AbstractTermination(eqx.Module):
    """A rule for stopping: after `max_steps`, or earlier once the residuals are small.

    **Attributes:**

    - `max_steps`: the most steps taken.
    - `tolerance`: a state within it counts as settled.
    """

    max_steps: eqx.AbstractVar[Array]
    tolerance: eqx.AbstractVar[Array]

    @abc.abstractmethod
    def is_done(self, residual: PerExample, present: Present) -> Array:
        """Whether to stop before `max_steps`.

        **Arguments:** `residual` `[batch]`; `present` `[batch]`, which of them are examples: what
        only fills up a batch counts nowhere.
        """

    @abc.abstractmethod
    def enough(self, present: Present) -> Array | None:
        """How many examples within the tolerance make `is_done` true; None for another rule.

        A kernel counts them by itself. More than there are: it never stops early.
        """

    @property
    def measures(self) -> bool:
        """Whether the residual is measured where a phase ends, not taken from its last step."""
        return True


class FixedSteps(AbstractTermination):
    """Takes exactly `max_steps` steps; the residual is measured once, at the end.

    **Arguments:**

    - `max_steps`: how many; a traced value, so changing it does not recompile.
    - `tolerance`: a state whose residual is within it counts as settled.
    - `measured`: whether the residual is measured at the end. That costs as much as a step. If not,
      it is what the last step saw while units were still moving, and usually larger.

    >>> int(FixedSteps(20).max_steps)
    20
    """

    max_steps: Array
    tolerance: Array
    measured: bool = eqx.field(static=True)

    def __init__(
        self,
        max_steps: int | Array,
        tolerance: float | Array = SETTLED,
        measured: bool = True,
    ) -> None:
        self.max_steps, self.tolerance = jnp.asarray(max_steps), jnp.asarray(tolerance)
        self.measured = measured

    @property
    def measures(self) -> bool:
        return self.measured

    def is_done(self, residual: PerExample, present: Present) -> Array:
        return jnp.asarray(False)

    def enough(self, present: Present) -> Array:
        return jnp.asarray(len(present) + 1, jnp.float32)


class Residual(AbstractTermination):
    """Stops once enough examples of a batch have settled, or after `max_steps`.

    The residual that a step sees on its way costs nothing and is looked at after every step;
    when it is small enough, the residual itself is measured, and decides.

    **Arguments:**

    - `tolerance`: of the residual; 1e-3 in training and evaluation, 1e-12 for oracles.
    - `max_steps`: the limit.
    - `share`: of the examples that must have settled, in (0, 1]. The slowest of a batch needs
      twice as many sweeps as the one but last, so .9 halves the time and leaves one in ten
      examples a little short; what did not settle is reported either way.

    >>> residual, present = jnp.array([1e-4, 1e-2, 0.0]), jnp.array([True, True, False])
    >>> [bool(Residual(1e-3, share=share).is_done(residual, present)) for share in (0.5, 0.6)]
    [True, False]
    """

    max_steps: Array
    tolerance: Array
    share: Array

    def __init__(
        self,
        tolerance: float | Array = SETTLED,
        max_steps: int | Array = 500,
        share: float | Array = 1.0,
    ) -> None:
        self.tolerance = jnp.asarray(tolerance)
        self.max_steps = jnp.asarray(max_steps)
        self.share = jnp.asarray(share)
        if not is_traced(self.share) and not bool((self.share > 0) & (self.share <= 1)):
            raise ConfigError(
                f"`share` must lie in (0, 1], got {float(self.share):g}. 1 waits for every example."
            )

    def is_done(self, residual: PerExample, present: Present) -> Array:
        settled = jnp.sum((residual <= self.tolerance) & present, axis=-1, dtype=float)
        return settled >= self.enough(present)

    def enough(self, present: Present) -> Array:
        return self.share * jnp.sum(present, axis=-1, dtype=float)


class Among(AbstractTermination):
    """`rule` for a part of a batch, of which only some places hold an example.

    **Attributes:** `rule`; `present` `[batch]`, which places do; `part`, its number: each part
    draws its own; the limits are those of the rule.
    """

    max_steps: Array
    tolerance: Array
    rule: AbstractTermination
    present: Array
    part: Array

    def __init__(self, rule: AbstractTermination, present: Present, part: Array | int = 0) -> None:
        self.max_steps, self.tolerance = rule.max_steps, rule.tolerance
        self.rule, self.present, self.part = rule, present, jnp.asarray(part)

    def is_done(self, residual: PerExample, present: Present) -> Array:
        return self.rule.is_done(residual, present)

    def enough(self, present: Present) -> Array | None:
        return self.rule.enough(present)

    @property
    def measures(self) -> bool:
        return self.rule.measures
