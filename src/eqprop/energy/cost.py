"""Costs: what the outputs should have been."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from eqprop.energy.base import AbstractCost
from eqprop.errors import ConfigError


class SquaredError(AbstractCost):
    """C(y) = factor * |y - target|^2.

    **Arguments:**

    - `factor`: 1 as in section 2.3 of the paper and in its released code (the default), or
      0.5 as in its Eq. 3. A factor of 1 nudges twice as hard at the same `beta`.

    >>> import jax.numpy as jnp
    >>> float(SquaredError(factor=0.5)(jnp.array([1.0, 0.0]), jnp.array([0.0, 0.0])))
    0.5
    """

    factor: float = eqx.field(default=1.0, static=True)

    def __check_init__(self) -> None:
        if not self.factor > 0:
            raise ConfigError(
                f"`factor` must be above 0, got {self.factor}. Use 1 (section 2.3) or 0.5 (Eq. 3)."
            )

    def __call__(self, output: Array, target: Array) -> Array:
        return self.factor * jnp.sum((output - target) ** 2)

    def force(self, output: Array, target: Array) -> Array:
        return 2 * self.factor * (target - output)

    def curvature(self) -> float:
        return 2 * self.factor
