"""A network: an energy and a cost, and with them every array that training moves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from eqprop.energy.activation import AbstractActivation
from eqprop.energy.base import AbstractCost, AbstractEnergy
from eqprop.energy.cost import SquaredError
from eqprop.energy.hopfield import HopfieldEnergy
from eqprop.errors import ConfigError
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

    @staticmethod
    def initialize(
        topology: Topology,
        *,
        seed: int,
        cost: AbstractCost | None = None,
        activation: AbstractActivation | None = None,
        skip_scale: float = 0.05,
        intralayer_scale: float = 0.05,
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
            dtype=dtype,
        )
        return Network(energy, cost or SquaredError())

    @property
    def hopfield(self) -> HopfieldEnergy:
        """The energy, where only a `HopfieldEnergy` will do; `ConfigError` for any other."""
        if not isinstance(self.energy, HopfieldEnergy):
            raise ConfigError(
                f"`network` must have a HopfieldEnergy here, got {type(self.energy).__name__}. "
                "What was asked for is defined by its weights and layers."
            )
        return self.energy

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
    def num_free(self) -> int:
        """Number of free (hidden and output) units."""
        return sum(self.layer_sizes[1:])

    @property
    def dtype(self) -> Any:
        """Of the parameters, and so of the states."""
        return jnp.result_type(*jax.tree.leaves(eqx.filter(self, eqx.is_inexact_array)))

    def output(self, state: Array) -> Array:
        """The output units of a state: `[..., free units]` to `[..., outputs]`."""
        return state[..., self.num_free - self.num_outputs :]

    def cold_state(self, batch: int) -> Array:
        """All free units at 0: `[batch, free units]`."""
        return jnp.zeros((batch, self.num_free), self.dtype)

    def total_energy(self, x: Array, state: Array, target: Array, beta: Array | float) -> Array:
        """F = E + beta C of one example (Eq. 4)."""
        return self.energy.energy(x, state) + beta * self.cost(self.output(state), target)

    def constrain(self, candidate: Network) -> Network:
        """`candidate` with zero wherever this network has no connection."""
        return eqx.tree_at(
            lambda network: network.energy, candidate, self.energy.constrain(candidate.energy)
        )

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Every parameter as a host array: `weights_POST_PRE` and `biases_LAYER`."""
        energy = self.hopfield
        arrays = {f"weights_{i}_{j}": np.asarray(w) for (i, j), w in energy.weights.items()}
        return arrays | {f"biases_{k}": np.asarray(b) for k, b in energy.biases.items()}

    def with_arrays(self, arrays: Mapping[str, np.ndarray]) -> Network:
        """This network with the parameters that `to_arrays` gave.

        **Raises:** `ConfigError` if a parameter is missing or has another shape.
        """
        energy = self.hopfield

        def take(name: str, like: Array) -> Array:
            value = arrays.get(name)
            if value is None or value.shape != like.shape:
                got = "nothing" if value is None else str(value.shape)
                raise ConfigError(
                    f"`arrays` must hold `{name}` of shape {like.shape}, got {got}. "
                    "Pass what `Network.to_arrays` returned for the same topology."
                )
            return jnp.asarray(value, like.dtype)

        weights = {(i, j): take(f"weights_{i}_{j}", w) for (i, j), w in energy.weights.items()}
        biases = {k: take(f"biases_{k}", b) for k, b in energy.biases.items()}
        return eqx.tree_at(lambda n: (n.energy.weights, n.energy.biases), self, (weights, biases))
