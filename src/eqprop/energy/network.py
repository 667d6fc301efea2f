"""A network: an energy and a cost, and with them every array that training moves."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from eqprop.energy.activation import AbstractActivation
from eqprop.energy.base import AbstractClampedEnergy, AbstractCost, AbstractEnergy
from eqprop.energy.cost import SquaredError
from eqprop.energy.groups import Group, groups_of, replaced
from eqprop.energy.hopfield import HopfieldEnergy
from eqprop.energy.total import TotalEnergy
from eqprop.errors import ConfigError
from eqprop.shapes import (
    FreeUnits,
    Input,
    Outputs,
    OutputUnits,
    Scalar,
    State,
    States,
    Target,
    Targets,
    TargetUnits,
)
from eqprop.topology import Topology


class Network(eqx.Module):
    """E and C, so that F = E + beta C (Eq. 4). The output layer is the last of the energy's.

    >>> import eqprop
    >>> network = eqprop.Network.initialize(eqprop.layered([4, 3, 2]), seed=0)
    >>> network.energy.weights[1, 0].shape
    (3, 4)
    """

    energy: AbstractEnergy
    cost: AbstractCost

    def __repr__(self) -> str:
        layers = "-".join(map(str, self.layer_sizes))
        energy: Any = self.energy
        parts = [energy, getattr(energy, "activation", None), self.cost]
        told = ", ".join(type(part).__name__ for part in parts if part is not None)
        return f"Network({layers}, {told}, {self.dtype})"

    @staticmethod
    def initialize(
        topology: Topology,
        *,
        seed: int,
        cost: AbstractCost | None = None,
        activation: AbstractActivation | None = None,
        skip_scale: float = 0.05,
        intralayer_scale: float = 0.05,
        feedback: float = 1.0,
        dtype: Any = jnp.float32,
    ) -> Network:
        """A Hopfield network on `topology` with the paper's initial weights.

        **Arguments:**

        - `topology`: which connections exist.
        - `seed`: of the initial weights.
        - `cost`: default `SquaredError(factor=1)`, as in section 2.3.
        - the others: see `HopfieldEnergy.initialize`.
        """
        energy = HopfieldEnergy.initialize(
            topology,
            jax.random.key(seed),
            activation=activation,
            skip_scale=skip_scale,
            intralayer_scale=intralayer_scale,
            feedback=feedback,
            dtype=dtype,
        )
        return Network(energy, cost or SquaredError())

    @property
    def hopfield(self) -> HopfieldEnergy:
        """The energy, which must be a `HopfieldEnergy`: for its dense weights and its wiring.

        **Raises:** `ConfigError` if it is another one.
        """
        if not isinstance(self.energy, HopfieldEnergy):
            raise ConfigError(
                f"`network` must have a HopfieldEnergy here, got {type(self.energy).__name__}. "
                "What was asked for is defined by its weights and layers."
            )
        return self.energy

    def groups(self) -> tuple[Group, ...]:
        """All parameters: those of the energy, then those of the cost."""
        energy = [group.inside(lambda tree: tree.energy) for group in self.energy.groups()]
        cost = groups_of(self.cost, "cost", "readout")
        return (*energy, *(group.inside(lambda tree: tree.cost) for group in cost))

    @property
    def layer_sizes(self) -> tuple[int, ...]:
        """Units per layer, input first."""
        return self.energy.layer_sizes

    @property
    def num_inputs(self) -> int:
        """Number of input units."""
        return self.layer_sizes[0]

    @property
    def num_outputs(self) -> int:
        """Number of output units."""
        return self.layer_sizes[-1]

    @property
    def num_targets(self) -> int:
        """Length of a target: the number of output units, or of classes of a read-out."""
        return self.cost.num_targets(self.num_outputs)

    @property
    def num_free(self) -> int:
        """Number of free (hidden and output) units."""
        return sum(self.layer_sizes[1:])

    @property
    def dtype(self) -> Any:
        """Of the parameters, and so of the states."""
        return jnp.result_type(*jax.tree.leaves(eqx.filter(self, eqx.is_inexact_array)))

    def astype(self, dtype: Any) -> Network:
        """The same network with parameters of another precision.

        >>> import eqprop, jax.numpy as jnp
        >>> network = eqprop.Network.initialize(eqprop.layered([4, 3, 2]), seed=0)
        >>> print(network.astype(jnp.float16).dtype)
        float16
        """
        return jax.tree.map(
            lambda leaf: leaf.astype(dtype) if eqx.is_inexact_array(leaf) else leaf, self
        )

    def output(self, state: FreeUnits) -> OutputUnits:
        """The output units of a state: `[..., free units]` to `[..., outputs]`."""
        return state[..., self.num_free - self.num_outputs :]

    def scores(self, state: FreeUnits) -> TargetUnits:
        """What is compared with a target: `[..., free units]` to `[..., targets]`."""
        return self.cost.scores(self.output(state))

    def cold_state(self, batch: int) -> States:
        """All free units at 0: `[batch, free units]`."""
        return jnp.zeros((batch, self.num_free), self.dtype)

    def total_energy(self, x: Input, state: State, target: Target, beta: Array | float) -> Scalar:
        """F = E + beta C of one example (Eq. 4)."""
        return self.energy.energy(x, state) + beta * self.cost(self.output(state), target)

    def nudged(
        self,
        clamped: AbstractClampedEnergy,
        beta: Array,
        target: Targets,
        offset: Outputs | None = None,
    ) -> TotalEnergy:
        """F of a batch: `clamped` plus `beta` C against `target` `[batch, targets]`."""
        return TotalEnergy(clamped, self.cost, beta, target, self.num_outputs, offset)

    def constrain(self, candidate: Network) -> Network:
        """`candidate` with zero wherever this network has no connection."""
        masked = [group for group in self.groups() if group.mask is not None]
        kept = [jnp.where(jnp.asarray(g.mask), g.of(candidate), 0) for g in masked]
        return replaced(candidate, masked, kept)

    @property
    def is_symmetric(self) -> bool:
        """Whether both directions of every connection are alike (`Connections.back`)."""
        return not isinstance(self.energy, HopfieldEnergy) or self.energy.connections.back is None

    def as_written(self) -> Network:
        """Without what reads of devices add to it: other ways back, and noise of every step."""
        if not isinstance(self.energy, HopfieldEnergy):
            return self
        if self.is_symmetric and self.energy.connections.noise is None:
            return self
        kept = dataclasses.replace(self.hopfield.connections, back=None, noise=None)
        return eqx.tree_at(lambda network: network.energy.interactions[0], self, kept)

    def clipped(self, limit: Array | float) -> Network:
        """With every weight in [-limit, limit]; biases are left alone."""
        weights = [group for group in self.groups() if group.clipped]
        values = [group.of(self) for group in weights]
        return replaced(self, weights, [jnp.clip(w, -limit, limit).astype(w.dtype) for w in values])

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Every parameter as a host array.

        `weights_POST_PRE`, `biases_LAYER`; `cost_...` and `terms...` of the cost and of added
        terms of the energy, named by their place in them.
        """
        return {group.name: np.asarray(group.of(self)) for group in self.groups()}

    def wired(self, topology: Topology) -> Network:
        """This network with no more connections than `topology`, of the same pairs of layers.

        Weights of those that are gone are 0; all other parameters stay.

        **Raises:** `ConfigError` for an energy that is no `HopfieldEnergy`, or if a pair of layers
        is missing or new.
        """
        masks = self.hopfield.masks
        if set(masks) != set(topology.masks):
            raise ConfigError(
                f"`topology` must have the pairs of layers {sorted(masks)}, got "
                f"{sorted(topology.masks)}."
            )
        fewer = {b: jnp.asarray(topology.masks[b]) & mask for b, mask in masks.items()}
        changed = eqx.tree_at(lambda n: n.hopfield.connections.masks, self, fewer)
        return changed.constrain(changed)

    def with_arrays(self, arrays: Mapping[str, np.ndarray]) -> Network:
        """This network with the parameters that `to_arrays` gave.

        **Raises:** `ConfigError` if a parameter is missing or has another shape.
        """
        groups, values = self.groups(), []
        for group in groups:
            like, value = group.of(self), arrays.get(group.name)
            if value is None or value.shape != like.shape:
                got = "nothing" if value is None else str(value.shape)
                raise ConfigError(
                    f"`arrays` must hold `{group.name}` of shape {like.shape}, got {got}. "
                    "Pass what `Network.to_arrays` returned for the same topology."
                )
            values.append(jnp.asarray(value, like.dtype))
        return replaced(self, groups, values)
