"""The gradient as a difference of slopes of F: what all contrastive rules share."""

from __future__ import annotations

import abc
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from eqprop.energy import Network
from eqprop.energy.products import dot
from eqprop.learning.base import (
    AbstractLearningRule,
    Batch,
    Estimate,
    Report,
    gathered,
    stacked,
)
from eqprop.relaxation import AbstractRelaxation, AbstractTermination

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
    return network.constrain(_contrast(network, x, target, slopes, example_weights, axis))


def _contrast(
    network: Network,
    x: Array,
    target: Array,
    slopes: Sequence[Slope],
    example_weights: Array,
    axis: str | None,
) -> Network:
    """The same, with whatever comes out where no connection exists."""
    own = x, target, example_weights[:, None], *(states for _, _, states in slopes)
    x, target, shares, *states = gathered(own, axis)
    # All states side by side in one batch, with their coefficients: autodiff then makes one
    # matrix product per pair of layers, never a product per example.
    coefficients = jnp.concatenate([coefficient * shares[:, 0] for coefficient, _, _ in slopes])
    betas = jnp.repeat(jnp.stack([jnp.asarray(beta) for _, beta, _ in slopes]), len(x))
    count = len(slopes)
    batch = (jnp.tile(x, (count, 1)), jnp.concatenate(states), jnp.tile(target, (count, 1)), betas)

    @eqx.filter_grad
    def slope(network: Network) -> Array:
        return jnp.real(dot(coefficients, jax.vmap(network.total_energy)(*batch)))

    return slope(network)


class Phases(eqx.Module):
    """Where the phases of a contrastive rule settled.

    **Attributes:**

    - `slopes`: whose sum is the gradient (`contrast`). Coefficients and betas are numbers that
      follow from the key alone, the same for every example.
    - `free_states`: `[batch, free units]`, to be kept as persistent particles.
    - `report`: how the phases settled.
    """

    slopes: tuple[Slope, ...]
    free_states: Array
    report: Report


class AbstractContrastiveRule(AbstractLearningRule):
    """A rule whose gradient is a difference of slopes of F at the ends of its phases."""

    @abc.abstractmethod
    def phases(
        self, network: Network, x: Array, target: Array, states: Array, key: Array
    ) -> Phases:
        """Lets a batch settle in all phases.

        **Arguments:** as of `Batch`.
        """

    def estimate(self, network: Network, batch: Batch, *, axis: str | None = None) -> Estimate:
        self.check(network)
        found = self.phases(network, batch.x, batch.target, batch.states, batch.key)
        gradient = contrast(network, batch.x, batch.target, found.slopes, batch.weights, axis=axis)
        return Estimate(gradient, found.free_states, found.report)

    def estimate_parts(
        self, network: Network, parts: Batch, *, axis: str | None = None
    ) -> tuple[Network, Array, Report]:
        self.check(network)
        found = [
            self.among(p).phases(network, p.x, p.target, p.states, p.key) for p in parts.each()
        ]
        # One product for all parts: the weights are read and written once.
        whole = parts.joined()
        slopes = [
            (coefficient, beta, jnp.concatenate([one.slopes[k][2] for one in found]))
            for k, (coefficient, beta, _) in enumerate(found[0].slopes)
        ]
        states, report = stacked([(one.free_states, one.report) for one in found])
        gradient = _contrast(network, whole.x, whole.target, slopes, whole.weights, axis)
        return gradient, states, report


class AbstractNudgedRule(AbstractContrastiveRule):
    """A contrastive rule whose second phase is a nudge, which can be another one.

    What the audit asks of a rule, to tell a strong nudge from a rule that is broken.
    """

    @abc.abstractmethod
    def gently(
        self, beta: float, settle: AbstractTermination, second: AbstractRelaxation
    ) -> AbstractLearningRule:
        """The same rule with a small nudge `beta` and phases that `settle`.

        **Arguments:** `second`: the relaxation of its nudged phases.
        """

    @property
    @abc.abstractmethod
    def strength(self) -> float:
        """Of its own nudge, with its sign."""

    @abc.abstractmethod
    def varied(self, size: float, steps: int) -> AbstractLearningRule:
        """The same rule with a nudge of another size and so many nudged steps at most.

        **Raises:** `ConfigError` if the nudge has no size.
        """
