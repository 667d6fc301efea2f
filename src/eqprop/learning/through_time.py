"""Backpropagation through time: the gradient through the steps of a relaxation."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax

from eqprop.energy import Network
from eqprop.energy.products import dot
from eqprop.errors import ConfigError
from eqprop.learning.base import (
    AbstractLearningRule,
    Batch,
    Estimate,
    Phase,
    Report,
    summed,
)
from eqprop.relaxation import observe
from eqprop.topology.work import Wires, Work, relaxation


class BackpropagationThroughTime(AbstractLearningRule):
    """The gradient of the cost after some more steps of the free phase, through those steps.

    From the free state it takes `num_steps` steps and differentiates through them. At an
    equilibrium and for many steps that is the exact gradient; few steps truncate it. With a
    free phase of `FixedSteps(0)` it is the full gradient of a relaxation of `num_steps` steps.

    **Arguments:**

    - `free`: the phase before, which is not differentiated; its method takes the steps too.
    - `num_steps`: how many steps are differentiated. Memory grows with them.

    A unit that a step leaves exactly at 0 or 1 passes half of its slope on, as JAX differentiates
    a clip there; it matters while states start at a bound, and not at an equilibrium.

    **References:** Ernoult, Grollier, Querlioz, Bengio and Scellier, "Updates of equilibrium prop
    match gradients of backprop through time in an RNN with static input", NeurIPS (2019).

    >>> import eqprop
    >>> settle = eqprop.Phase(eqprop.Euler(0.3), eqprop.Residual(1e-4, max_steps=300))
    >>> eqprop.BackpropagationThroughTime(settle, 30).num_steps
    30
    """

    free: Phase
    num_steps: int = eqx.field(static=True)

    def __check_init__(self) -> None:
        if self.num_steps < 1:
            raise ConfigError(f"`num_steps` must be 1 or more, got {self.num_steps}. Try 30.")

    def check(self, network: Network) -> None:
        pass

    def work(self, wires: Wires, free_steps: float, other_steps: float) -> Work:
        # Backwards, every differentiated step passes a message each way along a connection, and
        # adds both directions' share to its correction.
        back = relaxation(wires, self.num_steps)
        share = wires.from_input + relaxation(wires, self.num_steps)
        return Work(wires.from_input + relaxation(wires, free_steps), back, share)

    def estimate(self, network: Network, batch: Batch, *, axis: str | None = None) -> Estimate:
        method = self.free.method
        clamped = network.energy.clamp(batch.x)
        before = self.free.relax(clamped, batch.states, batch.key)
        own = batch.key if batch.part is None else jax.random.fold_in(batch.key, batch.part)

        @eqx.filter_grad(has_aux=True)
        def slope(network: Network) -> tuple[Array, Array]:
            energy = method.prepare(network.energy.clamp(batch.x))

            def step(carry: tuple[Array, Any], number: Array) -> tuple[tuple[Array, Any], None]:
                key = jax.random.fold_in(own, before.steps + number)
                return method.step(energy, *carry, key)[:2], None

            start = before.state, method.init(energy, before.state)
            (end, _), _ = lax.scan(step, start, jnp.arange(self.num_steps))
            costs = jax.vmap(network.cost)(network.output(end), batch.target)
            return dot(batch.weights, costs), end

        gradient, end = slope(network)
        free = observe(
            clamped,
            end,
            method,
            self.free.termination,
            before.steps + self.num_steps,
        )
        report = Report(free, (), jnp.zeros((), end.dtype))
        return Estimate(summed(network.constrain(gradient), axis), end, report)
