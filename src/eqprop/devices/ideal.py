"""The device without an effect."""

from __future__ import annotations

import equinox as eqx
from jax import Array

from eqprop.devices.base import AbstractDevice, Held
from eqprop.energy import Network


class Ideal(AbstractDevice):
    """Adds every update as it is, and reads what it holds.

    >>> import eqprop, jax
    >>> network = eqprop.Network.initialize(eqprop.layered([4, 3, 2]), seed=0)
    >>> device, key = Ideal(), jax.random.key(0)
    >>> held = device.write(key, device.hold(key, network), network)
    >>> doubled = device.read(key, held)
    >>> bool((doubled.energy.weights[1, 0] == 2 * network.energy.weights[1, 0]).all())
    True
    """

    def hold(self, key: Array, network: Network) -> Held:
        return Held(network)

    def write(self, key: Array, held: Held, update: Network) -> Held:
        return Held(eqx.apply_updates(held.network, update), held.state)

    def read(self, key: Array, held: Held) -> Network:
        return held.network

    def memory(self, held: Held) -> None:
        return None
