"""Connections between units: masked dense blocks, and how they are laid out for a relaxation."""

from __future__ import annotations

import abc
import dataclasses
import functools
import itertools
import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from eqprop.energy.base import not_carried
from eqprop.energy.feedback import Feedback
from eqprop.energy.groups import Group, kind_of
from eqprop.energy.interactions import AbstractClampedInteraction, AbstractInteraction, Seen, total
from eqprop.energy.noise import ClampedNoise, StepNoise
from eqprop.energy.products import dot, matmul
from eqprop.shapes import BlockUnits, Inputs, PerExample, Scalar, States
from eqprop.topology import Block, Topology

Ways = tuple[Mapping[Block, Array], Mapping[Block, Array]]
"""What later units get of earlier ones, and these of later ones; one and the same as a rule."""


class Connections(AbstractInteraction):
    """-1/2 rho(u)' W rho(u) (Eq. 2), W symmetric with zero diagonal.

    Each undirected connection is stored once, in the block of its pair of layers, so symmetry is
    exact by construction; blocks inside a layer are strictly lower triangular.

    **Attributes:**

    - `weights`: `{(post, pre): [size of post, size of pre]}`; zero where no connection exists.
    - `masks`: boolean, shaped like `weights`: which connections exist.
    - `layer_sizes`: units per layer, input first.
    - `back`: shaped like `weights`: by what the earlier unit of a connection is pulled, where that
      is another number; None where both are alike. With it units settle where no energy has its
      minimum; the slopes of `energy` in the weights stay what a rule reads of states.
    - `noise`: of every step of a relaxation; None for none. The energy knows nothing of it.
    """

    weights: dict[Block, Array]
    masks: dict[Block, Array]
    layer_sizes: tuple[int, ...] = eqx.field(static=True)
    back: dict[Block, Array] | None = None
    noise: StepNoise | None = None

    @staticmethod
    def initialize(
        topology: Topology,
        key: Array,
        *,
        skip_scale: float = 0.05,
        intralayer_scale: float = 0.05,
        dtype: Any = jnp.float32,
    ) -> Connections:
        """Random weights as in sections 2.3.1 and 2.3.3; see `HopfieldEnergy.initialize`."""
        sizes = topology.layer_sizes
        weights, masks = {}, {}
        for block, mask in topology.masks.items():
            post, pre = block
            if post - pre == 1:
                bound = (6 / (sizes[post] + sizes[pre])) ** 0.5
            else:
                bound = intralayer_scale if post == pre else skip_scale
            stream = jax.random.fold_in(jax.random.fold_in(key, post), pre)
            draw = jax.random.uniform(stream, mask.shape, dtype, -bound, bound)
            weights[block] = jnp.where(mask, draw, jnp.zeros((), dtype))
            masks[block] = jnp.asarray(mask)
        return Connections(weights, masks, sizes)

    @property
    def has_blocks(self) -> bool:
        return True

    @property
    def carries_differences(self) -> bool:
        return True

    def energy(self, seen: Seen) -> Scalar:
        # `dot`, not `vdot`: for complex states nothing may be conjugated.
        products = (
            seen.feedback.weight(post) * dot(seen.active[post], matmul(weight, seen.active[pre]))
            for (post, pre), weight in self.weights.items()
        )
        return -functools.reduce(operator.add, products)

    def change(self, seen: Seen, differences: Sequence[Array]) -> Scalar:
        # g^(post - L) (s_post' W s_pre at the end - at the start), with s_k + g^(L - k) e_k for
        # the end: no power of g that grows is left, and nothing is subtracted.
        feedback, total = seen.feedback, []
        for (post, pre), weight in self.weights.items():
            moved, before = differences[post - 1], seen.active[pre]
            if pre:
                back, e_pre = feedback.back(post, pre), differences[pre - 1]
                total.append(back * dot(seen.active[post], matmul(weight, e_pre)))
                before = before + feedback.scale(pre) * e_pre
            total.append(dot(moved, matmul(weight, before)))
        return -functools.reduce(operator.add, total)

    def clamp(self, x: Inputs, feedback: Feedback) -> ClampedConnections:
        drives = [
            matmul(x, self.weights[layer, 0].T)
            if (layer, 0) in self.weights
            else jnp.zeros((len(x), self.layer_sizes[layer]), x.dtype)
            for layer in range(1, len(self.layer_sizes))
        ]
        return ClampedConnections(
            weights=self.weights,
            back=self.back,
            blocks=_blocks(ways(self), self.layer_sizes, None, feedback.on_the_way, len(x)),
            input_drive=jnp.concatenate(drives, axis=1),
            layer_sizes=self.layer_sizes,
            feedback=feedback,
            noise=None if self.noise is None else self.noise.clamp(x, feedback),
        )

    def groups(self, prefix: str) -> tuple[Group, ...]:
        return tuple(
            Group(
                name=f"weights_{post}_{pre}",
                label=f"{post}-{pre}",
                of=lambda tree, block=(post, pre): tree.weights[block],
                kind=kind_of(post, pre),
                layers=(post, pre),
                mask=self.masks[post, pre],
                clipped=True,
            )
            for post, pre in self.weights
        )

    def messages(self) -> tuple[int, int]:
        counts = {block: int(np.asarray(mask).sum()) for block, mask in self.masks.items()}
        from_input = sum(count for (_, pre), count in counts.items() if pre == 0)
        return from_input, sum(counts.values()) - from_input

    def couplings(self) -> Mapping[Block, np.ndarray]:
        return {block: np.asarray(weight) for block, weight in self.weights.items()}


