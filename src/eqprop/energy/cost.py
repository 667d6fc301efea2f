"""Costs: what the outputs should have been."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from eqprop.energy.base import AbstractCost
from eqprop.energy.products import matmul
from eqprop.errors import ConfigError
from eqprop.shapes import OutputUnits, TargetUnits


class SquaredError(AbstractCost):
    """`C(y) = factor * |y - target|^2`.

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

    def __call__(self, output: OutputUnits, target: TargetUnits) -> Array:
        return self.factor * jnp.sum((output - target) ** 2)

    def force(self, output: OutputUnits, target: TargetUnits) -> OutputUnits:
        return 2 * self.factor * (target - output)

    def curvature(self) -> float:
        return 2 * self.factor

    def scores(self, output: OutputUnits) -> TargetUnits:
        return output

    def num_targets(self, num_outputs: int) -> int:
        return num_outputs


class CrossEntropy(AbstractCost):
    """C(y) = -sum over classes of target * log softmax(weights y + bias).

    The read-out stands outside the energy: it sees the output units and nothing comes back from
    it but the nudge. Its parameters learn by the slope of C where the free phase ended.

    **Attributes:** `weights` `[classes, outputs]`, `bias` `[classes]`.

    **References:** Laborieux et al., "Scaling equilibrium propagation to deep convnets by
    drastically reducing its gradient estimator bias", Front. Neurosci. 15:633674 (2021).

    >>> import jax, jax.numpy as jnp
    >>> cost = CrossEntropy.initialize(5, 2, jax.random.key(0))
    >>> cost.scores(jnp.ones(5)).shape
    (2,)
    """

    weights: Array
    bias: Array

    @staticmethod
    def initialize(
        outputs: int, classes: int, key: Array, dtype: Any = jnp.float32
    ) -> CrossEntropy:
        """Glorot-uniform weights, +-sqrt(6 / (outputs + classes)), and zero biases."""
        if classes < 2:
            raise ConfigError(f"`classes` must be 2 or more, got {classes}.")
        bound = (6 / (outputs + classes)) ** 0.5
        weights = jax.random.uniform(key, (classes, outputs), dtype, -bound, bound)
        return CrossEntropy(weights, jnp.zeros(classes, dtype))

    def __call__(self, output: OutputUnits, target: TargetUnits) -> Array:
        scores = self.scores(output)
        return jnp.sum(target) * jax.nn.logsumexp(scores, axis=-1) - jnp.sum(target * scores)

    def force(self, output: OutputUnits, target: TargetUnits) -> OutputUnits:
        scores = self.scores(output)
        softmax = jnp.exp(scores - jax.nn.logsumexp(scores, axis=-1, keepdims=True))
        whole = jnp.sum(target, axis=-1, keepdims=True)
        return matmul(target - whole * softmax, self.weights)

    def curvature(self) -> None:
        return None

    def scores(self, output: OutputUnits) -> TargetUnits:
        scores = matmul(output, self.weights.T)
        return scores + jnp.broadcast_to(self.bias, scores.shape)

    def num_targets(self, num_outputs: int) -> int:
        return len(self.bias)
