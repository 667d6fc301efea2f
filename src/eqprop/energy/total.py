"""What is relaxed in a second phase: F = E + beta C (Eq. 4), or E with its outputs held."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from eqprop.energy.base import (
    AbstractBlockClampedEnergy,
    AbstractClampedEnergy,
    AbstractCost,
    without_blocks,
)
from eqprop.shapes import BlockUnits, PerExample, States


class TotalEnergy(AbstractBlockClampedEnergy):
    """`free` + beta C on its output units, the last ones. States are `[batch, free units]`.

    **Attributes:**

    - `free`: the clamped energy E.
    - `cost`, `target` `[batch, targets]`, `beta`: of the nudge. beta may be negative.
    - `num_outputs`: output units (default: as many as targets).
    - `offset`: `[batch, outputs]`, what is added to the output units of a state before the cost
      sees them, where states are differences; None for nothing.
    """

    free: AbstractClampedEnergy
    cost: AbstractCost
    beta: Array
    target: Array
    num_outputs: int = eqx.field(static=True)
    offset: Array | None

    def __init__(
        self,
        free: AbstractClampedEnergy,
        cost: AbstractCost,
        beta: Array,
        target: Array,
        num_outputs: int | None = None,
        offset: Array | None = None,
    ) -> None:
        self.free, self.cost, self.beta, self.target = free, cost, beta, target
        self.num_outputs = target.shape[1] if num_outputs is None else num_outputs
        self.offset = offset

    @property
    def output(self) -> slice:
        """Where the output units stand in a state."""
        return slice(-self.num_outputs, None)

    def energy(self, state: States) -> PerExample:
        costs = jax.vmap(self.cost)(self._compared(state), self.target)
        return self.free.energy(state) + self.beta * costs

    def at_step(self, key: Array) -> TotalEnergy:
        return eqx.tree_at(lambda total: total.free, self, self.free.at_step(key))

    def force(self, state: States) -> States:
        return self.nudge(self.free.force(state), state, self.beta)

    def project(self, state: States) -> States:
        return self.free.project(state)

    def nudge(self, addend: Array, state: States, strength: Array | float) -> Array:
        """`addend` plus `strength` times the force of the cost on the output units of `state`."""
        pull = self.cost.force(self._compared(state), self.target)
        return addend.at[:, self.output].add(strength * pull)

    @property
    def block_slices(self) -> tuple[slice, ...]:
        return self._blocks.block_slices

    def in_blocks(self, block_size: int | None) -> TotalEnergy:
        free = self.free.in_blocks(block_size)
        if free.is_parabola and self.cost.curvature() is None:
            name = type(self.cost).__name__
            raise without_blocks("the cost of a nudged phase", f"{name} is no parabola per output")
        return eqx.tree_at(lambda total: total.free, self, free)

    def project_block(self, part: BlockUnits, block: int) -> BlockUnits:
        return self._blocks.project_block(part, block)

    def minimize_block(
        self,
        state: States,
        block: int,
        pull: BlockUnits | None = None,
        stiffness: Array | None = None,
        moved: frozenset[int] | None = None,
    ) -> BlockUnits:
        span, hidden = self.block_slices[block], state.shape[1] - self.num_outputs
        if span.start < hidden:
            return self._blocks.minimize_block(state, block, pull, stiffness, moved)
        curvature = self.cost.curvature()
        if curvature is None:  # no closed form: the pull of the cost where the outputs are now
            own = self.beta * self.cost.force(self._compared(state), self.target)
            own = own[:, span.start - hidden : span.stop - hidden]
        else:
            nudge = self.beta * curvature
            middle = self.target if self.offset is None else self.target - self.offset
            own = nudge * middle[:, span.start - hidden : span.stop - hidden]
            stiffness = nudge if stiffness is None else stiffness + nudge
        return self._blocks.minimize_block(
            state, block, own if pull is None else own + pull, stiffness, moved
        )

    @property
    def is_parabola(self) -> bool:
        return self._blocks.is_parabola

    def drawn(self, state: States, pull: States | float = 0.0) -> States:
        nudge = self.nudge(jnp.zeros_like(state), state, self.beta)
        return self._blocks.drawn(state, nudge + pull)

    def _compared(self, state: States) -> Array:
        output = state[:, self.output]
        return output if self.offset is None else output + self.offset

    @property
    def _blocks(self) -> AbstractBlockClampedEnergy:
        return _with_blocks(self.free)


class HeldOutputs(AbstractBlockClampedEnergy):
    """`free` with its output units, the last ones, held where they are.

    **Attributes:**

    - `free`: the clamped energy E.
    - `outputs`: `[batch, outputs]`, where they are held. A relaxation starts there (`project`),
      and stays.
    """

    free: AbstractClampedEnergy
    outputs: Array

    def start(self, state: States) -> States:
        """`state` with its output units at their place."""
        return state.at[:, -self.outputs.shape[1] :].set(self.outputs)

    def energy(self, state: States) -> PerExample:
        return self.free.energy(state)

    def at_step(self, key: Array) -> HeldOutputs:
        return eqx.tree_at(lambda held: held.free, self, self.free.at_step(key))

    def force(self, state: States) -> States:
        return self.free.force(state).at[:, -self.outputs.shape[1] :].set(0)

    def project(self, state: States) -> States:
        return self.start(self.free.project(state))

    @property
    def block_slices(self) -> tuple[slice, ...]:
        return self._blocks.block_slices

    def in_blocks(self, block_size: int | None) -> HeldOutputs:
        return eqx.tree_at(lambda held: held.free, self, self.free.in_blocks(block_size))

    def project_block(self, part: BlockUnits, block: int) -> BlockUnits:
        return self._blocks.project_block(part, block)

    def minimize_block(
        self,
        state: States,
        block: int,
        pull: BlockUnits | None = None,
        stiffness: Array | None = None,
        moved: frozenset[int] | None = None,
    ) -> BlockUnits:
        span, hidden = self.block_slices[block], state.shape[1] - self.outputs.shape[1]
        if span.start < hidden:
            return self._blocks.minimize_block(state, block, pull, stiffness, moved)
        return self.outputs[:, span.start - hidden : span.stop - hidden]

    @property
    def is_parabola(self) -> bool:
        return self._blocks.is_parabola

    def drawn(self, state: States, pull: States | float = 0.0) -> States:
        return self.start(self._blocks.drawn(state, pull))

    @property
    def _blocks(self) -> AbstractBlockClampedEnergy:
        return _with_blocks(self.free)


def _with_blocks(energy: AbstractClampedEnergy) -> AbstractBlockClampedEnergy:
    assert isinstance(energy, AbstractBlockClampedEnergy)  # `in_blocks` made sure
    return energy
