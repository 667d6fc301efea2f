"""Recurrent backpropagation: the adjoint of an equilibrium by a relaxation of its own."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from eqprop.energy import AbstractBlockClampedEnergy, AbstractClampedEnergy, Network
from eqprop.energy.base import without_blocks
from eqprop.learning.base import (
    AbstractLearningRule,
    Batch,
    Estimate,
    Phase,
    Report,
    summed,
)
from eqprop.learning.exact import adjoint_gradient, cost_slopes, interior_units
from eqprop.relaxation import BlockCoordinateDescent
from eqprop.relaxation.base import drawn
from eqprop.shapes import Inputs, PerExample, States
from eqprop.topology.work import Wires, Work, two_phases


class RecurrentBackpropagation(AbstractLearningRule):
    """The exact gradient, its adjoint found by a relaxation of its own (Almeida, Pineda).

    With m(s) where units are drawn with the others held, an equilibrium is s = m(s), and the
    adjoint lambda of the units that are not held at a bound settles by
    d lambda/dt = dC/ds - lambda + (dm/ds)' lambda: a linear relaxation. The gradient is
    lambda' dm/dtheta. By Eq. 2 with the hard sigmoid that is dC/ds - H lambda, H the second
    derivative of E.

    **Arguments:**

    - `free`: the free phase.
    - `adjoint`: `Euler`, and when to stop. Its states are no activations and have no box.

    **References:** Almeida, ICNN (1987); Pineda, "Generalization of back-propagation to
    recurrent neural networks", Phys. Rev. Lett. 59:2229 (1987).

    >>> import eqprop
    >>> settle = eqprop.Phase(eqprop.Euler(0.3), eqprop.Residual(1e-4, max_steps=300))
    >>> rule = eqprop.RecurrentBackpropagation(settle, settle)
    """

    free: Phase
    adjoint: Phase

    def check(self, network: Network) -> None:
        if isinstance(self.adjoint.method.innermost, BlockCoordinateDescent):
            raise without_blocks("the adjoint", "it is linear in the slopes of the whole energy")

    def work(self, wires: Wires, free_steps: float, other_steps: float) -> Work:
        # The correction of a connection is lambda_i s_j + s_i lambda_j; inputs have no adjoint.
        both = two_phases(wires, free_steps, other_steps)
        return Work(both.first, both.second, wires.from_input + 2 * wires.free)

    def estimate(self, network: Network, batch: Batch, *, axis: str | None = None) -> Estimate:
        x, target = batch.x, batch.target
        clamped = self.free.method.prepare(network.energy.clamp(x))
        free = self.free.relax(clamped, batch.states, jax.random.fold_in(batch.key, 1))
        moving = interior_units(network, x, free.state, margin=0.0)
        pull = cost_slopes(network, target, free.state)
        problem = AdjointEnergy(clamped, free.state, pull, moving)
        blank = jnp.zeros_like(free.state)
        found = self.adjoint.relax(problem, blank, jax.random.fold_in(batch.key, 2))
        ends = free.state, found.state
        gradient = adjoint_gradient(network, x, target, *ends, batch.weights, _drawn)
        report = Report(free, (found,), jnp.zeros((), free.state.dtype))
        return Estimate(summed(gradient, axis), free.state, report)


def _drawn(network: Network, x: Inputs, states: States) -> States:
    return drawn(network.energy.clamp(x), states)


class AdjointEnergy(AbstractClampedEnergy):
    """1/2 lambda' (1 - dm/ds) lambda - lambda' dC/ds, whose force vanishes at the adjoint.

    Its `energy` is one where dm/ds is symmetric; the force is (dm/ds)' lambda - lambda + dC/ds.

    **Attributes:** `clamped`, the energy E; `equilibrium` `[batch, free units]`, where dm/ds is
    taken; `pull`, dC/ds; `moving`, which units are not held at a bound.
    """

    clamped: AbstractClampedEnergy
    equilibrium: Array
    pull: Array
    moving: Array

    def energy(self, state: States) -> PerExample:
        return -jnp.sum(state * (0.5 * self._bend(state) + self.pull), axis=1)

    def force(self, state: States) -> States:
        return jnp.where(self.moving, self._bend(state) + self.pull, 0)

    def project(self, state: States) -> States:
        return state

    def in_blocks(self, block_size: int | None) -> AbstractBlockClampedEnergy:
        raise without_blocks("the adjoint", "it is linear in the slopes of the whole energy")

    def _bend(self, adjoint: Array) -> Array:
        back = jax.vjp(lambda states: drawn(self.clamped, states), self.equilibrium)[1]
        return back(adjoint)[0] - adjoint
