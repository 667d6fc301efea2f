"""The loop over chunks: what experiments and `Model` share."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jax.sharding import Mesh

from eqprop.devices import AbstractDevice, Held, Ideal
from eqprop.energy import Network
from eqprop.errors import ConfigError
from eqprop.learning import AbstractLearningRule
from eqprop.learning.contrastive import check_held_targets
from eqprop.training.batches import Layout
from eqprop.training.examples import Examples
from eqprop.training.logs import BatchLog
from eqprop.training.reading import Reading
from eqprop.training.sharding import copied, deal_out, mesh_for, replicate
from eqprop.training.train import DEVICES, Fixed, Own, TrainState, train_chunk


@dataclasses.dataclass(frozen=True)
class Chunk:
    """A stretch of an epoch that ran as one program.

    **Attributes:**

    - `state`: after it.
    - `log`: per batch, cut to the batches that ran.
    - `batches_done`, `batches`: of this epoch.
    """

    state: TrainState
    log: BatchLog
    batches_done: int
    batches: int


@dataclasses.dataclass(frozen=True)
class Stretch:
    """A part of an epoch, before it is run.

    **Attributes:** `table` of slots `[batches, shards, batch / shards]` (`Layout.table`), of
    whose rows the first `used` are; `done`, batches of the epoch after it.
    """

    table: np.ndarray
    used: int
    done: int


@dataclasses.dataclass(frozen=True)
class Trainer:
    """Trains for one epoch after the other; holds all that training does not change.

    **Attributes:**

    - `examples`: the training split.
    - `optimizer`: from Optax; `optax.sgd(1.0)` with `rates` for plain descent.
    - `rates`: of every parameter (`learning_rates`).
    - `batch_size`: examples per update.
    - `key`: of whatever the rule draws.
    - `persistent`: whether free phases start where they ended in the epoch before.
    - `cold_share`: share of the batches that start cold all the same, drawn by `key`; where they
      end is kept as ever.
    - `shuffle_seed`: of the order of examples; None keeps the file order.
    - `chunk_batches`: batches per compiled program; between two of them signals are seen and
      checkpoints written. On a CPU a program holds on to some 3 MB per batch until its end.
    - `record_every`: batches between two records of the size of the updates.
    - `data_shards`: parts of a batch that relax independently, each on a device of its own as
      far as there are devices (`Layout`).
    - `device`: how parameters are held, written and read.
    """

    examples: Examples
    optimizer: optax.GradientTransformation
    rates: Network
    batch_size: int
    key: Array
    persistent: bool = True
    cold_share: float = 0.0
    shuffle_seed: int | None = None
    chunk_batches: int = 40
    record_every: int = 500
    data_shards: int = 1
    device: AbstractDevice = Ideal()  # noqa: RUF009 - frozen

    @functools.cached_property
    def layout(self) -> Layout:
        """Where each example lives."""
        return Layout(len(self.examples), self.batch_size, self.data_shards)

    @functools.cached_property
    def mesh(self) -> Mesh:
        """The devices that the shards are on.

        **Raises:** `ConfigError` if a process of the job would be left without work.
        """
        mesh = mesh_for(self.data_shards)
        if jax.process_count() > 1 and mesh.size < jax.device_count():
            raise ConfigError(
                f"`data_shards` must be a multiple of the number of devices, "
                f"{jax.device_count()}, in a job of {jax.process_count()} processes, got "
                f"{self.data_shards}. Set training.data_shards = {jax.device_count()}."
            )
        return mesh

    @functools.cached_property
    def own(self) -> Own:
        """What networks trained together have each for itself."""
        return replicate(Own(self.rates, jax.random.key_data(self.key), self.device), self.mesh)

    def _device_key(self, number: int | Array) -> Array:
        """What devices draw from outside batches, which have keys of their own."""
        return jax.random.fold_in(jax.random.fold_in(self.key, DEVICES), number)

    def start(self, network: Network, *, after: int = 0) -> TrainState:
        """The state before the first update, or of a run of which the network alone is left.

        **Arguments:** `after`: so many updates, from which a schedule goes on.
        """
        held = self.device.hold(self._device_key(DEVICES), network)
        state = TrainState.create(
            held, self.optimizer, self.layout, self.mesh, persistent=self.persistent
        )
        if not after:
            return state
        counted = _scheduled(state.optimizer_state, after), jnp.int32(after)
        memory, seen = replicate(counted, self.mesh)
        return dataclasses.replace(state, optimizer_state=memory, batches_seen=seen)

    def onwards(self, network: Network, before: TrainState | None) -> TrainState:
        """A state whose signs, optimiser and devices go on from another one, on other examples.

        **Arguments:** `before`: None for the state before the first update.
        """
        state = self.start(network)
        if before is None:
            return state
        taken = before.held.state, before.optimizer_state, before.batches_seen
        held, remembered, seen = copied(taken)  # the first chunk may be interrupted
        return dataclasses.replace(
            state, held=Held(state.network, held), optimizer_state=remembered, batches_seen=seen
        )

    def read(self, state: TrainState) -> Network:
        """The parameters as an evaluation sees them, after so many batches."""
        return self.device.read(self._device_key(state.batches_seen), state.held)

    def reading(self, state: TrainState) -> Reading | None:
        """The same for later; None where parameters are seen as they are held."""
        return Reading.of(self.device, self._device_key(state.batches_seen), state.held)

    @property
    def batches_per_epoch(self) -> int:
        """Updates per epoch, a short last batch included."""
        return self.layout.batches

    def kept_states(self, state: TrainState, count: int) -> Array:
        """Where the free phases of the first `count` examples would start, on one device."""
        if not self.persistent:
            return state.network.cold_state(count)
        return jnp.asarray(
            np.asarray(state.particles[self.layout.place(np.arange(count))]), state.network.dtype
        )

    def compile(self, state: TrainState, rule: AbstractLearningRule) -> TrainState:
        """Compiles what `epoch` will run, if that has not happened, and trains nothing.

        `epoch` would do it on its own; this is for those who want to know when it happens.

        **Returns:** the same state; the one given is donated.
        """
        rule.check(state.network)
        return self._run(state, rule, self.no_stretch())[0]

    def epoch(
        self, state: TrainState, rule: AbstractLearningRule, epoch: int, *, first_batch: int = 0
    ) -> Iterator[Chunk]:
        """Trains for one epoch, yielding after each chunk.

        **Arguments:**

        - `state`: is donated to the compiled program: use the yielded one.
        - `epoch`: counted from 0; decides the order under shuffling.
        - `first_batch`: where to begin in the epoch, a multiple of `chunk_batches`.
        """
        rule.check(state.network)
        check_held_targets(rule, state.network, self.examples.target)
        for stretch in self.stretches(epoch, first_batch):
            state, log = self._run(state, rule, stretch)
            yield Chunk(state, log.on_host(stretch.used), stretch.done, self.layout.batches)

    def stretches(self, epoch: int, first_batch: int = 0) -> Iterator[Stretch]:
        """The chunks into which an epoch is cut."""
        table = self.layout.table(epoch=epoch, shuffle_seed=self.shuffle_seed)
        for begin in range(first_batch, len(table), self._length):
            rows = table[begin : begin + self._length]
            yield Stretch(self._padded(rows), len(rows), begin + len(rows))

    def no_stretch(self) -> Stretch:
        """No batch, in the shape of a chunk."""
        return Stretch(self._padded(self.layout.table()[:0]), 0, 0)

    @property
    def _length(self) -> int:
        return min(self.chunk_batches, self.layout.batches)

    def _padded(self, rows: np.ndarray) -> np.ndarray:
        """Always the same shape, so that every chunk runs the same program."""
        shape = (self._length, self.layout.shards, self.batch_size // self.layout.shards)
        padded = np.full(shape, self.layout.slots, np.int32)
        padded[: len(rows)] = rows
        return padded

    def fixed(self, rule: AbstractLearningRule, used: int) -> Fixed:
        """What a chunk of so many batches reads."""
        share = jnp.float32(self.cold_share) if self.cold_share else None
        return Fixed(rule, self.own, jnp.int32(used), jnp.int32(self.record_every), share)

    @functools.cached_property
    def dealt_examples(self) -> Examples:
        """The examples, each shard's on its device."""
        return deal_out(jax.tree.map(self.layout.deal, self.examples), self.mesh)

    def _run(
        self, state: TrainState, rule: AbstractLearningRule, stretch: Stretch
    ) -> tuple[TrainState, BatchLog]:
        """Trains on a stretch of an epoch."""
        fixed = replicate(self.fixed(rule, stretch.used), self.mesh)
        return train_chunk(
            (fixed, self.dealt_examples, jnp.asarray(stretch.table)),
            state,
            self.optimizer,
            self.persistent,
            self.mesh,
        )


def _scheduled(memory: Any, updates: int) -> Any:
    """What an optimiser remembers, with its schedule after so many updates."""

    def is_schedule(node: Any) -> bool:
        return isinstance(node, optax.ScaleByScheduleState)

    def counted(node: Any) -> Any:
        if not is_schedule(node):
            return node
        return node._replace(count=jnp.full_like(node.count, updates))

    return jax.tree.map(counted, memory, is_leaf=is_schedule)