class ClampedConnections(AbstractClampedInteraction):
    """`Connections` with their inputs clamped to a batch.

    **Attributes:**

    - `weights`, `back`, `layer_sizes`: of the `Connections`.
    - `blocks`: the units that are updated at once, and what they are wired to.
    - `input_drive`: W_in x, `[batch, free units]`.
    - `block_size`: of the blocks; None for whole layers.
    - `feedback`: what layers weigh.
    - `is_of_differences`: whether states are differences (`of_differences`).
    - `noise`: of the `Connections`.
    """

    weights: dict[Block, Array]
    back: dict[Block, Array] | None
    blocks: tuple[_AbstractBlock, ...]
    input_drive: Array
    layer_sizes: tuple[int, ...] = eqx.field(static=True)
    feedback: Feedback = eqx.field(static=True)
    block_size: int | None = eqx.field(static=True, default=None)
    is_of_differences: bool = eqx.field(static=True, default=False)
    noise: ClampedNoise | None = None

    def energy(self, state: States, active: States) -> PerExample:
        weight = self.feedback.per_unit(self.feedback.weight, self.input_drive.dtype)
        pull = 0.5 * self.coupled(active) + self.input_drive
        return -jnp.sum(weight * active * pull, axis=1)

    def pull(self, active: States) -> States:
        noise = None if self.noise is None else self.noise.pull(active)
        return total((self.coupled(active), self.input_drive, noise))

    def push(self, state: States) -> None:
        return None

    def at_step(self, key: Array) -> ClampedConnections:
        if self.noise is None:
            return self
        return dataclasses.replace(self, noise=self.noise.at_step(key))

    def in_blocks(self, block_size: int | None) -> ClampedConnections:
        if block_size == self.block_size:
            return self
        weakened = self.feedback.back if self.is_of_differences else self.feedback.on_the_way
        batch = len(self.input_drive)
        blocks = _blocks(ways(self), self.layer_sizes, block_size, weakened, batch)
        noise = None if self.noise is None else self.noise.in_blocks(block_size)
        return dataclasses.replace(self, blocks=blocks, block_size=block_size, noise=noise)

    def of_differences(self) -> ClampedConnections:
        if self.noise is not None:
            raise not_carried("connections whose noise is new at every step")
        blocks, back = self.blocks, self.feedback.back
        if not self.feedback.is_whole:
            batch = len(self.input_drive)
            blocks = _blocks(ways(self), self.layer_sizes, self.block_size, back, batch)
        nothing = jnp.zeros_like(self.input_drive)
        return dataclasses.replace(self, blocks=blocks, input_drive=nothing, is_of_differences=True)

    def at_block(
        self, state: States, block: int, span: slice, moved: frozenset[int] | None
    ) -> BlockUnits:
        spans = None if moved is None else {self.blocks[k].span for k in moved}
        noise = None if self.noise is None else self.noise.at_block(state, block, span, moved)
        return total((self.blocks[block].pull(state, spans), self.input_drive[:, span], noise))

    def matrix(self) -> Array:
        """The couplings of all free units with each other, `[free units, free units]`."""
        sizes = self.layer_sizes
        kind = self.input_drive.dtype

        def between(layer: int, other: int) -> Array:
            if _pair(layer, other) not in self.weights:
                return jnp.zeros((sizes[layer], sizes[other]), kind)
            return _coupling(ways(self), other, layer, slice(None))

        free = range(1, len(sizes))
        return jnp.block([[between(layer, other) for other in free] for layer in free])

    def coupled(self, active: States) -> States:
        """What the free units receive from each other, `[batch, free units]`."""
        return jnp.concatenate([block.pull(active) for block in self.blocks], axis=1)


