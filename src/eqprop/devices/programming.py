"""A trained network put onto devices: written, read back, and written again where it is off."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from eqprop.devices.base import AbstractDevice, Held
from eqprop.energy import Network
from eqprop.energy.groups import replaced
from eqprop.errors import ConfigError

WRITES = 100
TOLERANCE = 0.01

_FIRST = 1 / 8  # of the tolerance: what a device gets first
_ON, _BACK = 2.0, 0.25  # what the next correction is of the last, in its direction and against it


def program(
    device: AbstractDevice,
    key: Array,
    network: Network,
    *,
    writes: int = WRITES,
    tolerance: float = TOLERANCE,
) -> Held:
    """Devices that hold a network which was trained elsewhere, as well as trying again can do it.

    Devices begin where they are when 0 is asked of them. Before each write they are read, one by
    one. A device that is off by more than the tolerance is sent a correction of at least one pulse;
    the others are left alone. The first correction is small. The next is twice as large while the
    device has still to go the same way, and a quarter once it has gone too far. None is larger than
    what is missing. What no device holds, such as biases, is that of the network.

    **Arguments:**

    - `writes`: of each device at most, 1 or more.
    - `tolerance`: in the units of weights, above 0.

    **Raises:** `ConfigError` for a number outside these.

    >>> import eqprop
    >>> network = eqprop.Network.initialize(eqprop.layered([4, 3, 2]), seed=0)
    >>> held = program(eqprop.devices.Ideal(), jax.random.key(0), network)
    >>> bool(eqx.tree_equal(held.network, network))
    True
    """
    if not isinstance(device, AbstractDevice):
        raise ConfigError(
            f"`device` must be a device, got {device!r}. A preset by its name: "
            'eqprop.devices.settings.DEVICES.find("ecram")().build().'
        )
    if writes < 1:
        raise ConfigError(f"`writes` must be 1 or more, got {writes}.")
    if not tolerance > 0:
        raise ConfigError(f"`tolerance` must be above 0, got {tolerance}.")
    return _programmed(device, key, network, jnp.int32(writes), jnp.float32(tolerance))


@eqx.filter_jit
def _programmed(
    device: AbstractDevice, key: Array, network: Network, writes: Array, tolerance: Array
) -> Held:
    holding, writing = jax.random.split(key)
    careful, groups = device.careful(), device.groups(network)
    wanted = [group.of(network) for group in groups]
    still = jax.tree.map(jnp.zeros_like, eqx.filter(network, eqx.is_inexact_array))

    def write_again(
        number: Array, before: tuple[Held, list[Array], list[Array]]
    ) -> tuple[Held, list[Array], list[Array]]:
        held, sizes, ways = before
        reading, own = jax.random.split(jax.random.fold_in(writing, number))
        there = device.cells(reading, held)
        sent, sizes_now, ways_now = [], [], []
        for group, goal, size, way in zip(groups, wanted, sizes, ways, strict=True):
            off = goal - group.of(there)
            is_off = jnp.abs(off) > tolerance
            turned = jnp.sign(off) * way
            next_size = size * jnp.where(turned > 0, _ON, jnp.where(turned < 0, _BACK, 1.0))
            sent.append(jnp.where(is_off, jnp.sign(off) * jnp.minimum(next_size, jnp.abs(off)), 0))
            sizes_now.append(jnp.where(is_off, next_size, size))
            ways_now.append(jnp.where(is_off, jnp.sign(off), way))
        return careful.write(own, held, replaced(still, groups, sent)), sizes_now, ways_now

    held = device.hold(holding, replaced(network, groups, [jnp.zeros_like(w) for w in wanted]))
    sizes = [jnp.full_like(w, _FIRST * tolerance) for w in wanted]
    ways = [jnp.zeros_like(w) for w in wanted]
    return jax.lax.fori_loop(0, writes, write_again, (held, sizes, ways))[0]
