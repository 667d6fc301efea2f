"""Training: whole chunks of an epoch in one compiled program."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax
from jax.sharding import Mesh, PartitionSpec

from eqprop.devices import AbstractDevice, Held
from eqprop.energy import Network
from eqprop.energy.pixels import inputs
from eqprop.errors import ConfigError
from eqprop.learning import AbstractLearningRule, Batch
from eqprop.training.arrays import tree_from_arrays, tree_to_arrays
from eqprop.training.batches import Layout
from eqprop.training.examples import Examples, decided
from eqprop.training.logs import NOT_RECORDED, BatchLog, PhaseLog, sizes
from eqprop.training.sharding import SHARDS, copied, deal_out, gathered, replicate_arrays

DEVICES = 2**31 - 1
"""The stream of whatever devices draw, beside those of rules and batches, which count from 0."""
COLD = 2**31 - 2
"""The stream that says which batches start cold."""


class TrainState(eqx.Module):
    """Everything that training changes; saving it is saving the run.

    **Attributes:**

    - `held`: the parameters, and what their devices remember.
    - `optimizer_state`: of the Optax optimiser.
    - `particles`: the persistent particles, `[shards, slots, free units]` (`Layout`): the free
      state of each training example when it was last seen, zero before. No slots where they
      are not kept.
    - `batches_seen`: number of updates made so far, a scalar.
    """

    held: Held
    optimizer_state: Any
    particles: Array
    batches_seen: Array

    @property
    def network(self) -> Network:
        """The parameters as they are held; a phase sees them as they are read."""
        return self.held.network

    @staticmethod
    def create(
        held: Held,
        optimizer: optax.GradientTransformation,
        layout: Layout,
        mesh: Mesh,
        *,
        persistent: bool,
    ) -> TrainState:
        """The state before the first update."""
        network = held.network
        slots = layout.slots if persistent else 0
        particles = np.zeros((layout.shards, slots, network.num_free), network.dtype)
        parameters = eqx.filter(network, eqx.is_inexact_array)
        begun = held, optimizer.init(parameters), jnp.int32(0)  # pyright: ignore[reportArgumentType]
        held, optimizer_state, batches_seen = replicate_arrays(copied(begun), mesh)
        return TrainState(held, optimizer_state, deal_out(particles, mesh), batches_seen)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything but network and particles as host arrays."""
        arrays = {"batches_seen": np.asarray(self.batches_seen)}
        arrays |= tree_to_arrays(self.held.state, "device")
        return arrays | tree_to_arrays(self.optimizer_state, "optimizer")

    def particles_by_shard(self) -> list[np.ndarray]:
        """The particles of each shard, `[slots, free units]`; without a copy on a CPU."""
        if jax.process_count() > 1:
            return list(gathered(self.particles))
        parts = sorted(self.particles.addressable_shards, key=lambda part: part.index[0].start or 0)
        return [shard for part in parts for shard in np.asarray(part.data)]

    def with_arrays(
        self,
        network: Network,
        arrays: Mapping[str, np.ndarray],
        particles: Sequence[np.ndarray],
        mesh: Mesh,
    ) -> TrainState:
        """This state with another network and with what was taken out of one like it.

        **Raises:** `ConfigError` if an array is missing or does not fit.
        """
        shape = self.particles.shape
        fit = [part.shape == shape[1:] and part.dtype == self.particles.dtype for part in particles]
        if len(fit) != shape[0] or not all(fit):
            raise ConfigError(
                f"`particles` must be {shape[0]} arrays of shape {shape[1:]}, got "
                f"{[part.shape for part in particles]}. They were saved from something else."
            )
        batches_seen = tree_from_arrays(self.batches_seen, arrays, "batches_seen")
        optimizer_state = tree_from_arrays(self.optimizer_state, arrays, "optimizer")
        held = Held(network, tree_from_arrays(self.held.state, arrays, "device"))
        held, optimizer_state, batches_seen = replicate_arrays(
            (held, optimizer_state, batches_seen), mesh
        )
        dealt = jax.make_array_from_callback(
            shape,
            self.particles.sharding,
            lambda index: np.stack(particles[index[0]]),  # pyright: ignore[reportOptionalSubscript]
        )
        return TrainState(held, optimizer_state, dealt, batches_seen)


class Own(eqx.Module):
    """What networks that are trained together may have each for itself.

    **Attributes:**

    - `rates`: the learning rates (`learning_rates`).
    - `key`: raw data of the key of whatever the rule draws. Batch number n of the whole run
      draws from `fold_in(key, n)`, so that results do not depend on how it is cut into chunks.
    - `device`: how parameters are written and read; it draws from a stream of its own of `key`.
    """

    rates: Network
    key: Array
    device: AbstractDevice


