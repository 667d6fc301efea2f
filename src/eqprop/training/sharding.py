"""The devices that shards of a batch run on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

SHARDS = "shards"
"""Name of the mesh axis along which shards are dealt to devices."""


def mesh_for(shards: int, devices: Sequence[Any] | None = None) -> Mesh:
    """As many devices (default: of all processes) as divide `shards`, each with as many shards.

    In a job of several processes every process must take part, so there the number of devices
    itself must divide `shards`; `Trainer` refuses it otherwise.
    """
    devices = jax.devices() if devices is None else devices
    count = max(n for n in range(1, min(shards, len(devices)) + 1) if shards % n == 0)
    return Mesh(np.array(devices[:count]), (SHARDS,))


def copied(tree: Any) -> Any:
    """`tree` with arrays of its own: a compiled program reuses the memory of what it is given."""
    return jax.tree.map(lambda leaf: jnp.array(leaf) if eqx.is_array(leaf) else leaf, tree)


def replicate(tree: Any, mesh: Mesh) -> Any:
    """Arrays and numbers of `tree`, as arrays with a copy on every device of the mesh."""
    return _put(tree, NamedSharding(mesh, PartitionSpec()))


def replicate_arrays(tree: Any, mesh: Mesh) -> Any:
    """The same of arrays alone: a number in a part that a user wrote is no parameter."""
    numbers, arrays = eqx.partition(tree, lambda leaf: isinstance(leaf, int | float | complex))
    return eqx.combine(replicate(arrays, mesh), numbers)


def deal_out(tree: Any, mesh: Mesh) -> Any:
    """Arrays `[shards, ...]` of `tree`, each shard on its device."""
    return _put(tree, NamedSharding(mesh, PartitionSpec(SHARDS)))


def gathered(array: Any) -> np.ndarray:
    """An array with all its shards, from every device and process, on the host."""
    if jax.process_count() > 1:
        return np.asarray(multihost_utils.process_allgather(array, tiled=True))
    return np.asarray(array)


def join_processes(
    address: str, *, processes: int, process: int, timeout_seconds: int = 100
) -> None:
    """Makes this process one of a job that trains together; call it before anything else.

    **Arguments:**

    - `address`: `host:port` at which process 0 can be reached by the others.
    - `processes`: how many there are; `process`, the number of this one, from 0.
    - `timeout_seconds`: after so long without a sign of life of another process, this one
      ends with an error, instead of waiting for it for ever.
    """
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(
        address,
        num_processes=processes,
        process_id=process,
        initialization_timeout=timeout_seconds,
        heartbeat_timeout_seconds=timeout_seconds,
    )


def _put(tree: Any, sharding: NamedSharding) -> Any:
    arrays, rest = eqx.partition(tree, eqx.is_array_like)
    if jax.process_count() > 1:
        # Each process holds all of every array and gives its devices their part of it.
        arrays = jax.tree.map(np.asarray, arrays)
    return eqx.combine(jax.device_put(arrays, sharding), rest)
