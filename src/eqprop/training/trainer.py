"""The loop over chunks: what experiments and `Model` share."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from eqprop.energy import Network
from eqprop.learning import AbstractLearningRule
from eqprop.training.batches import batch_table
from eqprop.training.examples import Examples
from eqprop.training.train import BatchLog, TrainState, train_chunk


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
class Trainer:
    """Trains for one epoch after the other; holds all that training does not change.

    **Attributes:**

    - `examples`: the training split.
    - `optimizer`: from Optax; `optax.sgd(1.0)` with `rates` for plain descent.
    - `rates`: of every parameter (`learning_rates`).
    - `batch_size`: examples per update.
    - `key`: of whatever the rule draws.
    - `persistent`: whether free phases start where they ended in the epoch before.
    - `shuffle_seed`: of the order of examples; None keeps the file order.
    - `chunk_batches`: batches per compiled program; between two of them signals are seen and
      checkpoints written.
    - `record_every`: batches between two records of the size of the updates.
    """

    examples: Examples
    optimizer: optax.GradientTransformation
    rates: Network
    batch_size: int
    key: Array
    persistent: bool = True
    shuffle_seed: int | None = None
    chunk_batches: int = 250
    record_every: int = 500

    def start(self, network: Network) -> TrainState:
        """The state before the first update."""
        kept = len(self.examples) if self.persistent else 0
        return TrainState.create(network, self.optimizer, kept)

    @property
    def batches_per_epoch(self) -> int:
        """Updates per epoch, a short last batch included."""
        return -(-len(self.examples) // self.batch_size)

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
        table = batch_table(
            len(self.examples), self.batch_size, epoch=epoch, shuffle_seed=self.shuffle_seed
        )
        total = len(table)
        length = min(self.chunk_batches, total)
        for begin in range(first_batch, total, length):
            rows = table[begin : begin + length]
            # Always the same shape, so that every chunk runs the same program.
            padded = np.full((length, self.batch_size), len(self.examples), np.int32)
            padded[: len(rows)] = rows
            fixed = (
                rule,
                self.examples,
                self.rates,
                jnp.asarray(padded),
                jnp.int32(len(rows)),
                self.key,
                jnp.int32(self.record_every),
            )
            state, log = train_chunk(fixed, state, self.optimizer, self.persistent)
            ran = slice(len(rows))
            log = jax.tree.map(lambda leaf, ran=ran: np.asarray(leaf)[ran], log)
            yield Chunk(state, log, begin + len(rows), total)
