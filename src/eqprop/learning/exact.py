"""The exact gradient of the settled cost: the oracle that every learning rule is held against."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from eqprop.energy import Network


def interior_units(network: Network, x: Array, states: Array, margin: float = 1e-9) -> Array:
    """Which free units are not held at a bound, `[batch, free units]`.

    A unit is held if projecting s + force gives back exactly a bound that the force points
    beyond; it does not move when parameters change a little. `margin`: a unit nearer than
    this to the switch counts as held.
    """
    moved = states + jax.vmap(network.energy.force)(x, states)
    return jnp.abs(jax.vmap(network.energy.project)(moved) - moved) <= margin


def implicit_gradient(network: Network, x: Array, target: Array, states: Array) -> Network:
    """dC/dtheta of the cost at equilibrium, by implicit differentiation, mean over the batch.

    With s* the equilibrium, H the second derivative of E over the units that are not held at
    a bound, and lambda = H^-1 dC/ds: dC/dtheta = -lambda' d(dE/ds)/dtheta (+ the direct part
    for costs with parameters).

    **Arguments:**

    - `x`: `[batch, inputs]`; `target`: `[batch, outputs]`.
    - `states`: equilibria of the free phase, `[batch, free units]`. The result is only as
      exact as they are settled: use float64 and a residual of 1e-12.

    **Returns:** descent sign, in the structure of `network`. Costs a dense solve of
    `free units` equations per example.
    """
    interior = interior_units(network, x, states)

    def adjoint(x: Array, target: Array, state: Array, free: Array) -> Array:
        pull = jax.grad(lambda s: network.cost(network.output(s), target))(state)
        hessian = -jax.jacfwd(lambda s: network.energy.force(x, s))(state)
        both = free[:, None] & free[None, :]
        reduced = jnp.where(both, hessian, jnp.eye(len(state), dtype=state.dtype))
        return jnp.linalg.solve(reduced, jnp.where(free, pull, 0))

    adjoints = jax.lax.map(lambda args: adjoint(*args), (x, target, states, interior))

    @eqx.filter_grad
    def slope(network: Network) -> Array:
        def along(x: Array, target: Array, state: Array, direction: Array) -> Array:
            force = -jax.grad(network.energy.energy, argnums=1)(x, state)
            return jnp.vdot(direction, force) + network.cost(network.output(state), target)

        return jnp.mean(jax.vmap(along)(x, target, states, adjoints))

    return network.constrain(slope(network))
