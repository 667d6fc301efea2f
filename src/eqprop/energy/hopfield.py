"""The continuous Hopfield energy (Eq. 2) on any topology, and terms that a user adds to it."""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from eqprop.energy.activation import AbstractActivation, HardSigmoid
from eqprop.energy.base import (
    AbstractBlockClampedEnergy,
    AbstractEnergy,
    without_blocks,
)
from eqprop.energy.connections import Connections, block_spans, ways
from eqprop.energy.feedback import Feedback
from eqprop.energy.groups import Group
from eqprop.energy.interactions import (
    AbstractClampedInteraction,
    AbstractInteraction,
    AbstractTerm,
    Biases,
    Seen,
    total,
)
from eqprop.energy.products import dot
from eqprop.errors import ConfigError
from eqprop.shapes import (
    BlockUnits,
    FreeUnits,
    Input,
    Inputs,
    PerExample,
    Scalar,
    State,
    States,
)
from eqprop.topology import Block, Topology, Wires


class HopfieldEnergy(AbstractEnergy):
    """E(u) = 1/2 u'u - 1/2 rho(u)' W rho(u) - b'u (Eq. 2), u = (x, s), plus terms.

    With weakened feedback g every layer k, and what it receives from layers before it, counts
    g^(k - L) times (`Feedback`).

    **Attributes:**

    - `interactions`: the `Connections` W, the `Biases` b, and whatever was added (`plus`).
    - `activation`: rho.
    - `layer_sizes`: units per layer, input first.
    - `feedback`: g, in (0, 1]; 1 for Eq. 2.

    Input units enter as rho(x) = x, that is, `x` is in [0, 1].
    """

    interactions: tuple[AbstractInteraction, ...]
    activation: AbstractActivation
    layer_sizes: tuple[int, ...] = eqx.field(static=True)
    feedback: float = eqx.field(static=True, default=1.0)

    def __check_init__(self) -> None:
        Feedback(self.feedback, self.layer_sizes)

    @staticmethod
    def initialize(
        topology: Topology,
        key: Array,
        *,
        activation: AbstractActivation | None = None,
        skip_scale: float = 0.05,
        intralayer_scale: float = 0.05,
        feedback: float = 1.0,
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
        - `feedback`: g, by which each layer weakens what it sends back, in (0, 1].
        - `dtype`: of weights and biases.
        """
        connections = Connections.initialize(
            topology, key, skip_scale=skip_scale, intralayer_scale=intralayer_scale, dtype=dtype
        )
        sizes = topology.layer_sizes
        biases = Biases({k: jnp.zeros(n, dtype) for k, n in enumerate(sizes) if k})
        return HopfieldEnergy._of(connections, biases, activation, feedback)

    @staticmethod
    def from_dense(
        topology: Topology,
        weights: Any,
        biases: Any,
        *,
        activation: AbstractActivation | None = None,
        feedback: float = 1.0,
    ) -> HopfieldEnergy:
        """From a symmetric weight matrix `[units, units]` and biases `[units]` or `[free units]`.

        Whole numbers become float32.

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
        dtype = dense.dtype if np.issubdtype(dense.dtype, np.inexact) else np.float32
        ends = np.cumsum(sizes)
        spans = [slice(end - n, end) for n, end in zip(sizes, ends, strict=True)]
        bias = bias[-topology.num_free :]
        free = [slice(s.start - sizes[0], s.stop - sizes[0]) for s in spans]
        connections = Connections(
            {
                (post, pre): jnp.asarray(np.where(mask, dense[spans[post], spans[pre]], 0), dtype)
                for (post, pre), mask in topology.masks.items()
            },
            {block: jnp.asarray(mask) for block, mask in topology.masks.items()},
            sizes,
        )
        values = Biases({k: jnp.asarray(bias[free[k]], dtype) for k in range(1, len(sizes))})
        return HopfieldEnergy._of(connections, values, activation, feedback)

    @staticmethod
    def _of(
        connections: Connections,
        biases: Biases,
        activation: AbstractActivation | None,
        feedback: float,
    ) -> HopfieldEnergy:
        return HopfieldEnergy(
            interactions=(connections, biases),
            activation=activation or HardSigmoid(),
            layer_sizes=connections.layer_sizes,
            feedback=feedback,
        )

    def plus(self, *terms: AbstractInteraction) -> HopfieldEnergy:
        """This energy with more interactions."""
        return dataclasses.replace(self, interactions=(*self.interactions, *terms))

    @property
    def is_plain(self) -> bool:
        """Whether it has connections and biases alone."""
        return not self.terms

    @property
    def connections(self) -> Connections:
        """The connections between units."""
        found = self.interactions[0]
        assert isinstance(found, Connections)
        return found

    @property
    def weights(self) -> dict[Block, Array]:
        """`{(post, pre): [size of post, size of pre]}`; zero where no connection exists."""
        return self.connections.weights

    @property
    def masks(self) -> dict[Block, Array]:
        """Which connections exist, boolean, shaped like `weights`."""
        return self.connections.masks

    @property
    def biases(self) -> dict[int, Array]:
        """`{layer: [size of layer]}` for every free layer."""
        found = self.interactions[1]
        assert isinstance(found, Biases)
        return found.values

    @property
    def terms(self) -> tuple[AbstractInteraction, ...]:
        """What was added to connections and biases."""
        return self.interactions[2:]

    @property
    def is_holomorphic(self) -> bool:
        return self.activation.is_holomorphic

    @property
    def box(self) -> tuple[float, float] | None:
        return self.activation.box

    @property
    def has_blocks(self) -> bool:
        parts = all(interaction.has_blocks for interaction in self.interactions)
        return parts and self.activation.has_minimum

    def energy(self, x: Input, state: State) -> Scalar:
        seen = self._seen(x, state)
        weight = seen.feedback.per_unit(seen.feedback.weight, state.dtype)
        # `dot`, not `vdot`: for complex states nothing may be conjugated.
        value = 0.5 * dot(x, x) + jnp.sum(weight * self.activation.own_energy(state)[None])
        return jnp.asarray(sum((part.energy(seen) for part in self.interactions), start=value))

    def change(self, x: Input, state: State, difference: State) -> Scalar:
        """What of E depends on parameters at state + scale * difference, less that at `state`.

        A scalar, found without a difference of energies: its slope in the parameters keeps its
        digits however small the scale is.

        **Arguments:** `difference` `[free units]`, of which each layer is measured in
        `Feedback.scale`.
        """
        seen, moved = self._seen(x, state), self._split(difference)
        return functools.reduce(
            operator.add, [part.change(seen, moved) for part in self.interactions]
        )

    def force(self, x: Input, state: State) -> State:
        return self.clamp(x[None]).force(state[None])[0]

    def project(self, state: FreeUnits) -> FreeUnits:
        return self.activation.project(state)

    def clamp(self, x: Inputs) -> ClampedHopfieldEnergy:
        return ClampedHopfieldEnergy(
            parts=tuple(part.clamp(x, self._feedback) for part in self.interactions),
            input_energy=0.5 * jnp.sum(x**2, axis=1),
            activation=self.activation,
            layer_sizes=self.layer_sizes,
            feedback=self._feedback,
            coupled=tuple(sorted({post for post, pre in self.weights if post == pre})),
        )

    def groups(self) -> tuple[Group, ...]:
        found: list[Group] = []
        for number, interaction in enumerate(self.interactions):
            own = interaction.groups(f"terms[{number - 2}]")
            found += [g.inside(lambda tree, n=number: tree.interactions[n]) for g in own]
        return tuple(found)

    def wires(self) -> Wires:
        counts = [interaction.messages() for interaction in self.interactions]
        from_input, free = (sum(each) for each in zip(*counts, strict=True))
        return Wires(from_input, free, sum(self.layer_sizes[1:]))

    def couplings(self) -> Mapping[Block, np.ndarray]:
        return self.connections.couplings()

    def couplings_back(self) -> Mapping[Block, np.ndarray]:
        return {block: np.asarray(weight) for block, weight in ways(self.connections)[1].items()}

    def topology(self) -> Topology:
        """The wiring, as a host-side `Topology`."""
        return Topology(self.layer_sizes, {b: np.asarray(m) for b, m in self.masks.items()})

    def dense_weights(self) -> np.ndarray:
        """The weight matrix W `[to, from]` of all units, a copy on the host.

        Symmetric, unless the two directions of a connection differ.
        """
        starts = np.concatenate([[0], np.cumsum(self.layer_sizes)])
        any_weight = next(iter(self.weights.values()))
        dense = np.zeros((starts[-1], starts[-1]), any_weight.dtype)
        back = self.couplings_back()
        for (post, pre), weight in self.couplings().items():
            rows, columns = (slice(starts[k], starts[k + 1]) for k in (post, pre))
            dense[rows, columns] += weight
            dense[columns, rows] += back[post, pre].T
        return dense

    @property
    def _feedback(self) -> Feedback:
        return Feedback(self.feedback, self.layer_sizes)

    def _seen(self, x: Array, state: Array) -> Seen:
        states = [x, *self._split(state)]
        return Seen(x, state, states, [x, *map(self.activation, states[1:])], self._feedback)

    def _split(self, state: Array) -> list[Array]:
        ends = np.cumsum(self.layer_sizes[1:])[:-1].tolist()
        return jnp.split(state, ends)


def ComposedEnergy(base: AbstractEnergy, terms: Sequence[AbstractTerm]) -> HopfieldEnergy:
    """`base` plus terms. Its states live where those of `base` do.

    It has no block updates, since nothing is known of the terms: relax it with `Euler`. Another
    name for `HopfieldEnergy.plus`.

    >>> import eqprop, jax.numpy as jnp
    >>> class Attraction(AbstractTerm):
    ...     strength: jnp.ndarray
    ...     def __call__(self, x, state):
    ...         return 0.5 * self.strength * jnp.sum((state - 0.5) ** 2)
    >>> network = eqprop.Network.initialize(eqprop.layered([4, 3, 2]), seed=0)
    >>> energy = ComposedEnergy(network.energy, (Attraction(jnp.array(0.1)),))
    >>> energy.force(jnp.ones(4), jnp.full(5, 0.5)).shape
    (5,)
    """
    if not isinstance(base, HopfieldEnergy):
        raise ConfigError(
            f"`base` must be a HopfieldEnergy, got {type(base).__name__}. Write the term into its "
            "`energy`."
        )
    return base.plus(*terms)


class ClampedHopfieldEnergy(AbstractBlockClampedEnergy):
    """`HopfieldEnergy` with its inputs clamped to a batch. States are `[batch, free units]`.

    **Attributes:**

    - `parts`: its interactions, clamped.
    - `input_energy`: of the clamped units, `[batch]`.
    - `activation`, `layer_sizes`, `feedback`: of the `HopfieldEnergy`.
    - `coupled`: layers with connections inside.
    - `block_size`: of the blocks; None for whole layers.
    """

    parts: tuple[AbstractClampedInteraction, ...]
    input_energy: Array
    activation: AbstractActivation
    layer_sizes: tuple[int, ...] = eqx.field(static=True)
    feedback: Feedback = eqx.field(static=True)
    coupled: tuple[int, ...] = eqx.field(static=True)
    block_size: int | None = eqx.field(static=True, default=None)

    @property
    def block_slices(self) -> tuple[slice, ...]:
        begins = [0, 0, *np.cumsum(self.layer_sizes[1:]).tolist()]
        return tuple(
            slice(begins[layer] + start, begins[layer] + stop)
            for layer, start, stop in block_spans(self.layer_sizes, self.coupled, self.block_size)
        )

    def in_blocks(self, block_size: int | None) -> ClampedHopfieldEnergy:
        if not self.activation.has_minimum:
            name = type(self.activation).__name__
            raise without_blocks("`activation`", f"{name} is not the identity on its box")
        parts = tuple(part.in_blocks(block_size) for part in self.parts)
        return dataclasses.replace(self, parts=parts, block_size=block_size)

    def at_step(self, key: Array) -> ClampedHopfieldEnergy:
        return dataclasses.replace(self, parts=tuple(part.at_step(key) for part in self.parts))

    def energy(self, state: States) -> PerExample:
        active = self.activation(state)
        weight = self.feedback.per_unit(self.feedback.weight, self.input_energy.dtype)
        value = jnp.sum(weight * self.activation.own_energy(state), axis=1) + self.input_energy
        return sum((part.energy(state, active) for part in self.parts), start=value)

    def force(self, state: States) -> States:
        pull = total(part.pull(self.activation(state)) for part in self.parts)
        push = total(part.push(state) for part in self.parts)
        return self.activation.force(state, pull, push)

    def drawn(self, state: States, pull: States | float = 0.0) -> States:
        if self.is_parabola:
            return state + (self.force(state) + pull)
        parts = [part.pull(self.activation(state)) for part in self.parts]
        parts += [part.push(state) for part in self.parts]
        return self.activation.minimum(total([*parts, pull]))

    def project(self, state: States) -> States:
        return self.activation.project(state)

    def project_block(self, part: BlockUnits, block: int) -> BlockUnits:
        return self.activation.project(part)

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
        return self.activation.minimum(whole, stiffness)

    @property
    def is_parabola(self) -> bool:
        return self.activation.is_parabola
