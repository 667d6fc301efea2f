"""What training writes down of every batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from eqprop.energy import Group, Network
from eqprop.relaxation import SETTLED, Equilibrium
from eqprop.training.sharding import SHARDS

# Of a size, on the device: NaN there would end programs of those who look for NaN
# (`JAX_DEBUG_NANS`).
NOT_RECORDED = -1


class PhaseLog(eqx.Module):
    """How one phase settled, or several of one kind, per batch: all `[batches]`.

    **Attributes:** `steps` of all of them, by the shard that took most; `residual`, the largest
    of the batch; `unsettled`, number of examples that did not settle;
    `broken_unit`, the first free unit that is NaN or infinite in some example, -1 where there is
    none.
    """

    steps: Array
    residual: Array
    unsettled: Array
    broken_unit: Array

    @staticmethod
    def of(phases: Sequence[Equilibrium], present: Array) -> PhaseLog:
        """Of all parts of a batch on this device.

        An example has settled if it has in every phase; padded ones are left out.

        **Arguments:** `phases` `[parts, ...]`; `present` `[parts, batch]`.
        """

        def part(phases: Sequence[Equilibrium], present: Array) -> tuple[Array, ...]:
            residual = jnp.zeros(present.shape, phases[0].residual.dtype if phases else None)
            settled = jnp.ones(present.shape, bool)
            broken = jnp.zeros(phases[0].state.shape[1] if phases else 1, bool)
            for found in phases:
                residual = jnp.maximum(residual, found.residual)
                # Whatever the tolerance of a phase is, what counts is the same.
                settled &= found.residual <= SETTLED
                broken |= jnp.any(~jnp.isfinite(found.state) & present[:, None], axis=0)
            none = jnp.int32(0)
            return (
                sum((found.steps for found in phases), start=none),
                jnp.max(jnp.where(present, residual, 0)),
                jnp.sum(present & ~settled, dtype=jnp.int32),
                _first(broken),
            )

        steps, residual, unsettled, broken = jax.vmap(part)(phases, present)
        return PhaseLog(
            steps=jnp.max(steps),
            residual=jnp.max(residual),
            unsettled=jnp.sum(unsettled, dtype=jnp.int32),
            broken_unit=jnp.max(broken),
        )

    def over_devices(self) -> PhaseLog:
        """Of the parts on all devices."""
        return PhaseLog(
            steps=lax.pmax(self.steps, SHARDS),
            residual=lax.pmax(self.residual, SHARDS),
            unsettled=lax.psum(self.unsettled, SHARDS),
            broken_unit=lax.pmax(self.broken_unit, SHARDS),
        )


class BatchLog(eqx.Module):
    """What training saw, per batch: all `[batches]`, the last two `{label: [batches]}`.

    **Attributes:**

    - `examples`: examples in the batch.
    - `errors`: examples whose largest output, in the free phase and before the update, was not
      the largest target (the paper's training error, measured online).
    - `cost`: summed over the examples.
    - `free`, `nudged`: see `PhaseLog`.
    - `corrections`, `updates`: root mean square over the connections that exist of the
      correction and of the applied update, per group of parameters (`Group.label`); NaN
      (-1 before `on_host`) for batches not recorded.
    """

    examples: Array
    errors: Array
    cost: Array
    free: PhaseLog
    nudged: PhaseLog
    corrections: dict[str, Array]
    updates: dict[str, Array]

    @staticmethod
    def empty(network: Network, batches: int) -> BatchLog:
        """Room for so many batches."""
        whole = jnp.zeros(batches, jnp.int32)
        real = jnp.zeros(batches, network.dtype)
        phase = PhaseLog(whole, real, whole, whole)
        sizes = {group.label: real for group in network.groups()}
        return BatchLog(whole, whole, real, phase, phase, sizes, sizes)

    def on_host(self, used: int) -> BatchLog:
        """The first `used` batches (the last axis) as NumPy arrays."""
        host = jax.tree.map(lambda leaf: np.asarray(leaf)[..., :used], self)

        def told(sizes: dict[str, Any]) -> dict[str, Any]:
            return {k: np.where(v == NOT_RECORDED, np.nan, v) for k, v in sizes.items()}

        return dataclasses.replace(
            host, corrections=told(host.corrections), updates=told(host.updates)
        )

    def over_devices(self) -> BatchLog:
        """What all devices saw, from what this one did of the same batches.

        Once per chunk: a handshake in every batch would make each core wait for the other.
        """
        return dataclasses.replace(
            self,
            errors=lax.psum(self.errors, SHARDS),
            cost=lax.psum(self.cost, SHARDS),
            free=self.free.over_devices(),
            nudged=self.nudged.over_devices(),
        )


def sizes(
    network: Network, recorded: Array, trees: Callable[[], Sequence[Any]]
) -> list[dict[str, Array]]:
    """Root mean square per group over the entries that exist of each of two trees, or -1.

    **Arguments:** `trees` makes them; it is asked where they are `recorded` alone.
    """
    groups = network.groups()

    def size(group: Group, tree: Any) -> Array:
        array = group.of(tree)
        count = array.size
        if group.mask is not None:
            count = jnp.maximum(1.0, jnp.sum(group.mask, dtype=array.dtype))
        return jnp.sqrt(jnp.sum(array**2) / count).astype(network.dtype)

    def measure() -> list[dict[str, Array]]:
        return [{group.label: size(group, tree) for group in groups} for tree in trees()]

    def skip() -> list[dict[str, Array]]:
        nothing = jnp.full((), NOT_RECORDED, network.dtype)
        return [{group.label: nothing for group in groups}] * 2

    return lax.cond(recorded, measure, skip)


def _first(flags: Array) -> Array:
    """Index of the first true flag, or -1."""
    return jnp.where(jnp.any(flags), jnp.argmax(flags), -1).astype(jnp.int32)
