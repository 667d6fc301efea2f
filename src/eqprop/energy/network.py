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
from eqprop.energy.base import AbstractClampedEnergy, AbstractCost, AbstractEnergy
from eqprop.energy.composed import AbstractTerm, ComposedEnergy
from eqprop.energy.cost import SquaredError
from eqprop.energy.hopfield import HopfieldEnergy
from eqprop.energy.total import TotalEnergy
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
        """The Hopfield energy, alone or as the base of a `ComposedEnergy`.

        **Raises:** `ConfigError` if there is none.
        """
        energy = self._base
        if not isinstance(energy, HopfieldEnergy):
            raise ConfigError(
                f"`network` must have a HopfieldEnergy here, got {type(energy).__name__}. "
                "What was asked for is defined by its weights and layers."
            )
        return energy

    @property
    def is_wired(self) -> bool:
        """Whether there is a Hopfield energy, and so weights between units (`hopfield`)."""
        return isinstance(self._base, HopfieldEnergy)

    @property
    def allows_blocks(self) -> bool:
        """Whether block coordinate descent can relax it: no added terms, states in a box."""
        energy = self.energy
        return isinstance(energy, HopfieldEnergy) and energy.activation.is_identity_on_its_box

    @property
    def _base(self) -> AbstractEnergy:
        return self.energy.base if isinstance(self.energy, ComposedEnergy) else self.energy

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

    def output(self, state: Array) -> Array:
        """The output units of a state: `[..., free units]` to `[..., outputs]`."""
        return state[..., self.num_free - self.num_outputs :]

    def scores(self, state: Array) -> Array:
        """What is compared with a target: `[..., free units]` to `[..., targets]`."""
        return self.cost.scores(self.output(state))

    def cold_state(self, batch: int) -> Array:
        """All free units at 0: `[batch, free units]`."""
        return jnp.zeros((batch, self.num_free), self.dtype)

    def total_energy(self, x: Array, state: Array, target: Array, beta: Array | float) -> Array:
        """F = E + beta C of one example (Eq. 4)."""
        return self.energy.energy(x, state) + beta * self.cost(self.output(state), target)

    def nudged(self, clamped: AbstractClampedEnergy, beta: Array, target: Array) -> TotalEnergy:
        """F of a batch: `clamped` plus `beta` C against `target` `[batch, targets]`."""
        return TotalEnergy(clamped, self.cost, beta, target, self.num_outputs)

    def constrain(self, candidate: Network) -> Network:
        """`candidate` with zero wherever this network has no connection."""
        return eqx.tree_at(
            lambda network: network.energy, candidate, self.energy.constrain(candidate.energy)
        )

    def clipped(self, limit: Array | float) -> Network:
        """With every weight in [-limit, limit]; biases are left alone."""
        weights = {
            block: jnp.clip(w, -limit, limit).astype(w.dtype)
            for block, w in self.hopfield.weights.items()
        }
        return eqx.tree_at(lambda n: n.hopfield.weights, self, weights)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Every parameter as a host array.

        `weights_POST_PRE`, `biases_LAYER`; `cost_...` and `terms...` of the cost and of added
        terms of the energy, named by their place in them.
        """
        energy = self.hopfield
        arrays = {f"weights_{i}_{j}": np.asarray(w) for (i, j), w in energy.weights.items()}
        arrays |= {f"biases_{k}": np.asarray(b) for k, b in energy.biases.items()}
        added = {f"cost{name}": leaf for name, leaf in _named(self.cost)}
        added |= {f"terms{name}": leaf for name, leaf in _named(self._terms)}
        return arrays | {name: np.asarray(leaf) for name, leaf in added.items()}

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
        network = eqx.tree_at(
            lambda n: (n.hopfield.weights, n.hopfield.biases), self, (weights, biases)
        )

        def taken(tree: Any, prefix: str) -> Any:
            parameters, rest = eqx.partition(tree, eqx.is_inexact_array)
            leaves = [take(f"{prefix}{name}", leaf) for name, leaf in _named(tree)]
            return eqx.combine(jax.tree.unflatten(jax.tree.structure(parameters), leaves), rest)

        energy = network.energy
        if isinstance(energy, ComposedEnergy):
            energy = ComposedEnergy(energy.base, taken(self._terms, "terms"))
        return Network(energy, taken(self.cost, "cost"))

    @property
    def _terms(self) -> tuple[AbstractTerm, ...]:
        return self.energy.terms if isinstance(self.energy, ComposedEnergy) else ()


def _named(tree: Any) -> list[tuple[str, Array]]:
    """The parameters of a cost or of terms, by their place in it."""
    leaves = jax.tree_util.tree_flatten_with_path(eqx.filter(tree, eqx.is_inexact_array))[0]
    return [(jax.tree_util.keystr(path).replace(".", "_"), leaf) for path, leaf in leaves]
