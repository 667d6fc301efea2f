"""The exact gradient of the settled cost: the oracle that every learning rule is held against."""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax

from eqprop.energy import Network
from eqprop.energy.products import dot
from eqprop.learning.base import (
    AbstractLearningRule,
    Batch,
    Estimate,
    Phase,
    Report,
    summed,
)
from eqprop.relaxation.base import drawn
from eqprop.shapes import Input, Inputs, PerExample, State, States, Targets
from eqprop.topology.work import Wires, Work, two_phases


def interior_units(network: Network, x: Inputs, states: States, margin: float = 1e-9) -> Array:
    """Which free units are not held at a bound, `[batch, free units]`.

    A unit is held if projecting s + force gives back exactly a bound that the force points
    beyond; it does not move when parameters change a little.

    **Arguments:**

    - `x` `[batch, inputs]`, `states` `[batch, free units]`, settled.
    - `margin`: a unit that the force moves less than this beyond a bound counts as interior.

    >>> import eqprop, jax.numpy as jnp
    >>> network = eqprop.Network.initialize(eqprop.layered([4, 3, 2]), seed=0)
    >>> interior_units(network, jnp.ones((1, 4)), jnp.full((1, 5), 0.5)).shape
    (1, 5)
    """
    clamped = network.energy.clamp(x)
    moved = drawn(clamped, states)
    return jnp.abs(clamped.project(moved) - moved) <= margin


def implicit_gradient(
    network: Network,
    x: Inputs,
    target: Targets,
    states: States,
    example_weights: PerExample | None = None,
) -> Network:
    """dC/dtheta of the cost at equilibrium, by implicit differentiation, mean over the batch.

    With f the force, J its derivative over the units that are not held at a bound, at the
    equilibrium, and lambda = -J'^-1 dC/ds: dC/dtheta = lambda' df/dtheta (+ the direct part for
    costs with parameters). The force need not have an energy.

    **Arguments:**

    - `x`: `[batch, inputs]`; `target`: `[batch, targets]`.
    - `states`: equilibria of the free phase, `[batch, free units]`. The result is only as
      exact as they are settled: use float64 and a residual of 1e-12.
    - `example_weights`: `[batch]`, what each counts in the sum (default: 1 / batch).

    **Returns:** descent sign, in the structure of `network`. Costs a dense solve of
    `free units` equations per example.
    """
    adjoints = adjoints_of(network, x, target, states)
    if example_weights is None:
        example_weights = jnp.full(len(x), 1 / len(x), x.dtype)
    return adjoint_gradient(network, x, target, states, adjoints, example_weights)


def adjoints_of(network: Network, x: Inputs, target: Targets, states: States) -> Array:
    """lambda = -J'^-1 dC/ds over the units that are not held at a bound, by a dense solve.

    `[batch, free units]`; zero for an example whose output units are all held: then its cost
    has no gradient.
    """
    interior = interior_units(network, x, states)

    def adjoint(x: Input, pull: State, state: State, free: Array) -> State:
        slopes = -jax.jacfwd(lambda s: network.energy.force(x, s))(state)
        both = free[:, None] & free[None, :]
        # Turned over: without an energy J is not symmetric.
        reduced = jnp.where(both, slopes.T, jnp.eye(len(state), dtype=state.dtype))
        return jnp.linalg.solve(reduced, jnp.where(free, pull, 0))

    pulls = cost_slopes(network, target, states)
    return lax.map(lambda args: adjoint(*args), (x, pulls, states, interior))


def cost_slopes(network: Network, target: Targets, states: States) -> Array:
    """dC/ds of each example, `[batch, free units]`: zero but for the output units."""
    cost = jax.grad(lambda state, target: network.cost(network.output(state), target))
    return jax.vmap(cost)(states, target)


def _forces(network: Network, x: Inputs, states: States) -> States:
    return jax.vmap(network.energy.force)(x, states)


def adjoint_gradient(
    network: Network,
    x: Inputs,
    target: Targets,
    states: States,
    adjoints: States,
    example_weights: PerExample,
    motion: Callable[[Network, Inputs, States], States] = _forces,
) -> Network:
    """lambda' df/dtheta + dC/dtheta, summed over the batch by `example_weights`.

    **Arguments:** `motion`: f, whose adjoints these are, `[batch, free units]`; the force.
    """

    @eqx.filter_grad
    def slope(network: Network) -> Array:
        costs = jax.vmap(network.cost)(network.output(states), target)
        drives = jnp.sum(adjoints * motion(network, x, states), axis=1)
        return dot(example_weights, costs + drives)

    return network.constrain(slope(network))


class ImplicitDifferentiation(AbstractLearningRule):
    """The exact gradient at the end of the free phase, by a dense solve (`implicit_gradient`).

    For networks of some hundred units: the solve costs (free units)^3 per example.
    `RecurrentBackpropagation` finds the same by relaxation.

    **Arguments:**

    - `free`: the free phase; the gradient is as exact as it settles.

    **References:** Bai, Kolter and Koltun, "Deep equilibrium models", NeurIPS (2019).

    >>> import eqprop
    >>> settle = eqprop.Phase(eqprop.Euler(0.3), eqprop.Residual(1e-4, max_steps=300))
    >>> rule = eqprop.ImplicitDifferentiation(settle)
    """

    free: Phase

    def check(self, network: Network) -> None:
        pass

    def work(self, wires: Wires, free_steps: float, other_steps: float) -> Work:
        free = two_phases(wires, free_steps, 0)
        solve = wires.units**3 / 3
        return Work(free.first, solve, wires.from_input + 2 * wires.free)

    def estimate(self, network: Network, batch: Batch, *, axis: str | None = None) -> Estimate:
        free = self.free.relax(network.energy.clamp(batch.x), batch.states, batch.key)
        gradient = implicit_gradient(network, batch.x, batch.target, free.state, batch.weights)
        report = Report(free, (), jnp.zeros((), free.state.dtype))
        return Estimate(summed(gradient, axis), free.state, report)