class Fixed(eqx.Module):
    """What a chunk of training reads and never changes.

    **Attributes:**

    - `rule`: the learning rule.
    - `own`: what a network trained together with others has for itself.
    - `num_batches`: how many rows of the table to use.
    - `record_every`: every how many batches the size of the updates is recorded.
    - `cold_share`: of the batches that start cold all the same; None for none.
    """

    rule: AbstractLearningRule
    own: Own
    num_batches: Array
    record_every: Array
    cold_share: Array | None = None


@eqx.filter_jit(donate="all-except-first")
def train_chunk(
    kept: tuple[Fixed, Examples, Array],
    state: TrainState,
    optimizer: optax.GradientTransformation,
    persistent: bool,
    mesh: Mesh,
) -> tuple[TrainState, BatchLog]:
    """Trains on a table of batches in one compiled program.

    **Arguments:**

    - `kept`: what is not donated: a `Fixed`; the `Examples`, dealt to shards
      (`[shards, slots, ...]`); the table `[batches, shards, batch / shards]` of slots
      (`Layout.table`).
    - `state`: is donated: use the returned one.
    - `optimizer`: from Optax; its updates are multiplied by the rates.
    - `persistent`: whether free phases start at the persistent particles or cold.
    - `mesh`: the devices; each works on its shards, and corrections are summed over all.
    """
    fixed, examples, table = kept
    # Shapes, counts and functions among the leaves are no arrays; they stay outside.
    rest = eqx.tree_at(lambda state: state.particles, state, None)
    arrays, other = eqx.partition((fixed, rest), eqx.is_array)

    def run(arrays, table, examples, particles):
        fixed, rest = eqx.combine(arrays, other)
        state = dataclasses.replace(rest, particles=particles)
        return _train_batches(fixed, state, examples, table, optimizer, persistent)

    changed, particles, log = _over_devices(run, mesh)(arrays, table, examples, state.particles)
    rest = eqx.combine(changed, other[1])
    return dataclasses.replace(rest, particles=particles), log


@eqx.filter_jit(donate="all-except-first")
def train_chunks_together(
    kept: tuple[Fixed, Own, Examples, Array],
    state: TrainState,
    optimizer: optax.GradientTransformation,
    persistent: bool,
    mesh: Mesh,
) -> tuple[TrainState, BatchLog]:
    """`train_chunk` for several runs of one shape, each on its own table of batches.

    **Arguments:**

    - `kept`: what is not donated: a `Fixed` of which all runs share everything but `own`; the
      `Own` of each run `[runs, ...]`; the `Examples`, dealt to shards; the tables
      `[runs, batches, shards, batch / shards]`.
    - `state`: of all runs, `[runs, ...]`; is donated.

    **Returns:** state and records of all runs, `[runs, ...]`.
    """
    shared, own, examples, tables = kept
    shared = eqx.tree_at(lambda fixed: fixed.own, shared, None)
    rest = eqx.tree_at(lambda state: state.particles, state, None)
    arrays, other = eqx.partition((shared, own, rest), eqx.is_array)

    def run(arrays, tables, examples, particles):
        shared = eqx.combine(arrays[0], other[0])

        def one(arrays, table, particles):
            own, rest = eqx.combine(arrays, other[1:])
            fixed = dataclasses.replace(shared, own=own)
            state = dataclasses.replace(rest, particles=particles)
            return _train_batches(fixed, state, examples, table, optimizer, persistent)

        return jax.vmap(one)(arrays[1:], tables, particles)

    together = _over_devices(run, mesh, None)
    changed, particles, log = together(arrays, tables, examples, state.particles)
    rest = eqx.combine(changed, other[2])
    return dataclasses.replace(rest, particles=particles), log


def _over_devices(run: Callable[..., Any], mesh: Mesh, *axes: None) -> Callable[..., Any]:
    """`run(arrays, table, examples, particles)` on the shards of each device.

    **Arguments:**

    - `axes`: of table and particles, and of what is returned, in front of those of one run.
    """
    whole, particles = PartitionSpec(), PartitionSpec(*axes, SHARDS)
    return jax.shard_map(
        run,
        mesh=mesh,
        in_specs=(whole, PartitionSpec(*axes, None, SHARDS), PartitionSpec(SHARDS), particles),
        out_specs=(whole, particles, whole),
        check_vma=False,
    )


