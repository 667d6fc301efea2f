"""The difference of two phases as a state of its own, which rounding does not drown."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from eqprop.energy.activation import AbstractActivation
from eqprop.energy.base import AbstractBlockClampedEnergy, AbstractClampedEnergy, not_carried
from eqprop.energy.hopfield import ClampedHopfieldEnergy
from eqprop.energy.interactions import AbstractClampedInteraction, total
from eqprop.shapes import BlockUnits, PerExample, States


class Difference(AbstractBlockClampedEnergy):
    """An energy around a state s_0, as a function of e = (s - s_0) / scale.

    Layer k is measured in g^(L - k), g the weakened feedback: there a nudge of the outputs moves
    units by as much as near the outputs, while s - s_0 itself fades below rounding. What
    equilibrium it has is that of the network whose biases make s_0 its equilibrium, so that what
    the free phase left unsettled does not drown the nudge.

    **Attributes:**

    - `free`: the clamped energy E.
    - `parts`: its interactions, as they act on differences.
    - `origin`: s_0, `[batch, free units]`.
    - `held`: pulls at which units are at s_0 (`AbstractActivation.holding`).
    """

    free: ClampedHopfieldEnergy
    parts: tuple[AbstractClampedInteraction, ...]
    origin: Array
    held: Array

    @staticmethod
    def around(free: AbstractClampedEnergy, origin: Array) -> Difference:
        """The energy around `origin`. **Raises:** `ConfigError` where none is derived."""
        if not isinstance(free, ClampedHopfieldEnergy):
            raise not_carried(f"the energy {type(free).__name__}")
        parts = tuple(part.of_differences() for part in free.parts)
        held = free.activation.holding(origin, free.drawn(origin))
        return Difference(free, tuple(p for p in parts if p is not None), origin, held)

    def state(self, difference: Array) -> Array:
        """s_0 + scale * e, as far as rounding leaves anything of it."""
        return self.origin + self._scale * difference

    @property
    def block_slices(self) -> tuple[slice, ...]:
        return self.free.block_slices

    @property
    def is_parabola(self) -> bool:
        return self.free.is_parabola

    def in_blocks(self, block_size: int | None) -> Difference:
        parts = tuple(part.in_blocks(block_size) for part in self.parts)
        free = self.free.in_blocks(block_size)
        return eqx.tree_at(lambda d: (d.free, d.parts), self, (free, parts))

    def minimize_block(
        self,
        state: States,
        block: int,
        pull: BlockUnits | None = None,
        stiffness: Array | None = None,
        moved: frozenset[int] | None = None,
    ) -> BlockUnits:
        span = self.block_slices[block]
        whole = total([*(part.at_block(state, block, span, moved) for part in self.parts), pull])
        origin, held = self.origin[:, span], self.held[:, span]
        return self._activation.difference(origin, held, whole, self._scale_of(span), stiffness)

    def drawn(self, state: States, pull: States | float = 0.0) -> States:
        whole = total([*(part.pull(state) for part in self.parts), pull])
        return self._activation.difference(self.origin, self.held, whole, self._scale)

    def energy(self, state: States) -> PerExample:
        return self.free.energy(self.state(state))

    def force(self, state: States) -> States:
        return self.drawn(state) - state

    def project(self, state: States) -> States:
        return self._projected(state, slice(None))

    def project_block(self, part: BlockUnits, block: int) -> BlockUnits:
        return self._projected(part, self.block_slices[block])

    def _projected(self, part: BlockUnits, span: slice) -> Array:
        box = self._activation.box
        if box is None:
            return part
        low, high = ((end - self.origin[:, span]) / self._scale_of(span) for end in box)
        return jnp.clip(part, low, high)

    @property
    def _activation(self) -> AbstractActivation:
        return self.free.activation

    def _scale_of(self, span: slice) -> Any:
        return self._scale if self.free.feedback.is_whole else self._scale[:, span]

    @property
    def _scale(self) -> Any:
        feedback = self.free.feedback
        return feedback.per_unit(feedback.scale, self.origin.dtype)
