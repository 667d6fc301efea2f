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
SHARE = 0.5


def program(
    device: AbstractDevice,
    key: Array,
    network: Network,
    *,
    writes: int = WRITES,
    tolerance: float = TOLERANCE,
    share: float = SHARE,
) -> Held:
    """Devices that hold a network which was trained elsewhere, as well as they can.

    They start at 0. The first write sends every parameter whole. Before each later one the devices
    are read: those that are off by more than the tolerance get a share of what is missing, and the
    others are left alone.

    **Arguments:**

    - `writes`: of each device at most, 1 or more.
    - `tolerance`: in the units of weights, 0 or more.
    - `share`: above 0, at most 1. Where steps grow with the value, a whole correction would
      overshoot, each time more.

    **Raises:** `ConfigError` for a number outside these.

    **References:** closed-loop programming, as in `program_weights` of IBM's aihwkit.

    >>> import eqprop
    >>> network = eqprop.Network.initialize(eqprop.layered([4, 3, 2]), seed=0)
    >>> held = program(eqprop.devices.Ideal(), jax.random.key(0), network)
    >>> bool(eqx.tree_equal(held.network, network))
    True
    """
    if writes < 1:
        raise ConfigError(f"`writes` must be 1 or more, got {writes}.")
    if not tolerance >= 0:
        raise ConfigError(f"`tolerance` must be 0 or more, got {tolerance}.")
    if not 0 < share <= 1:
        raise ConfigError(f"`share` must lie in (0, 1], got {share}.")
    numbers = (jnp.int32(writes), jnp.float32(tolerance), jnp.float32(share))
    return _programmed(device, key, network, *numbers)


@eqx.filter_jit
def _programmed(
    device: AbstractDevice,
    key: Array,
    network: Network,
    writes: Array,
    tolerance: Array,
    share: Array,
) -> Held:
    holding, writing = jax.random.split(key)
    careful, groups = device.careful(), network.groups()

    def missing(there: Network) -> Network:
        wanted, found = (eqx.filter(n, eqx.is_inexact_array) for n in (network, there))
        return jax.tree.map(jnp.subtract, wanted, found)

    def write_again(number: Array, held: Held) -> Held:
        reading, own = jax.random.split(jax.random.fold_in(writing, number))
        off = missing(device.cells(reading, held))
        sent = jax.tree.map(lambda d: jnp.where(jnp.abs(d) > tolerance, share * d, 0), off)
        return careful.write(own, held, sent)

    nothing = [jnp.zeros_like(group.of(network)) for group in groups]
    held = device.hold(holding, replaced(network, groups, nothing))
    held = careful.write(jax.random.fold_in(writing, 0), held, missing(held.network))
    return jax.lax.fori_loop(1, writes, write_again, held)