def block_spans(
    layer_sizes: Sequence[int], coupled: Sequence[int], block_size: int | None
) -> list[tuple[int, int, int]]:
    """Layer, and first and last unit in it, of every block: of layers coupled inside by parts.

    The units of a layer without a coupling between them move alike one by one or at once.
    """
    spans = []
    for layer in range(1, len(layer_sizes)):
        size = layer_sizes[layer]
        step = block_size if block_size and layer in coupled else size
        spans += [(layer, start, min(start + step, size)) for start in range(0, size, step)]
    return spans


_LANES = 16  # a CPU's product is up to a third faster with whole vectors of columns
_STRIP = 8 * _LANES  # units; strips of whole layers take six times as long to assemble


_MANY = 64  # examples from which on a product with the weights as they lie is as fast

Span = tuple[int, int]
"""First and last unit in the state."""


class _AbstractBlock(eqx.Module):
    """A stretch of units of one layer, and their coupling with all free units."""

    span: eqx.AbstractVar[Span]

    @abc.abstractmethod
    def pull(self, active: Array, moved: Collection[Span] | None = None) -> Array:
        """W rho(s) at the units of this block, `[batch, size]`.

        **Arguments:** `moved`: the blocks that may be other than 0; None for all.
        """


class _WideBlock(_AbstractBlock):
    """A layer that many examples pull: one product per other layer, with its weights in place.

    **Attributes:** `weights`: `[size, size of other]`, or turned, as `is_turned` tells; `factors`,
    by which their pull is multiplied; `sources`, where the others stand in the state.
    """

    weights: tuple[Array, ...]
    factors: tuple[float, ...] = eqx.field(static=True)
    is_turned: tuple[bool, ...] = eqx.field(static=True)
    sources: tuple[Span, ...] = eqx.field(static=True)
    span: Span = eqx.field(static=True)

    def pull(self, active: Array, moved: Collection[Span] | None = None) -> Array:
        total = jnp.zeros((len(active), self.span[1] - self.span[0]), active.dtype)
        parts = zip(self.weights, self.factors, self.is_turned, self.sources, strict=True)
        for weight, factor, is_turned, (start, stop) in parts:
            if moved is None or any(start <= a and b <= stop for a, b in moved):
                coupling = weight if is_turned else weight.T
                total += factor * matmul(active[:, start:stop], coupling)
        return total


