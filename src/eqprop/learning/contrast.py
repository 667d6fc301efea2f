"""The gradient as a difference of slopes of F: what all contrastive rules share."""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from eqprop.energy import Network
from eqprop.learning.base import gathered

Slope = tuple[Array | float, Array | float, Array]
"""Coefficient, beta, and states `[batch, free units]`."""


def contrast(
    network: Network,
    x: Array,
    target: Array,
    slopes: Sequence[Slope],
    example_weights: Array,
    *,
    axis: str | None = None,
) -> Network:
    """The sum over slopes of coefficient * dF/dtheta at (beta, states), real part.

    **Arguments:**

    - `slopes`: of two states with coefficients c and -c for a difference; coefficients, betas
      and states may be complex.
    - `example_weights`: `[batch]`; the sum over the examples is weighted by them.
    - `axis`: see `AbstractLearningRule.estimate`.

    **Returns:** in the structure of `network`, zero where no connection exists.
    """
    x, target, shares = gathered((x, target, example_weights[:, None]), axis)
    states = gathered(tuple(states for _, _, states in slopes), axis)
    # All states side by side in one batch, with their coefficients: autodiff then makes one
    # matrix product per pair of layers, never a product per example.
    coefficients = jnp.concatenate([coefficient * shares[:, 0] for coefficient, _, _ in slopes])
    betas = jnp.repeat(jnp.stack([jnp.asarray(beta) for _, beta, _ in slopes]), len(x))
    count = len(slopes)
    batch = (jnp.tile(x, (count, 1)), jnp.concatenate(states), jnp.tile(target, (count, 1)), betas)

    @eqx.filter_grad
    def slope(network: Network) -> Array:
        return jnp.real(jnp.dot(coefficients, jax.vmap(network.total_energy)(*batch)))

    return network.constrain(slope(network))
