"""Recurrent backpropagation: the adjoint of an equilibrium by a relaxation of its own."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from eqprop.energy import AbstractClampedEnergy, Network
from eqprop.learning.base import (
    AbstractLearningRule,
    Estimate,
    Phase,
    Report,
    summed,
    weights_of,
)
from eqprop.learning.exact import adjoint_gradient, cost_slopes, interior_units
from eqprop.relaxation import relax
from eqprop.topology.work import Wires, Work, two_phases


class RecurrentBackpropagation(AbstractLearningRule):
    """The exact gradient, its adjoint found by a relaxation of its own (Almeida, Pineda).

    The adjoint lambda of the units that are not held at a bound settles by
    d lambda/dt = dC/ds - H lambda: a linear relaxation with the couplings of the free phase.

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
        pass

    def work(self, wires: Wires, free_steps: float, other_steps: float) -> Work:
        # The correction of a connection is lambda_i s_j + s_i lambda_j; inputs have no adjoint.
        both = two_phases(wires, free_steps, other_steps)
        return Work(both.first, both.second, wires.from_input + 2 * wires.free)

    def estimate(
        self,
        network: Network,
        x: Array,
        target: Array,
        states: Array,
        key: Array,
        example_weights: Array | None = None,
        *,
        axis: str | None = None,
    ) -> Estimate:
        clamped = self.free.method.prepare(network.energy.clamp(x))
        free = relax(clamped, states, self.free.method, self.free.termination)
        moving = interior_units(network, x, free.state, margin=0.0)
        problem = AdjointEnergy(
            clamped, free.state, cost_slopes(network, target, free.state), moving
        )
        blank = jnp.zeros_like(free.state)
        found = relax(problem, blank, self.adjoint.method, self.adjoint.termination)
        weights = weights_of(x, example_weights)
        gradient = adjoint_gradient(network, x, target, free.state, found.state, weights)
        report = Report(free, (found,), jnp.zeros((), states.dtype))
        return Estimate(summed(gradient, axis), free.state, report)


class AdjointEnergy(AbstractClampedEnergy):
    """1/2 lambda' H lambda - lambda' dC/ds, whose minimum over the moving units is the adjoint.

    **Attributes:** `clamped`, the energy E; `equilibrium` `[batch, free units]`, where its
    second derivative H is taken; `pull`, dC/ds; `moving`, which units are not held at a bound.
    """

    clamped: AbstractClampedEnergy
    equilibrium: Array
    pull: Array
    moving: Array

    def energy(self, state: Array) -> Array:
        return -jnp.sum(state * (0.5 * self._bend(state) + self.pull), axis=1)

    def force(self, state: Array) -> Array:
        return jnp.where(self.moving, self._bend(state) + self.pull, 0)

    def project(self, state: Array) -> Array:
        return state

    def _bend(self, direction: Array) -> Array:
        """-H lambda: how the force changes along a direction."""
        return jax.jvp(self.clamped.force, (self.equilibrium,), (direction,))[1]
