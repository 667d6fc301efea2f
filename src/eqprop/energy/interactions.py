"""What an energy is made of beside its units: interactions, each with its own parameters."""

from __future__ import annotations

import abc
import dataclasses
import functools
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from eqprop.energy.base import not_carried, without_blocks
from eqprop.energy.feedback import Feedback
from eqprop.energy.groups import Group, groups_of
from eqprop.energy.products import dot
from eqprop.shapes import BlockShared, Input, Inputs, PerExample, Scalar, State, States
from eqprop.topology import Block


@dataclasses.dataclass(frozen=True)
class Seen:
    """What an interaction sees of one example.

    **Attributes:** `x` `[inputs]` and `state` `[free units]`; the same layer by layer, input first:
    `states`, and `active`, rho of them (the inputs as they are); `feedback`, what layers weigh.
    """

    x: Array
    state: Array
    states: Sequence[Array]
    active: Sequence[Array]
    feedback: Feedback


class AbstractClampedInteraction(eqx.Module):
    """An interaction with its inputs clamped to a batch.

    What is 0 everywhere is told as None, so that it costs nothing.
    """

    @abc.abstractmethod
    def energy(self, state: States, active: States) -> PerExample:
        """Its share of the energy, `[batch]`, at states and activities `[batch, free units]`."""

    @abc.abstractmethod
    def pull(self, active: States) -> States | None:
        """Minus its slope in the activities, over the weight of each layer, `[batch, units]`."""

    @abc.abstractmethod
    def push(self, state: States) -> Array | None:
        """The same in the states where it acts on these, `[batch, free units]`."""

    def at_step(self, key: Array) -> AbstractClampedInteraction:
        """As `AbstractClampedEnergy.at_step`."""
        return self

    @abc.abstractmethod
    def in_blocks(self, block_size: int | None) -> AbstractClampedInteraction:
        """The same, ready for `at_block`. **Raises:** `ConfigError` where it has no blocks."""

    @abc.abstractmethod
    def at_block(
        self, state: States, block: int, span: slice, moved: frozenset[int] | None
    ) -> BlockShared:
        """`pull` and `push` together at the units `span` of a block, where rho is the identity.

        **Arguments:** `moved`: as of `AbstractBlockClampedEnergy.minimize_block`.
        """

    @abc.abstractmethod
    def of_differences(self) -> AbstractClampedInteraction | None:
        """Its pull on differences of states, each measured in `Feedback.scale`; None for none.

        **Raises:** `ConfigError` where it is not known.
        """


class AbstractInteraction(eqx.Module):
    """A part of an energy: what it adds, its pull on the units, its parameters, its work."""

    @property
    @abc.abstractmethod
    def has_blocks(self) -> bool:
        """Whether it is a parabola in the units of any block."""

    @property
    @abc.abstractmethod
    def carries_differences(self) -> bool:
        """Whether `change` is known."""

    @abc.abstractmethod
    def energy(self, seen: Seen) -> Scalar:
        """Its share of the energy of one example, a scalar."""

    @abc.abstractmethod
    def change(self, seen: Seen, differences: Sequence[Array]) -> Scalar:
        """By what its energy changes when every layer moves by `Feedback.scale` * its difference.

        **Arguments:** `differences`: per free layer, `[size of layer]`; rho is the identity.
        """

    @abc.abstractmethod
    def clamp(self, x: Inputs, feedback: Feedback) -> AbstractClampedInteraction:
        """Clamps the input units to a batch of examples `[batch, inputs]`."""

    @abc.abstractmethod
    def groups(self, prefix: str) -> tuple[Group, ...]:
        """Its parameters; `prefix` begins the names of those that have none of their own."""

    @abc.abstractmethod
    def messages(self) -> tuple[int, int]:
        """Multiply-adds of its pull: those from the inputs, once a phase, and those of each step.

        Of a step each connection counts once, though a message goes each way.
        """

    @abc.abstractmethod
    def couplings(self) -> Mapping[Block, np.ndarray]:
        """As `AbstractEnergy.couplings`."""


