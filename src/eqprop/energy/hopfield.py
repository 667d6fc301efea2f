"""The continuous Hopfield energy (Eq. 2) on any topology."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from eqprop.energy.activation import AbstractActivation, HardSigmoid
from eqprop.energy.base import AbstractBlockClampedEnergy, AbstractEnergy
from eqprop.energy.products import dot, matmul
from eqprop.errors import ConfigError
from eqprop.topology import Block, Topology


class HopfieldEnergy(AbstractEnergy):
    """E(u) = 1/2 u'u - 1/2 rho(u)' W rho(u) - b'u (Eq. 2), u = (x, s).

    W is symmetric with zero diagonal. Each undirected connection is stored once, in the block
    of its pair of layers, so symmetry is exact by construction; blocks inside a layer are
    strictly lower triangular.

    **Attributes:**

    - `weights`: `{(post, pre): [size of post, size of pre]}`; zero where no connection exists.
    - `biases`: `{layer: [size of layer]}` for every free layer.
    - `masks`: boolean, shaped like `weights`: which connections exist.
    - `activation`: rho.
    - `layer_sizes`: units per layer, input first.

    Input units enter as rho(x) = x, that is, `x` is in [0, 1].
    """

    weights: dict[Block, Array]
    biases: dict[int, Array]
    masks: dict[Block, Array]
    activation: AbstractActivation
    layer_sizes: tuple[int, ...] = eqx.field(static=True)

    @staticmethod
    def initialize(
        topology: Topology,
        key: Array,
        *,
        activation: AbstractActivation | None = None,
        skip_scale: float = 0.05,
        intralayer_scale: float = 0.05,
        dtype: Any = jnp.float32,
    ) -> HopfieldEnergy:
        """Random initial weights and zero biases (sections 2.3.1 and 2.3.3).

        Adjacent layers are Glorot-uniform, +-sqrt(6/(n_in + n_out)); skip and intralayer
        connections are uniform in +-`skip_scale` and +-`intralayer_scale`. Each pair of layers
        has its own random stream, so that networks of the same layer sizes and key share the
        weights of the connections that they share.

        **Arguments:**

        - `topology`: which connections exist.
        - `key`: a JAX random key.
        - `activation`: default `HardSigmoid()`.
        - `dtype`: of weights and biases.
        """
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
        biases = {k: jnp.zeros(n, dtype) for k, n in enumerate(sizes) if k}
        return HopfieldEnergy(
            weights=weights,
            biases=biases,
            masks=masks,
            activation=activation or HardSigmoid(),
            layer_sizes=sizes,
        )

    @staticmethod
    def from_dense(
        topology: Topology,
        weights: Any,
        biases: Any,
        *,
        activation: AbstractActivation | None = None,
    ) -> HopfieldEnergy:
        """From a symmetric weight matrix `[units, units]` and biases `[units]` or `[free units]`.

        **Raises:** `ConfigError` if the matrix is not symmetric or has entries where
        `topology` has no connection.
        """
        dense, bias = np.asarray(weights), np.asarray(biases)
        sizes, units = topology.layer_sizes, topology.num_units
        if dense.shape != (units, units) or bias.shape not in ((units,), (topology.num_free,)):
            raise ConfigError(
                f"`weights` must have shape {(units, units)} and `biases` {(units,)}, "
                f"got {dense.shape} and {bias.shape}. Count the input units too."
            )
        if (dense != dense.T).any() or dense[~topology.adjacency().toarray()].any():
            raise ConfigError(
                "`weights` must be symmetric and zero where `topology` has no connection, got a "
                "matrix that is not. Multiply it by the adjacency and use each weight twice."
            )
        ends = np.cumsum(sizes)
        spans = [slice(end - n, end) for n, end in zip(sizes, ends, strict=True)]
        bias = bias[-topology.num_free :]
        free = [slice(s.start - sizes[0], s.stop - sizes[0]) for s in spans]
        return HopfieldEnergy(
            weights={
                (post, pre): jnp.asarray(np.where(mask, dense[spans[post], spans[pre]], 0))
                for (post, pre), mask in topology.masks.items()
            },
            biases={k: jnp.asarray(bias[free[k]]) for k in range(1, len(sizes))},
            masks={block: jnp.asarray(mask) for block, mask in topology.masks.items()},
            activation=activation or HardSigmoid(),
            layer_sizes=sizes,
        )

    @property
    def is_holomorphic(self) -> bool:
        return self.activation.is_holomorphic

    def energy(self, x: Array, state: Array) -> Array:
        layers = [x, *self._split(state)]
        active = [x, *map(self.activation, layers[1:])]
        # `dot`, not `vdot`: for complex states nothing may be conjugated.
        value = sum(0.5 * dot(layer, layer) for layer in layers)
        for (post, pre), weight in self.weights.items():
            value -= dot(active[post], matmul(weight, active[pre]))
        for layer, bias in self.biases.items():
            value -= dot(bias, layers[layer])
        return jnp.asarray(value)

    def force(self, x: Array, state: Array) -> Array:
        return self.clamp(x[None]).force(state[None])[0]

    def project(self, state: Array) -> Array:
        return self.activation.project(state)

    def clamp(self, x: Array) -> ClampedHopfieldEnergy:
        free = range(1, len(self.layer_sizes))
        drives = [
            matmul(x, self.weights[layer, 0].T)
            if (layer, 0) in self.weights
            else jnp.zeros((len(x), self.layer_sizes[layer]), x.dtype)
            for layer in free
        ]
        return ClampedHopfieldEnergy(
            weights=self.weights,
            blocks=_blocks(self.weights, self.layer_sizes, None),
            input_drive=jnp.concatenate(drives, axis=1),
            biases=jnp.concatenate([self.biases[layer] for layer in free]),
            input_energy=0.5 * jnp.sum(x**2, axis=1),
            activation=self.activation,
            layer_sizes=self.layer_sizes,
        )

    def constrain(self, candidate: HopfieldEnergy) -> HopfieldEnergy:
        kept = {
            block: jnp.where(self.masks[block], weight, 0)
            for block, weight in candidate.weights.items()
        }
        return eqx.tree_at(lambda energy: energy.weights, candidate, kept)

    def topology(self) -> Topology:
        """The wiring, as a host-side `Topology`."""
        return Topology(self.layer_sizes, {b: np.asarray(m) for b, m in self.masks.items()})

    def dense_weights(self) -> np.ndarray:
        """The symmetric weight matrix W `[units, units]`, a copy on the host."""
        starts = np.concatenate([[0], np.cumsum(self.layer_sizes)])
        any_weight = next(iter(self.weights.values()))
        dense = np.zeros((starts[-1], starts[-1]), any_weight.dtype)
        for (post, pre), weight in self.weights.items():
            i, j = starts[post], starts[pre]
            dense[i : starts[post + 1], j : starts[pre + 1]] += np.asarray(weight)
        return dense + dense.T

    def intralayer_couplings(self) -> Mapping[int, np.ndarray]:
        """The symmetric coupling inside each layer that has one, `{layer: [size, size]}`."""
        lower = {post: np.asarray(w) for (post, pre), w in self.weights.items() if post == pre}
        return {layer: block + block.T for layer, block in lower.items()}

    def _split(self, state: Array) -> list[Array]:
        ends = np.cumsum(self.layer_sizes[1:])[:-1].tolist()
        return jnp.split(state, ends)


class ClampedHopfieldEnergy(AbstractBlockClampedEnergy):
    """`HopfieldEnergy` with its inputs clamped to a batch. States are `[batch, free units]`.

    **Attributes:**

    - `weights`, `activation`, `layer_sizes`: of the `HopfieldEnergy`.
    - `blocks`: the units that are updated at once, and what they are wired to.
    - `input_drive`: W_in x, `[batch, free units]`.
    - `biases`: `[free units]`.
    - `input_energy`: of the clamped units, `[batch]`.
    """

    weights: dict[Block, Array]
    blocks: tuple[_UnitBlock, ...]
    input_drive: Array
    biases: Array
    input_energy: Array
    activation: AbstractActivation
    layer_sizes: tuple[int, ...] = eqx.field(static=True)

    @property
    def block_slices(self) -> tuple[slice, ...]:
        return tuple(slice(*block.span) for block in self.blocks)

    def split(self, block_size: int) -> ClampedHopfieldEnergy:
        blocks = _blocks(self.weights, self.layer_sizes, block_size)
        return dataclasses.replace(self, blocks=blocks)

    def energy(self, state: Array) -> Array:
        active = self.activation(state)
        pull = 0.5 * self._pull(active) + self.input_drive
        free = jnp.sum(0.5 * state**2 - active * pull - self.biases * state, axis=1)
        return free + self.input_energy

    def force(self, state: Array) -> Array:
        pull = self._pull(self.activation(state)) + self.input_drive
        return self.activation.derivative(state) * pull + self.biases - state

    def project(self, state: Array) -> Array:
        return self.activation.project(state)

    def minimize_block(self, state: Array, block: int) -> Array:
        if not self.activation.is_identity_on_its_box:
            raise ConfigError(
                f"`activation` must be the identity on its box for block updates, got "
                f"{type(self.activation).__name__}. Relax this energy with `Euler`."
            )
        part = self.blocks[block]
        span = slice(*part.span)
        return part.pull(state) + self.input_drive[:, span] + self.biases[span]

    def _pull(self, active: Array) -> Array:
        return jnp.concatenate([block.pull(active) for block in self.blocks], axis=1)


_LANES = 16  # a CPU's product is up to a third faster with whole vectors of columns
_STRIP = 8 * _LANES  # units; strips of whole layers take six times as long to assemble


class _UnitBlock(eqx.Module):
    """A stretch of units of one layer, and their coupling with all free units.

    A product of a few examples with a matrix [from, to] is the fastest on a CPU; it is put
    together once per batch, in strips of few columns, the last filled up with columns of zeros.
    """

    strips: tuple[Array, ...]
    span: tuple[int, int] = eqx.field(static=True)
    sources: tuple[tuple[int, int], ...] = eqx.field(static=True)

    def pull(self, active: Array) -> Array:
        """W rho(s) at the units of this block, `[batch, size]`."""
        size = self.span[1] - self.span[0]
        if not self.sources:
            return jnp.zeros((len(active), size), active.dtype)
        seen = jnp.concatenate([active[:, start:stop] for start, stop in self.sources], axis=1)
        return jnp.concatenate([matmul(seen, strip) for strip in self.strips], axis=1)[:, :size]


def _blocks(
    weights: Mapping[Block, Array], layer_sizes: tuple[int, ...], block_size: int | None
) -> tuple[_UnitBlock, ...]:
    """The free units by layers, those coupled inside in blocks of at most `block_size`."""
    begins = [0, 0, *np.cumsum(layer_sizes[1:]).tolist()]  # of each layer in the state
    blocks = []
    for layer in range(1, len(layer_sizes)):
        size, begin = layer_sizes[layer], begins[layer]
        others = [k for k in range(1, len(layer_sizes)) if _pair(layer, k) in weights]
        sources = _merged([slice(begins[k], begins[k] + layer_sizes[k]) for k in others])

        def strip(start: int, stop: int, layer: int = layer, others: list[int] = others) -> Array:
            couplings = [_coupling(weights, layer, other, slice(start, stop)) for other in others]
            return jnp.pad(jnp.concatenate(couplings), ((0, 0), (0, -(stop - start) % _LANES)))

        # The units of a layer without a coupling between them move alike one by one or at once.
        step = block_size if block_size and layer in others else size
        for start in range(0, size, step):
            stop = min(start + step, size)
            cuts = [*range(start, stop, _STRIP), stop]
            strips = [strip(*cut) for cut in itertools.pairwise(cuts)] if others else []
            blocks.append(_UnitBlock(tuple(strips), (begin + start, begin + stop), sources))
    return tuple(blocks)


def _pair(layer: int, other: int) -> Block:
    return max(layer, other), min(layer, other)


def _coupling(weights: Mapping[Block, Array], layer: int, other: int, units: slice) -> Array:
    """What some units of `layer` receive from those of `other`: `[other, units]`."""
    weight = weights[_pair(layer, other)]
    if layer == other:
        return weight[:, units] + weight[units].T
    return weight[units].T if layer > other else weight[:, units]


def _merged(spans: Sequence[slice]) -> tuple[tuple[int, int], ...]:
    """The same stretches with touching ones joined, so that fewer pieces are put together."""
    merged: list[tuple[int, int]] = []
    for span in spans:
        if merged and merged[-1][1] == span.start:
            merged[-1] = (merged[-1][0], span.stop)
        else:
            merged.append((span.start, span.stop))
    return tuple(merged)