def _train_batches(
    fixed: Fixed,
    state: TrainState,
    examples: Examples,
    table: Array,
    optimizer: optax.GradientTransformation,
    persistent: bool,
) -> tuple[Any, Array, BatchLog]:
    """The batches of a table; the arrays of the state but particles, particles, and records."""

    moving, still = eqx.partition(state, eqx.is_array)  # functions and plain numbers are no carry

    def body(row, carry):
        moving, log = carry
        batch = table[row], totals[row]
        state = eqx.combine(moving, still)
        state, entry = _train_batch(fixed, state, examples, batch, optimizer, persistent)

        def set_row(log: Array, one: Array) -> Array:  # a rule may say 0 in another precision
            return lax.dynamic_update_index_in_dim(log, one.astype(log.dtype), row, 0)

        return eqx.filter(state, eqx.is_array), jax.tree.map(set_row, log, entry)

    taken = jnp.sum(_present(examples, table), axis=(1, 2), dtype=jnp.int32)
    totals = lax.psum(taken, SHARDS)
    log = BatchLog.empty(state.network, len(table))
    moving, log = lax.fori_loop(0, fixed.num_batches, body, (moving, log))
    state = eqx.combine(moving, still)
    rest = eqx.tree_at(lambda state: state.particles, state, None)
    return eqx.filter(rest, eqx.is_array), state.particles, log.over_devices()


def _present(examples: Examples, slots: Array) -> Array:
    """Which slots hold an example; the one past the last fills up a short batch."""
    return slots < examples.x.shape[1]


def _train_batch(
    fixed: Fixed,
    state: TrainState,
    examples: Examples,
    batch: tuple[Array, Array],
    optimizer: optax.GradientTransformation,
    persistent: bool,
) -> tuple[TrainState, BatchLog]:
    """One update of all devices, and what this one saw of it.

    **Arguments:** `batch`: the slots of this device's shards, and how many examples the batch has
    on all devices.
    """
    own, particles = fixed.own, state.particles
    slots, total = batch
    key = jax.random.fold_in(jax.random.wrap_key_data(own.key), state.batches_seen)
    reading, writing = jax.random.split(jax.random.fold_in(key, DEVICES))
    network = own.device.read(reading, state.held)
    # [shards, examples]: all are read and written in one go; a shard taken out first, or one
    # after the other, would be copied whole.
    where = (jnp.arange(len(slots))[:, None], slots)
    present = _present(examples, slots)
    x = inputs(examples.x.at[where].get(mode="clip"), network.dtype)
    target = examples.target.at[where].get(mode="clip")
    # The empty slot of a padded example reads zeros here and writes nothing below.
    if persistent:
        start = particles.at[where].get(mode="fill", fill_value=0)
        if fixed.cold_share is not None:
            is_cold = jax.random.uniform(jax.random.fold_in(key, COLD)) < fixed.cold_share
            start = jnp.where(is_cold, 0, start)
    else:
        start = jnp.stack([network.cold_state(slots.shape[1])] * len(slots))
    weights = present.astype(x.dtype) / total.astype(x.dtype)
    if examples.weight is not None:
        weights *= examples.weight.at[where].get(mode="clip")
    reread = own.device.reread(state.held)
    fixed.rule.check_reads(reread)
    parts = Batch(x, target, start, key, weights, present, seen=own.device.seen, reread=reread)
    raw, states, report = fixed.rule.estimate_parts(network, parts, axis=SHARDS)
    if persistent:
        particles = particles.at[where].set(states, mode="drop")
    output = jax.vmap(network.output)(states)
    scores = jax.vmap(network.cost.scores)(output)
    wrong = decided(scores) != decided(target)
    costs = jax.vmap(jax.vmap(network.cost))(output, target)

    def step(raw: Network) -> tuple[Network, Network, Any]:
        """Correction, applied update, and what the optimiser keeps."""
        gradient = state.network.constrain(raw.as_written())
        parameters = eqx.filter(state.network, eqx.is_inexact_array)
        updates, optimizer_state = optimizer.update(
            gradient,  # pyright: ignore[reportArgumentType]
            state.optimizer_state,
            parameters,  # pyright: ignore[reportArgumentType]
        )
        return gradient, jax.tree.map(jnp.multiply, own.rates, updates), optimizer_state

    # Asked for again where it is recorded: kept for that, correction and update would have to be
    # written out in every batch, while now nothing but the new weights is.
    recorded = state.batches_seen % fixed.record_every == 0
    corrections, applied = sizes(state.network, recorded, lambda: step(raw)[:2])
    # The sizes must come before the update: else all that the optimiser keeps is copied for them in
    # every batch. So corrections are multiplied by a factor that follows from a size: always 1.
    size = next(iter(corrections.values()))
    factor = jnp.where(size < NOT_RECORDED, 0, 1).astype(size.dtype)
    _, updates, optimizer_state = step(jax.tree.map(lambda leaf: leaf * factor, raw))
    entry = BatchLog(
        examples=total,
        errors=jnp.sum(present & wrong, dtype=jnp.int32),
        cost=jnp.sum(jnp.where(present, costs, 0)),
        free=PhaseLog.of([report.free], present),
        nudged=PhaseLog.of(report.nudged, present),
        corrections=corrections,
        updates=applied,
    )
    # Weight decay, noise or momentum of an optimiser may have moved what does not exist.
    held = own.device.write(writing, state.held, state.network.constrain(updates))
    return TrainState(held, optimizer_state, particles, state.batches_seen + 1), entry
