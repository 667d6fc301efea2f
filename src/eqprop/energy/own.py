"""Energies of the user's: one that autodiff relaxes and trains, without anything else."""

from __future__ import annotations

import abc
from collections.abc import Mapping

import jax
import numpy as np
from jax import Array

from eqprop.energy.base import (
    AbstractBlockClampedEnergy,
    AbstractClampedEnergy,
    AbstractEnergy,
    without_blocks,
)
from eqprop.energy.groups import Group, groups_of
from eqprop.shapes import FreeUnits, Input, Inputs, PerExample, Scalar, State, States
from eqprop.topology import Block, Wires


class AbstractOwnEnergy(AbstractEnergy):
    """An energy that is written down for one example; autodiff gives all else.

    Its inexact arrays are trained, recorded, saved and audited. It is relaxed by `Euler`.

    >>> import equinox as eqx, jax.numpy as jnp
    >>> class Springs(AbstractOwnEnergy):
    ...     stiffness: jnp.ndarray
    ...     layer_sizes: tuple[int, ...] = eqx.field(static=True)
    ...     def energy(self, x, state):
    ...         return 0.5 * jnp.sum((state - self.stiffness @ x) ** 2)
    ...     def project(self, state):
    ...         return state
    >>> energy = Springs(stiffness=jnp.ones((3, 2)), layer_sizes=(2, 1, 2))
    >>> energy.force(jnp.ones(2), jnp.zeros(3))
    Array([2., 2., 2.], dtype=float32)
    >>> [group.name for group in energy.groups()]
    ['energy_stiffness']
    """

    @abc.abstractmethod
    def energy(self, x: Input, state: State) -> Scalar:
        """E, a scalar, at inputs `[inputs]` and free units `[free units]`."""

    @abc.abstractmethod
    def project(self, state: FreeUnits) -> FreeUnits:
        """The nearest allowed state; the state itself if all are allowed."""

    @property
    def is_holomorphic(self) -> bool:
        return False

    @property
    def box(self) -> None:
        return None

    @property
    def has_blocks(self) -> bool:
        return False

    def force(self, x: Input, state: State) -> State:
        return -jax.grad(self.energy, argnums=1)(x, state)

    def clamp(self, x: Inputs) -> ClampedOwnEnergy:
        return ClampedOwnEnergy(self, x)

    def groups(self) -> tuple[Group, ...]:
        return groups_of(self, "energy")

    def wires(self) -> Wires:
        return Wires(0, 0, sum(self.layer_sizes[1:]))

    def couplings(self) -> Mapping[Block, np.ndarray]:
        return {}


class ClampedOwnEnergy(AbstractClampedEnergy):
    """`AbstractOwnEnergy` with its inputs clamped to a batch `[batch, inputs]`."""

    own: AbstractOwnEnergy
    x: Array

    def energy(self, state: States) -> PerExample:
        return jax.vmap(self.own.energy)(self.x, state)

    def force(self, state: States) -> States:
        return jax.vmap(self.own.force)(self.x, state)

    def project(self, state: States) -> States:
        return jax.vmap(self.own.project)(state)

    def in_blocks(self, block_size: int | None) -> AbstractBlockClampedEnergy:
        raise without_blocks("the energy", f"nothing is known of {type(self.own).__name__}")
