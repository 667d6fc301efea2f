"""Block coordinate descent: one block of units after the other goes to its minimum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from eqprop.energy import (
    AbstractBlockClampedEnergy,
    AbstractClampedEnergy,
    HeldOutputs,
    Network,
    TotalEnergy,
)
from eqprop.energy.linear import linear
from eqprop.errors import ConfigError, unknown_name
from eqprop.relaxation.base import is_traced, projected_residual
from eqprop.relaxation.euler import check_step_size
from eqprop.relaxation.moves import AbstractLinearRelaxation, Kernel, Moves
from eqprop.shapes import PerExample, States

Order = Literal["forwards", "backwards", "alternating"]


Turn = Array | None
"""Whether the next sweep goes backwards; None where all go one way."""


class BlockCoordinateDescent(AbstractLinearRelaxation):
    """Each block of units in turn, input side first: s_k <- project(s_k + w (W u + b - s_k)).

    w is the step size. A block is a layer, or with `block_size` a part of one. With w = 1 a
    layer without intralayer connections goes to its exact minimum with the others held, so the
    energy never rises; 20 sweeps get as far as 100 Euler steps. Above 1 it is over-relaxation,
    which settles in half as many sweeps or fewer. With intralayer connections a sweep can raise
    the energy unless w < `monotone_bound`, and small blocks raise that bound: where whole
    layers of 500 fall into cycles beyond w = 1.2, blocks of 100 settle up to 1.6.
    In a nudged phase the output layer is drawn to (d + c beta y)/(1 + c beta), where d is its
    drive and c the curvature of the cost; that needs 1 + c beta > 0.

    **Arguments:**

    - `step_size`: w, above 0 and below 2.
    - `block_size`: the most units that are updated at once (default: whole layers). A layer
      whose units are not coupled with each other is not split: its units move alike one by one
      or at once.
    - `order`: of the blocks in a sweep: `"forwards"`, input side first; `"backwards"`, which a
      nudge of the outputs takes to the inputs in one sweep; `"alternating"`, forwards first.
    - `kernel`: who takes the steps on a GPU.

    **Raises:** `ConfigError` for an energy without block updates.

    **References:** over-relaxation of projected Gauss-Seidel: Cryer, "The solution of a
    quadratic programming problem using systematic overrelaxation", SIAM J. Control 9 (1971).
    """

    step_size: Array = eqx.field(default=1.0, converter=jnp.asarray)
    block_size: int | None = eqx.field(default=None, static=True)
    order: Order = eqx.field(default="forwards", static=True)
    kernel: Kernel = eqx.field(default=Kernel(), static=True)

    def __check_init__(self) -> None:
        check_step_size(self.step_size)
        if not is_traced(self.step_size) and not bool(self.step_size < 2):
            raise ConfigError(
                f"`step_size` must be below 2 for block coordinate descent, got "
                f"{float(self.step_size):g}. From 2 on no network settles. Try 1.5 with blocks of "
                "64 units."
            )
        if self.block_size is not None and self.block_size < 1:
            raise ConfigError(f"`block_size` must be 1 or more, got {self.block_size}. Try 64.")
        if self.order not in get_args(Order):
            raise ConfigError(unknown_name("order", self.order, get_args(Order)))

    def prepare(self, energy: AbstractClampedEnergy) -> AbstractBlockClampedEnergy:
        return energy.in_blocks(self.block_size)

    def init(self, prepared: AbstractClampedEnergy, state: States) -> Turn:
        return jnp.asarray(False) if self.order == "alternating" else None  # whether to go back

    def step(
        self, prepared: AbstractClampedEnergy, state: States, memory: Turn, key: Array | None
    ) -> tuple[States, Turn, PerExample]:
        assert isinstance(prepared, AbstractBlockClampedEnergy)  # `prepare` made sure
        blocks = self._blocks(prepared)
        if memory is None:
            state, seen = self._sweep(prepared, state, blocks)
            return state, None, seen
        state, seen = lax.cond(
            memory,
            lambda: self._sweep(prepared, state, blocks[::-1]),
            lambda: self._sweep(prepared, state, blocks),
        )
        return state, ~memory, seen

    def first(
        self, prepared: AbstractClampedEnergy, state: States, memory: Turn, key: Array | None
    ) -> tuple[States, Turn, PerExample]:
        assert isinstance(prepared, AbstractBlockClampedEnergy)  # `prepare` made sure
        state, seen = self._sweep(prepared, state, self._blocks(prepared), at_zero=True)
        return state, None if memory is None else ~memory, seen

    def _blocks(self, prepared: AbstractBlockClampedEnergy) -> range:
        """In the order of the first sweep."""
        blocks = range(len(prepared.block_slices))
        return blocks[::-1] if self.order == "backwards" else blocks

    def _sweep(
        self,
        prepared: AbstractBlockClampedEnergy,
        state: States,
        blocks: Sequence[int],
        *,
        at_zero: bool = False,
    ) -> tuple[Array, Array]:
        # Read where the sweep began, written in place: with `state` for `start`, or `.at[].set`,
        # each block would copy the whole state.
        start, slices = state, prepared.block_slices
        widest = max(span.stop - span.start for span in slices)
        off = jnp.zeros((len(state), widest), state.dtype)
        for number, block in enumerate(blocks):
            moved, span = frozenset(blocks[:number]) if at_zero else None, slices[block]
            here = start[:, span]
            drawn = prepared.minimize_block(state, block, moved=moved) - here
            there = prepared.project_block(here + self.step_size * drawn, block)
            far = jnp.abs(prepared.project_block(here + drawn, block) - here)
            off = jnp.maximum(off, jnp.pad(far, ((0, 0), (0, widest - far.shape[1]))))
            state = lax.dynamic_update_slice_in_dim(state, there, span.start, axis=1)
        return state, jnp.max(off, axis=1)

    def residual(self, energy: AbstractClampedEnergy, state: States) -> PerExample:
        return projected_residual(energy, state)

    @property
    def taken_by(self) -> Kernel:
        return self.kernel

    def moves(self, prepared: AbstractClampedEnergy) -> Moves | None:
        around = prepared if isinstance(prepared, TotalEnergy | HeldOutputs) else None
        found = linear(prepared if around is None else around.free)
        if found is None or self.order != "forwards":
            return None
        step = self.step_size.astype(found.drive.dtype)
        gain, push = jnp.full(found.drive.shape[1], step), step * found.drive
        if isinstance(around, TotalEnergy):
            curvature = around.cost.curvature()
            assert curvature is not None  # `in_blocks` made sure
            stiffness = around.beta * curvature
            drawn = (found.drive[:, around.output] + stiffness * around.target) / (1 + stiffness)
            gain = gain.at[around.output].set(step / (1 + stiffness))
            push = push.at[:, around.output].set(step * drawn)
        elif around is not None:
            held = slice(-around.outputs.shape[1], None)
            gain = gain.at[held].set(0)
            push = push.at[:, held].set(step * around.outputs)
        keep = jnp.full(found.drive.shape[1], 1 - step)
        return Moves(found, keep, gain, push, step, found.blocks)


def monotone_bound(network: Network, block_size: int | None = None) -> float:
    """Below this step size a sweep of block coordinate descent cannot raise the energy.

    2 / (1 - lambda_min), lambda_min the smallest eigenvalue of the couplings inside the
    blocks; sufficient, not necessary: units held at a bound do not take part. Without
    intralayer connections it is 2. Costs an eigenvalue decomposition per block on the host:
    compute it once in a while.

    **Arguments:**

    - `block_size`: as in `BlockCoordinateDescent`.

    >>> import eqprop
    >>> monotone_bound(eqprop.Network.initialize(eqprop.layered([4, 3, 2]), seed=0))
    2.0
    """
    lowest = [0.0]
    for (post, pre), lower in network.energy.couplings().items():
        if post != pre:
            continue
        coupling = lower + lower.T
        step = block_size or len(coupling)
        for start in range(0, len(coupling), step):
            part = coupling[start : start + step, start : start + step].astype(np.float64)
            lowest.append(float(np.linalg.eigvalsh(part)[0]))
    return 2 / (1 - min(lowest))
