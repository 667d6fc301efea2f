"""Energies put together: a base and terms that a user adds to it."""

from __future__ import annotations

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from eqprop.energy.base import AbstractClampedEnergy, AbstractEnergy


class AbstractTerm(eqx.Module):
    """A term of an energy: one method, for one example; autodiff does the rest.

    The inexact arrays among the leaves are parameters that training moves.
    """

    @abc.abstractmethod
    def __call__(self, x: Array, state: Array) -> Array:
        """The term, a scalar, at inputs `[inputs]` and free units `[free units]`.

        Write it without conjugates (`jnp.dot`, not `jnp.vdot`; no `abs`) if it is to be trained
        by holomorphic equilibrium propagation.
        """


class ComposedEnergy(AbstractEnergy):
    """`base` plus terms. Its states live where those of `base` do.

    It has no block updates, since nothing is known of the terms: relax it with `Euler`.

    >>> import eqprop, jax.numpy as jnp
    >>> class Attraction(AbstractTerm):
    ...     strength: jnp.ndarray
    ...     def __call__(self, x, state):
    ...         return 0.5 * self.strength * jnp.sum((state - 0.5) ** 2)
    >>> network = eqprop.Network.initialize(eqprop.layered([4, 3, 2]), seed=0)
    >>> energy = ComposedEnergy(network.energy, (Attraction(jnp.array(0.1)),))
    >>> energy.force(jnp.ones(4), jnp.full(5, 0.5)).shape
    (5,)
    """

    base: AbstractEnergy
    terms: tuple[AbstractTerm, ...]
    layer_sizes: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, base: AbstractEnergy, terms: tuple[AbstractTerm, ...]) -> None:
        self.base, self.terms, self.layer_sizes = base, tuple(terms), base.layer_sizes

    @property
    def is_holomorphic(self) -> bool:
        return self.base.is_holomorphic

    def energy(self, x: Array, state: Array) -> Array:
        return self.base.energy(x, state) + self._added(x, state)

    def force(self, x: Array, state: Array) -> Array:
        return self.base.force(x, state) + self._added_force(x, state)

    def project(self, state: Array) -> Array:
        return self.base.project(state)

    def clamp(self, x: Array) -> ClampedComposedEnergy:
        return ClampedComposedEnergy(self, self.base.clamp(x), x)

    def constrain(self, candidate: ComposedEnergy) -> ComposedEnergy:
        return eqx.tree_at(
            lambda energy: energy.base, candidate, self.base.constrain(candidate.base)
        )

    def _added(self, x: Array, state: Array) -> Array:
        return sum((term(x, state) for term in self.terms), start=0 * state[0])

    def _added_force(self, x: Array, state: Array) -> Array:
        slope = jax.grad(self._added, argnums=1, holomorphic=jnp.iscomplexobj(state))
        return -slope(x, state)


class ClampedComposedEnergy(AbstractClampedEnergy):
    """`ComposedEnergy` with its inputs clamped to a batch `[batch, inputs]`."""

    composed: ComposedEnergy
    base: AbstractClampedEnergy
    x: Array

    def energy(self, state: Array) -> Array:
        return self.base.energy(state) + jax.vmap(self.composed._added)(self.x, state)

    def force(self, state: Array) -> Array:
        return self.base.force(state) + jax.vmap(self.composed._added_force)(self.x, state)

    def project(self, state: Array) -> Array:
        return self.base.project(state)
