"""The continuous Hopfield energy (Eq. 2) on any topology."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from eqprop.energy.activation import AbstractActivation, HardSigmoid
from eqprop.energy.base import AbstractBlockClampedEnergy, AbstractEnergy
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

    def energy(self, x: Array, state: Array) -> Array:
        layers = [x, *self._split(state)]
        active = [x, *map(self.activation, layers[1:])]
        value = sum(0.5 * jnp.vdot(layer, layer) for layer in layers)
        for (post, pre), weight in self.weights.items():
            value -= jnp.vdot(active[post], weight @ active[pre])
        for layer, bias in self.biases.items():
            value -= jnp.vdot(bias, layers[layer])
        return jnp.asarray(value)

    def force(self, x: Array, state: Array) -> Array:
        return self.clamp(x[None]).force(state[None])[0]

    def project(self, state: Array) -> Array:
        return self.activation.project(state)

    def clamp(self, x: Array) -> ClampedHopfieldEnergy:
        free = range(1, len(self.layer_sizes))
        ends = np.cumsum(self.layer_sizes[1:]).tolist()
        spans = [slice(end - self.layer_sizes[k], end) for k, end in zip(free, ends, strict=True)]
        columns, sources = [], []
        for layer in free:
            column = {other: self._coupling(layer, other) for other in free}
            column = {other: block for other, block in column.items() if block is not None}
            empty = jnp.zeros((0, self.layer_sizes[layer]), x.dtype)
            columns.append(jnp.concatenate([empty, *column.values()]))
            sources.append(_merged([spans[other - 1] for other in column]))
        drives = [
            x @ self.weights[layer, 0].T
            if (layer, 0) in self.weights
            else jnp.zeros((len(x), self.layer_sizes[layer]), x.dtype)
            for layer in free
        ]
        return ClampedHopfieldEnergy(
            columns=tuple(columns),
            input_drive=jnp.concatenate(drives, axis=1),
            biases=jnp.concatenate([self.biases[layer] for layer in free]),
            input_energy=0.5 * jnp.sum(x**2, axis=1),
            activation=self.activation,
            spans=tuple((span.start, span.stop) for span in spans),
            sources=tuple(sources),
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

    def _coupling(self, layer: int, other: int) -> Array | None:
        """What the units of `layer` receive from those of `other`: `[other, layer]`."""
        weight = self.weights.get((max(layer, other), min(layer, other)))
        if weight is None:
            return None
        if layer == other:
            return weight + weight.T
        return weight.T if layer > other else weight


class ClampedHopfieldEnergy(AbstractBlockClampedEnergy):
    """`HopfieldEnergy` with its inputs clamped to a batch. States are `[batch, free units]`.

    **Attributes:**

    - `columns`: per block of units, its coupling with all free units that it is wired to:
      `[units of its sources, size]`. A product of a few examples with a matrix in this layout
      is the fastest on a CPU.
    - `input_drive`: W_in x, `[batch, free units]`.
    - `biases`: `[free units]`.
    - `input_energy`: of the clamped units, `[batch]`.
    - `spans`: per block, where it begins and ends in the state.
    - `sources`: per block, the stretches of the state that its column reads.
    """

    columns: tuple[Array, ...]
    input_drive: Array
    biases: Array
    input_energy: Array
    activation: AbstractActivation
    spans: tuple[tuple[int, int], ...] = eqx.field(static=True)
    sources: tuple[tuple[tuple[int, int], ...], ...] = eqx.field(static=True)

    @property
    def block_slices(self) -> tuple[slice, ...]:
        return tuple(slice(*span) for span in self.spans)

    def split(self, block_size: int) -> ClampedHopfieldEnergy:
        columns, spans, sources = [], [], []
        for column, (begin, end), source in zip(
            self.columns, self.spans, self.sources, strict=True
        ):
            for start in range(begin, end, block_size):
                stop = min(start + block_size, end)
                columns.append(column[:, start - begin : stop - begin])
                spans.append((start, stop))
                sources.append(source)
        return ClampedHopfieldEnergy(
            columns=tuple(columns),
            input_drive=self.input_drive,
            biases=self.biases,
            input_energy=self.input_energy,
            activation=self.activation,
            spans=tuple(spans),
            sources=tuple(sources),
        )

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
        span = self.block_slices[block]
        return self._block_pull(state, block) + self.input_drive[:, span] + self.biases[span]

    def _block_pull(self, active: Array, block: int) -> Array:
        parts = [active[:, start:stop] for start, stop in self.sources[block]]
        if not parts:
            return jnp.zeros((len(active), self.columns[block].shape[1]), active.dtype)
        return jnp.concatenate(parts, axis=1) @ self.columns[block]

    def _pull(self, active: Array) -> Array:
        return jnp.concatenate(
            [self._block_pull(active, k) for k in range(len(self.columns))], axis=1
        )


def _merged(spans: Sequence[slice]) -> tuple[tuple[int, int], ...]:
    """The same stretches with touching ones joined, so that fewer pieces are put together."""
    merged: list[tuple[int, int]] = []
    for span in spans:
        if merged and merged[-1][1] == span.start:
            merged[-1] = (merged[-1][0], span.stop)
        else:
            merged.append((span.start, span.stop))
    return tuple(merged)
