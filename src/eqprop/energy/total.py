"""F = E + beta C (Eq. 4) with inputs clamped: what the nudged phase relaxes."""

from __future__ import annotations

import equinox as eqx
import jax
from jax import Array

from eqprop.energy.base import AbstractBlockClampedEnergy, AbstractClampedEnergy, AbstractCost
from eqprop.errors import ConfigError


class TotalEnergy(AbstractBlockClampedEnergy):
    """`free` + beta C on its output units, the last ones. States are `[batch, free units]`.

    **Attributes:**

    - `free`: the clamped energy E.
    - `cost`, `target` `[batch, outputs]`, `beta`: of the nudge. beta may be negative.
    """

    free: AbstractClampedEnergy
    cost: AbstractCost
    beta: Array
    target: Array

    @property
    def output(self) -> slice:
        """Where the output units stand in a state."""
        return slice(-self.target.shape[1], None)

    def energy(self, state: Array) -> Array:
        costs = jax.vmap(self.cost)(state[:, self.output], self.target)
        return self.free.energy(state) + self.beta * costs

    def force(self, state: Array) -> Array:
        return self.nudge(self.free.force(state), state, self.beta)

    def project(self, state: Array) -> Array:
        return self.free.project(state)

    def nudge(self, addend: Array, state: Array, strength: Array | float) -> Array:
        """`addend` plus `strength` times the force of the cost on the output units of `state`."""
        pull = self.cost.force(state[:, self.output], self.target)
        return addend.at[:, self.output].add(strength * pull)

    @property
    def block_slices(self) -> tuple[slice, ...]:
        return self._blocks.block_slices

    def split(self, block_size: int) -> TotalEnergy:
        return eqx.tree_at(lambda total: total.free, self, self._blocks.split(block_size))

    def minimize_block(self, state: Array, block: int) -> Array:
        drive = self._blocks.minimize_block(state, block)
        span, hidden = self.block_slices[block], state.shape[1] - self.target.shape[1]
        if span.start < hidden:
            return drive
        target = self.target[:, span.start - hidden : span.stop - hidden]
        stiffness = self.beta * self.cost.curvature()
        return (drive + stiffness * target) / (1 + stiffness)

    @property
    def _blocks(self) -> AbstractBlockClampedEnergy:
        if not isinstance(self.free, AbstractBlockClampedEnergy):
            raise ConfigError(
                f"the energy must offer block updates here, got {type(self.free).__name__}, which "
                "has none. Relax it with `Euler`."
            )
        return self.free