class AbstractTerm(AbstractInteraction):
    """A term of an energy: one method, for one example; autodiff does the rest.

    The inexact arrays among the leaves are parameters that training moves.
    """

    @abc.abstractmethod
    def __call__(self, x: Input, state: State) -> Scalar:
        """The term, a scalar, at inputs `[inputs]` and free units `[free units]`.

        Write it without conjugates (`jnp.dot`, not `jnp.vdot`; no `abs`) if it is to be trained
        by holomorphic equilibrium propagation.
        """

    @property
    def has_blocks(self) -> bool:
        return False

    @property
    def carries_differences(self) -> bool:
        return False

    def energy(self, seen: Seen) -> Scalar:
        return self(seen.x, seen.state)

    def change(self, seen: Seen, differences: Sequence[Array]) -> Scalar:
        raise not_carried(f"the term {type(self).__name__}")

    def clamp(self, x: Inputs, feedback: Feedback) -> ClampedTerm:
        return ClampedTerm(self, x, feedback)

    def groups(self, prefix: str) -> tuple[Group, ...]:
        return groups_of(self, prefix)

    def messages(self) -> tuple[int, int]:
        return 0, 0

    def couplings(self) -> Mapping[Block, np.ndarray]:
        return {}


class ClampedTerm(AbstractClampedInteraction):
    """`AbstractTerm` with its inputs clamped to a batch `[batch, inputs]`."""

    term: AbstractTerm
    x: Array
    feedback: Feedback = eqx.field(static=True)

    def energy(self, state: States, active: States) -> PerExample:
        return jax.vmap(self.term)(self.x, state)

    def pull(self, active: States) -> None:
        return None

    def push(self, state: States) -> Array:
        slope = jax.grad(self.term.__call__, argnums=1, holomorphic=jnp.iscomplexobj(state))
        pushes = -jax.vmap(slope)(self.x, state)
        if self.feedback.is_whole:
            return pushes
        return pushes / self.feedback.per_unit(self.feedback.weight, self.x.dtype)

    def in_blocks(self, block_size: int | None) -> AbstractClampedInteraction:
        raise without_blocks("every term of the energy", f"{type(self.term).__name__} has none")

    def at_block(
        self, state: States, block: int, span: slice, moved: frozenset[int] | None
    ) -> BlockShared:
        return self.push(state)[:, span]

    def of_differences(self) -> AbstractClampedInteraction:
        raise not_carried(f"the term {type(self.term).__name__}")


class Biases(AbstractInteraction):
    """-b'u, a bias on the state of every free unit (Eq. 2).

    **Attributes:** `values`: `{layer: [size of layer]}` for every free layer.
    """

    values: dict[int, Array]

    @property
    def has_blocks(self) -> bool:
        return True

    @property
    def carries_differences(self) -> bool:
        return True

    def energy(self, seen: Seen) -> Scalar:
        products = (
            seen.feedback.weight(layer) * dot(bias, seen.states[layer])
            for layer, bias in self.values.items()
        )
        return -functools.reduce(operator.add, products)

    def change(self, seen: Seen, differences: Sequence[Array]) -> Scalar:
        # The weight of a layer and the scale of its differences cancel.
        products = (dot(bias, differences[layer - 1]) for layer, bias in self.values.items())
        return -functools.reduce(operator.add, products)

    def clamp(self, x: Inputs, feedback: Feedback) -> ClampedBiases:
        values = jnp.concatenate([self.values[layer] for layer in sorted(self.values)])
        return ClampedBiases(values, feedback)

    def groups(self, prefix: str) -> tuple[Group, ...]:
        return tuple(
            Group(f"biases_{k}", f"biases {k}", lambda tree, k=k: tree.values[k], "biases", (k,))
            for k in self.values
        )

    def messages(self) -> tuple[int, int]:
        return 0, 0

    def couplings(self) -> Mapping[Block, np.ndarray]:
        return {}


class ClampedBiases(AbstractClampedInteraction):
    """`Biases` as they act on a state: `values` `[free units]`."""

    values: Array
    feedback: Feedback = eqx.field(static=True)

    def energy(self, state: States, active: States) -> PerExample:
        weight = self.feedback.per_unit(self.feedback.weight, self.values.dtype)
        return -jnp.sum(weight * self.values[None] * state, axis=1)

    def pull(self, active: States) -> None:
        return None

    def push(self, state: States) -> Array:
        return self.values[None]

    def in_blocks(self, block_size: int | None) -> ClampedBiases:
        return self

    def at_block(
        self, state: States, block: int, span: slice, moved: frozenset[int] | None
    ) -> BlockShared:
        return self.values[None, span]

    def of_differences(self) -> None:
        return None


def total(parts: Iterable[Any]) -> Any:
    """The sum of those that are not None."""
    return sum(part for part in parts if part is not None)
