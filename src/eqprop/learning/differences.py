"""The gradient as a difference of slopes of F: what all contrastive rules share."""

from __future__ import annotations

import abc
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax

from eqprop.energy import HopfieldEnergy, Network
from eqprop.energy.products import dot
from eqprop.learning.base import (
    AbstractLearningRule,
    Again,
    Batch,
    Estimate,
    Report,
    gathered,
    stacked,
    summed,
)
from eqprop.relaxation import AbstractRelaxation, AbstractTermination
from eqprop.shapes import Inputs, PerExample, States, Targets

Slope = tuple[Array | float, Array]
"""Coefficient, and states `[batch, free units]`, or differences from those of the free phase."""


def contrast(
    network: Network,
    x: Inputs,
    slopes: Sequence[Slope],
    example_weights: PerExample,
    *,
    origin: States | None = None,
    axis: str | None = None,
) -> Network:
    """The sum over slopes of coefficient * dE/dtheta at its states, real part.

    **Arguments:**

    - `slopes`: of two states with coefficients c and -c for a difference; coefficients and states
      may be complex.
    - `example_weights`: `[batch]`; the sum over the examples is weighted by them.
    - `origin`: `[batch, free units]`, where the states of the slopes are differences from it, each
      layer measured in `Feedback.scale`: then what dE/dtheta is more than there.
    - `axis`: see `AbstractLearningRule.estimate`.

    **Returns:** in the structure of `network`, zero where no connection exists.
    """
    return network.constrain(_contrast(network, x, slopes, example_weights, origin, axis))


def _contrast(
    network: Network,
    x: Inputs,
    slopes: Sequence[Slope],
    example_weights: PerExample,
    origin: States | None,
    axis: str | None,
) -> Network:
    """The same, with whatever comes out where no connection exists."""
    own = x, example_weights[:, None], *(states for _, states in slopes)
    if origin is not None:
        own = (*own, origin)
    alone = axis is not None and len(x) * len(slopes) >= _MANY
    x, shares, *states = own if alone else gathered(own, axis)
    origin = states.pop() if origin is not None else None
    # All states side by side in one batch, with their coefficients: autodiff then makes one
    # matrix product per pair of layers, never a product per example.
    coefficients = jnp.concatenate([coefficient * shares[:, 0] for coefficient, _ in slopes])
    x, whole = jnp.tile(x, (len(slopes), 1)), jnp.concatenate(states)

    @eqx.filter_grad
    def slope(network: Network) -> Array:
        energy = network.energy
        if origin is None:
            return jnp.real(dot(coefficients, jax.vmap(energy.energy)(x, whole)))
        assert isinstance(energy, HopfieldEnergy)  # `check_difference` made sure
        starts = jnp.tile(origin, (len(slopes), 1))
        return dot(coefficients, jax.vmap(energy.change)(x, starts, whole))

    return summed(slope(network), axis) if alone else slope(network)


_READ = 2**31 - 3
"""The stream of what is read of states, beside those of a rule."""

_MANY = 64
"""States of a device from which on it pays to sum up gradients instead of handing states round."""


def _readout(
    network: Network, target: Targets, states: States, example_weights: PerExample, axis: str | None
) -> Network | None:
    """dC/dtheta at the free states; None for a cost without parameters.

    Those of a cost stand outside the energy: at the nudged states they would learn what the
    outputs were nudged to.
    """
    if not jax.tree.leaves(eqx.filter(network.cost, eqx.is_inexact_array)):
        return None

    @eqx.filter_grad
    def slope(network: Network) -> Array:
        return dot(example_weights, jax.vmap(network.cost)(network.output(states), target))

    return summed(slope(network), axis)


def _gradient(network: Network, batch: Batch, found: Phases, axis: str | None) -> Network:
    """What phases say of energy and cost, with whatever comes out where no connection exists."""
    weights, slopes, free, origin = batch.weights, found.slopes, found.free_states, found.origin
    if batch.seen is not None:
        key = jax.random.fold_in(batch.key, _READ)
        if axis is not None:  # each device has examples of its own
            key = jax.random.fold_in(key, lax.axis_index(axis))
        keys = jax.random.split(key, len(slopes) + 2)
        slopes = tuple((c, batch.seen(k, s)) for k, (c, s) in zip(keys[2:], slopes, strict=True))
        free = batch.seen(keys[0], free)
        origin = None if origin is None else batch.seen(keys[1], origin)
    contrast = _contrast(network, batch.x, slopes, weights, origin, axis)
    readout = _readout(network, batch.target, free, weights, axis)
    return contrast if readout is None else jax.tree.map(jnp.add, contrast, readout)


class Phases(eqx.Module):
    """Where the phases of a contrastive rule settled.

    **Attributes:**

    - `slopes`: whose sum is the gradient (`contrast`). Coefficients are numbers that follow from
      the key alone, the same for every example.
    - `free_states`: `[batch, free units]`, to be kept as persistent particles.
    - `report`: how the phases settled.
    - `origin`: as of `contrast`; None where slopes hold states.
    """

    slopes: tuple[Slope, ...]
    free_states: States
    report: Report
    origin: States | None = None

    def outputs(self, network: Network) -> list[tuple[Array | float, Array]]:
        """Coefficients and output units that are compared, `[batch, outputs]`."""
        ends = [(coefficient, network.output(states)) for coefficient, states in self.slopes]
        if self.origin is None:
            return ends
        start = network.output(self.origin)
        rest = -sum(coefficient for coefficient, _ in ends)
        return [*((coefficient, start + end) for coefficient, end in ends), (rest, start)]


class AbstractContrastiveRule(AbstractLearningRule):
    """A rule whose gradient is a difference of slopes of F at the ends of its phases."""

    @abc.abstractmethod
    def phases(
        self,
        network: Network,
        x: Inputs,
        target: Targets,
        states: States,
        key: Array,
        *,
        again: Again | None = None,
    ) -> Phases:
        """Lets a batch settle in all phases.

        **Arguments:** as of `Batch`; `again`, the network of each later phase, where phases read it
        anew: it is handed over to rules of such batches only.
        """

    def _phases(self, network: Network, batch: Batch) -> Phases:
        own = network, batch.x, batch.target, batch.states, batch.key
        return self.phases(*own) if batch.reread is None else self.phases(*own, again=batch.again)

    def estimate(self, network: Network, batch: Batch, *, axis: str | None = None) -> Estimate:
        self.check(network)
        found = self._phases(network, batch)
        gradient = network.constrain(_gradient(network, batch, found, axis))
        return Estimate(gradient, found.free_states, found.report)

    def estimate_parts(
        self, network: Network, parts: Batch, *, axis: str | None = None
    ) -> tuple[Network, Array, Report]:
        self.check(network)
        found = [self.among(part)._phases(network, part) for part in parts.each(axis)]
        # One product for all parts: the weights are read and written once.
        whole = parts.joined()
        slopes = tuple(
            (coefficient, jnp.concatenate([one.slopes[k][1] for one in found]))
            for k, (coefficient, _) in enumerate(found[0].slopes)
        )
        states, report = stacked([(one.free_states, one.report) for one in found])
        free = jnp.concatenate([one.free_states for one in found])
        both = Phases(slopes, free, report, None if found[0].origin is None else free)
        return _gradient(network, whole, both, axis), states, report


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