class _UnitBlock(_AbstractBlock):
    """A stretch of units that few examples pull, or that are coupled with each other.

    A product of a few examples with a matrix [from, to] is the fastest on a CPU; it is put
    together once per batch, in strips of few columns, the last filled up with columns of zeros.
    """

    strips: tuple[Array, ...]
    span: Span = eqx.field(static=True)
    sources: tuple[Span, ...] = eqx.field(static=True)

    def pull(self, active: Array, moved: Collection[Span] | None = None) -> Array:
        size = self.span[1] - self.span[0]
        if not self.sources:
            return jnp.zeros((len(active), size), active.dtype)
        seen = jnp.concatenate([active[:, start:stop] for start, stop in self.sources], axis=1)
        return jnp.concatenate([matmul(seen, strip) for strip in self.strips], axis=1)[:, :size]


def ways(wired: Connections | ClampedConnections) -> Ways:
    """What later units get of earlier ones, and these of later ones."""
    return wired.weights, wired.back or wired.weights


def _blocks(
    both: Ways,
    layer_sizes: tuple[int, ...],
    block_size: int | None,
    weakened: Callable[[int, int], float],
    batch: int,
) -> tuple[_AbstractBlock, ...]:
    """The free units by layers, those coupled inside in blocks of at most `block_size`.

    **Arguments:** `weakened`: by what the pull of a layer from another is multiplied; `batch`: how
    many examples will pull.
    """
    weights, back = both
    begins = [0, 0, *np.cumsum(layer_sizes[1:]).tolist()]  # of each layer in the state
    coupled = [post for post, pre in weights if post == pre]
    blocks: list[_AbstractBlock] = []
    for layer, start, stop in block_spans(layer_sizes, coupled, block_size):
        others = [k for k in range(1, len(layer_sizes)) if _pair(layer, k) in weights]
        places = [slice(begins[k], begins[k] + layer_sizes[k]) for k in others]
        if batch >= _MANY and layer not in coupled:
            blocks.append(
                _WideBlock(
                    weights=tuple(
                        (weights if other < layer else back)[_pair(layer, other)]
                        for other in others
                    ),
                    factors=tuple(weakened(layer, other) for other in others),
                    is_turned=tuple(layer < other for other in others),
                    sources=tuple((place.start, place.stop) for place in places),
                    span=(begins[layer] + start, begins[layer] + stop),
                )
            )
            continue
        sources = _merged(places)

        def strip(start: int, stop: int, layer: int = layer, others: list[int] = others) -> Array:
            couplings = [
                weakened(layer, other) * _coupling(both, layer, other, slice(start, stop))
                for other in others
            ]
            return jnp.pad(jnp.concatenate(couplings), ((0, 0), (0, -(stop - start) % _LANES)))

        cuts = [*range(start, stop, _STRIP), stop]
        strips = [strip(*cut) for cut in itertools.pairwise(cuts)] if others else []
        begin = begins[layer]
        span = (begin + start, begin + stop)
        blocks.append(_UnitBlock(strips=tuple(strips), sources=sources, span=span))
    return tuple(blocks)


def _pair(layer: int, other: int) -> Block:
    return max(layer, other), min(layer, other)


def _coupling(both: Ways, layer: int, other: int, units: slice) -> Array:
    """What some units of `layer` receive from those of `other`: `[other, units]`."""
    weight, back = (way[_pair(layer, other)] for way in both)
    if layer == other:
        return back[:, units] + weight[units].T
    return weight[units].T if layer > other else back[:, units]


def _merged(spans: Sequence[slice]) -> tuple[Span, ...]:
    """The same stretches with touching ones joined, so that fewer pieces are put together."""
    merged: list[Span] = []
    for span in spans:
        if merged and merged[-1][1] == span.start:
            merged[-1] = (merged[-1][0], span.stop)
        else:
            merged.append((span.start, span.stop))
    return tuple(merged)
