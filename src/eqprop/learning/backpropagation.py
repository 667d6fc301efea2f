"""Backpropagation on the same wiring read forwards: the trained baseline (section 4.1.2)."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from eqprop.energy import Network
from eqprop.energy.products import dot
from eqprop.learning.base import AbstractLearningRule, Batch, Estimate, Report, summed
from eqprop.relaxation import Equilibrium, ForwardPass
from eqprop.topology.work import Wires, Work


class Backpropagation(AbstractLearningRule):
    """A forward pass, and the gradient of the cost by the chain rule.

    The network is read forwards (`ForwardPass`): same connections, initial weights, activation
    and cost, no relaxation. Evaluate it with `Phase(ForwardPass(), FixedSteps(1))`.

    **References:** section 4.1.2 of the paper; Rumelhart, Hinton and Williams, "Learning
    representations by back-propagating errors", Nature 323 (1986).

    **Raises:** `ConfigError` for intralayer connections, which a forward pass cannot read.

    >>> import eqprop
    >>> eqprop.Backpropagation().check(eqprop.Network.initialize(eqprop.layered([4, 3, 2]), seed=0))
    """

    reads_forwards = True

    def check(self, network: Network) -> None:
        ForwardPass().prepare(network.energy.clamp(jnp.zeros((1, network.num_inputs))))

    def work(self, wires: Wires, free_steps: float, other_steps: float) -> Work:
        # Errors are not sent to the inputs.
        return Work(wires.total, wires.free, wires.total)

    def estimate(self, network: Network, batch: Batch, *, axis: str | None = None) -> Estimate:
        method = ForwardPass()

        @eqx.filter_grad(has_aux=True)
        def slope(network: Network) -> tuple[Array, Array]:
            prepared = method.prepare(network.energy.clamp(batch.x))
            state = method.step(prepared, batch.states, None, None)[0]
            costs = jax.vmap(network.cost)(network.output(state), batch.target)
            return dot(batch.weights, costs), state

        gradient, state = slope(network)
        nothing = jnp.zeros(len(state), state.dtype)
        residual = jnp.where(jnp.isfinite(state).all(axis=1), nothing, jnp.nan)
        done = Equilibrium.of(state, 1, residual, nothing, 0.0)
        gradient = summed(network.constrain(gradient), axis)
        return Estimate(gradient, state, Report(done, (), jnp.zeros((), state.dtype)))
