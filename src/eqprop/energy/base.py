"""What an energy is: the interfaces between energies and everything that relaxes or trains them."""

from __future__ import annotations

import abc
from collections.abc import Mapping

import equinox as eqx
import numpy as np
from jax import Array

from eqprop.energy.groups import Group
from eqprop.errors import ConfigError
from eqprop.shapes import (
    BlockUnits,
    FreeUnits,
    Input,
    Inputs,
    Output,
    OutputUnits,
    PerExample,
    Scalar,
    State,
    States,
    Target,
    TargetUnits,
)
from eqprop.topology import Block, Wires


class AbstractClampedEnergy(eqx.Module):
    """An energy whose input units are clamped to a batch of examples: what a relaxation sees.

    What stays constant during a relaxation (the drive of the inputs, the assembled coupling)
    is computed once, when it is made. States are `[batch, free units]`.
    """

    @abc.abstractmethod
    def energy(self, state: States) -> PerExample:
        """Energy of each example, `[batch]`."""

    @abc.abstractmethod
    def force(self, state: States) -> States:
        """-dE/ds, `[batch, free units]`.

        With weakened feedback, over the weight of each layer: what a unit of any layer follows.
        """

    @abc.abstractmethod
    def project(self, state: States) -> States:
        """The nearest allowed state, `[batch, free units]`."""

    def at_step(self, key: Array) -> AbstractClampedEnergy:
        """What one step of a relaxation sees: the same, unless units are pulled with noise."""
        return self

    @abc.abstractmethod
    def in_blocks(self, block_size: int | None) -> AbstractBlockClampedEnergy:
        """The same energy with blocks of at most `block_size` units; whole layers for None.

        **Raises:** `ConfigError` if it cannot be minimised block by block (`without_blocks`).
        """


class AbstractBlockClampedEnergy(AbstractClampedEnergy):
    """A clamped energy that can be minimised over one block of units with the others held."""

    @property
    @abc.abstractmethod
    def block_slices(self) -> tuple[slice, ...]:
        """Where each block stands in the state; a block never reaches over a layer's end."""

    @abc.abstractmethod
    def minimize_block(
        self,
        state: States,
        block: int,
        pull: BlockUnits | None = None,
        stiffness: Array | None = None,
        moved: frozenset[int] | None = None,
    ) -> BlockUnits:
        """Where block number `block` is drawn, `[batch, size of block]`, before projection.

        The exact minimiser over the block if its units are not coupled with each other; else
        the point where the force on each unit vanishes with the rest held.

        **Arguments:**

        - `pull` `[batch, size of block]`, and `stiffness`, a scalar: of what is added to the energy
          of each unit of the block, stiffness s^2/2 - pull s.
        - `moved`: the blocks that may be other than 0, so that the others cost nothing; None for
          all.
        """

    @abc.abstractmethod
    def project_block(self, part: BlockUnits, block: int) -> BlockUnits:
        """The nearest allowed states of the units of block number `block`, `[batch, its size]`."""

    @property
    @abc.abstractmethod
    def is_parabola(self) -> bool:
        """Whether the energy is a parabola in each unit."""

    @abc.abstractmethod
    def drawn(self, state: States, pull: States | float = 0.0) -> States:
        """Where every unit is drawn with the others held, before projection.

        At an equilibrium its projection is the state.

        **Arguments:** `pull`: on the free units besides, `[batch, free units]`.
        """


class AbstractEnergy(eqx.Module):
    """E(u; theta) for one example: `x` `[inputs]` is clamped, `state` `[free units]` is free.

    The arrays of its `groups` are the parameters theta that training moves.
    """

    layer_sizes: eqx.AbstractVar[tuple[int, ...]]

    @property
    @abc.abstractmethod
    def is_holomorphic(self) -> bool:
        """Whether E has a complex derivative in the states, and every state is allowed."""

    @property
    @abc.abstractmethod
    def box(self) -> tuple[float, float] | None:
        """The bounds between which each unit's state is kept; None if every state is allowed."""

    @property
    @abc.abstractmethod
    def has_blocks(self) -> bool:
        """Whether block coordinate descent can relax it."""

    @abc.abstractmethod
    def energy(self, x: Input, state: State) -> Scalar:
        """E, a scalar."""

    @abc.abstractmethod
    def force(self, x: Input, state: State) -> State:
        """As of `AbstractClampedEnergy`, `[free units]`."""

    @abc.abstractmethod
    def project(self, state: FreeUnits) -> FreeUnits:
        """The nearest allowed state, `[free units]`."""

    @abc.abstractmethod
    def clamp(self, x: Inputs) -> AbstractClampedEnergy:
        """Clamps the input units to a batch of examples `[batch, inputs]`."""

    @abc.abstractmethod
    def groups(self) -> tuple[Group, ...]:
        """Its parameters, group by group."""

    @abc.abstractmethod
    def wires(self) -> Wires:
        """How many connections it has: what a step and a correction cost in multiply-adds."""

    @abc.abstractmethod
    def couplings(self) -> Mapping[Block, np.ndarray]:
        """The couplings between layers `(post, pre)` on the host; empty where it has none.

        `[size of post, size of pre]`; inside a layer strictly lower triangular.
        """

    def couplings_back(self) -> Mapping[Block, np.ndarray]:
        """By what the earlier unit of a connection is pulled, as `couplings`.

        Alike, unless the two directions of a connection differ.
        """
        return self.couplings()


class AbstractCost(eqx.Module):
    """C(y) of one example: `output` `[outputs]` against `target` `[targets]`.

    The inexact arrays among the leaves, if any, are parameters that training moves.
    """

    @abc.abstractmethod
    def __call__(self, output: Output, target: Target) -> Scalar:
        """C, a scalar."""

    @abc.abstractmethod
    def force(self, output: OutputUnits, target: TargetUnits) -> OutputUnits:
        """-dC/dy, `[outputs]`; works on `[batch, outputs]` as well."""

    @abc.abstractmethod
    def curvature(self) -> float | None:
        """The second derivative in each output if C is a sum of parabolas, one per output.

        None for any other cost: then the outputs have no minimum in closed form.
        """

    @abc.abstractmethod
    def scores(self, output: OutputUnits) -> TargetUnits:
        """What is compared with the target: `[..., outputs]` to `[..., targets]`.

        The largest score is the class that the network says.
        """

    @abc.abstractmethod
    def num_targets(self, num_outputs: int) -> int:
        """Length of a target for so many output units."""


def without_blocks(what: str, why: str) -> ConfigError:
    """The error for block updates of something that has none."""
    return ConfigError(
        f"{what} must offer block updates for `BlockCoordinateDescent`, which it does not: {why}. "
        "Relax it with `Euler`."
    )


def not_carried(what: str) -> ConfigError:
    """The error for a carried difference where none is derived."""
    return ConfigError(
        f"{what} must say how differences of states move for a carried difference, which it does "
        "not. Subtract the two phases instead: carried=False, learning.carried = false of a run."
    )
