"""Weights that cannot leave a range."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import Array

from eqprop.devices.base import AbstractDevice, Held
from eqprop.devices.ideal import Ideal
from eqprop.energy import Network
from eqprop.energy.groups import Group


class Clip(AbstractDevice):
    """Another device whose weights end at +-`limit` after each write; biases are left alone.

    What is held before the first write stays as it is.

    **Arguments:**

    - `limit`: above 0; infinite for none.
    - `device`: how an update is written otherwise.
    """

    limit: Array
    device: AbstractDevice

    def __init__(self, limit: Array | float, device: AbstractDevice | None = None) -> None:
        self.limit = jnp.asarray(limit, jnp.float32)
        self.device = device or Ideal()

    def hold(self, key: Array, network: Network) -> Held:
        return self.device.hold(key, network)

    def write(self, key: Array, held: Held, update: Network) -> Held:
        written = self.device.write(key, held, update)
        return Held(written.network.clipped(self.limit), written.state)

    def read(self, key: Array, held: Held) -> Network:
        return self.device.read(key, held)

    def reread(self, held: Held) -> Callable[[Array], Network] | None:
        return self.device.reread(held)

    def groups(self, network: Network) -> list[Group]:
        return self.device.groups(network)

    def cells(self, key: Array, held: Held) -> Network:
        return self.device.cells(key, held)

    def careful(self) -> Clip:
        return Clip(self.limit, self.device.careful())

    def memory(self, held: Held) -> Any:
        return self.device.memory(held)

    def ledger(self, held: Held) -> dict[str, Any]:
        return self.device.ledger(held)

    def seen(self, key: Array, states: Array) -> Array:
        return self.device.seen(key, states)
