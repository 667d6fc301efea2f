"""Devices once training has ended: how the network that they hold is read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from eqprop.devices import AbstractDevice, Held
from eqprop.energy import Network
from eqprop.training.arrays import tree_from_arrays, tree_to_arrays

_NAME = "devices"


@dataclasses.dataclass(frozen=True)
class Reading:
    """One read of devices: called with the network that they hold, it gives what phases see.

    **Attributes:**

    - `device`: of which kind they are.
    - `key`: of what a read draws, the data of a JAX random key.
    - `memory`: as of `AbstractDevice.memory`, arrays on the host.

    >>> import eqprop
    >>> network = eqprop.Network.initialize(eqprop.layered([4, 3, 2]), seed=0)
    >>> Reading.of(eqprop.devices.Ideal(), jax.random.key(0), Held(network)) is None
    True
    """

    device: AbstractDevice
    key: np.ndarray
    memory: Any

    @staticmethod
    def of(device: AbstractDevice, key: jax.Array, held: Held) -> Reading | None:
        """The devices as they are; None where a read is what is held."""
        memory = device.memory(held)
        if memory is None:
            return None
        return Reading(device, np.asarray(jax.random.key_data(key)), jax.device_get(memory))

    def __call__(self, network: Network) -> Network:
        return _read(self.device, jnp.asarray(self.key), Held(network, self.memory))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything but the device, which settings describe."""
        return {f"{_NAME}/key": self.key} | tree_to_arrays(self.memory, _NAME)

    @staticmethod
    def from_arrays(
        device: AbstractDevice, network: Network, arrays: Mapping[str, np.ndarray]
    ) -> Reading | None:
        """What `to_arrays` gave; None where there is nothing of it.

        **Raises:** `ConfigError` if an array is missing or does not fit the network.
        """
        key = arrays.get(f"{_NAME}/key")
        if key is None:
            return None
        memory = eqx.filter_eval_shape(
            lambda: device.memory(device.hold(jax.random.key(0), network))
        )
        return Reading(device, key, jax.device_get(tree_from_arrays(memory, arrays, _NAME)))


@eqx.filter_jit
def _read(device: AbstractDevice, key: jax.Array, held: Held) -> Network:
    return device.read(jax.random.wrap_key_data(key), held)
