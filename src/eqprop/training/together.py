"""Several networks trained at once by one compiled program: seeds, rates, values of p."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from eqprop.energy import Network
from eqprop.errors import ConfigError
from eqprop.learning import AbstractLearningRule
from eqprop.learning.contrastive import check_held_targets
from eqprop.training.logs import BatchLog
from eqprop.training.sharding import replicate
from eqprop.training.train import Own, TrainState, train_chunks_together
from eqprop.training.trainer import Chunk, Stretch, Trainer

_SHARED = (
    "examples", "optimizer", "batch_size", "persistent", "cold_share", "chunk_batches",
    "record_every", "data_shards",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Together:
    """Trains networks of one shape side by side, each as its own `Trainer` would.

    Pays where one network leaves a device half idle, as a GPU; on a CPU, processes of their own
    are faster (`eqprop reproduce --workers`). A free phase that ends by its residual goes on until
    the slowest network's has ended. All particles are on the device at once.

    **Arguments:**

    - `trainers`: one per network. `rates`, `key`, `shuffle_seed` and the strengths of `device` may
      differ; all else is the same, the very same examples and optimiser.

    **Raises:** `ConfigError` for trainers that differ in anything else.

    >>> import eqprop, jax, numpy as np, optax
    >>> from eqprop.training import Examples, Together, Trainer
    >>> networks = [eqprop.Network.initialize(eqprop.layered([6, 8, 2]), seed=s) for s in (0, 1)]
    >>> x = np.random.default_rng(0).random((40, 6))
    >>> examples = Examples.of(networks[0], x, (x[:, 0] > x[:, 1]).astype(int))
    >>> sgd, rates = optax.sgd(1.0), eqprop.learning_rates(networks[0], 0.1)
    >>> keys = [jax.random.key(seed) for seed in (0, 1)]
    >>> both = Together([Trainer(examples, sgd, rates, 20, key) for key in keys])
    >>> state = both.start(networks)
    >>> for chunk in both.epoch(state, eqprop.default_rule(), 0):
    ...     state = chunk.state
    >>> chunk.log.errors.shape  # networks, batches
    (2, 2)
    >>> len(both.networks(state))
    2
    """

    trainers: Sequence[Trainer]

    def __post_init__(self) -> None:
        first = self.trainers[0]
        for name in _SHARED:
            wanted = getattr(first, name)
            for number, trainer in enumerate(self.trainers):
                found = getattr(trainer, name)
                same = found is wanted or (np.isscalar(found) and found == wanted)
                if not same:
                    raise ConfigError(
                        f"`{name}` must be the same for networks that are trained together, got "
                        f"another for number {number} than for number 0. Train it on its own."
                    )

    def start(self, networks: Sequence[Network]) -> TrainState:
        """The state of all networks before the first update, `[networks, ...]`.

        **Raises:** `ConfigError` for networks of different shape or activation.
        """
        if len(networks) != len(self.trainers):
            raise ConfigError(
                f"`networks` must be one per trainer, {len(self.trainers)}, got {len(networks)}."
            )
        shape = _shape(networks[0])
        for number, network in enumerate(networks):
            if _shape(network) != shape:
                raise ConfigError(
                    f"`networks` must have the same layers, pairs of layers, activation and cost, "
                    f"got another for number {number} than for number 0. Train it on its own."
                )
        pairs = zip(self.trainers, networks, strict=True)
        return self.joined([trainer.start(network) for trainer, network in pairs])

    def compile(self, state: TrainState, rule: AbstractLearningRule) -> TrainState:
        """As `Trainer.compile`, for all networks."""
        nothing = [trainer.no_stretch() for trainer in self.trainers]
        return self._run(state, rule, nothing)[0]

    def epoch(
        self, state: TrainState, rule: AbstractLearningRule, epoch: int, *, first_batch: int = 0
    ) -> Iterator[Chunk]:
        """Trains all networks for one epoch, yielding after each chunk.

        State and records are those of `Trainer.epoch` with an axis of networks in front.

        **Arguments:**

        - `state`: is donated to the compiled program: use the yielded one.
        - `epoch`: counted from 0.
        - `first_batch`: where to begin in the epoch, a multiple of `chunk_batches`.
        """
        for network in self.networks(state):
            rule.check(network)
            check_held_targets(rule, network, self.trainers[0].examples.target)
        every = (trainer.stretches(epoch, first_batch) for trainer in self.trainers)
        for stretches in zip(*every, strict=True):
            state, log = self._run(state, rule, stretches)
            first = stretches[0]
            done, batches = first.done, self.trainers[0].batches_per_epoch
            yield Chunk(state, log.on_host(first.used), done, batches)

    def _run(
        self, state: TrainState, rule: AbstractLearningRule, stretches: Sequence[Stretch]
    ) -> tuple[TrainState, BatchLog]:
        """Trains every network on its stretch of an epoch."""
        first = self.trainers[0]
        shared = replicate(first.fixed(rule, stretches[0].used), first.mesh)
        tables = jnp.asarray(np.stack([stretch.table for stretch in stretches]))
        return train_chunks_together(
            (shared, self._own, first.dealt_examples, tables),
            state,
            first.optimizer,
            first.persistent,
            first.mesh,
        )

    @functools.cached_property
    def _own(self) -> Own:
        """`Trainer.own` of every network, `[networks, ...]`."""
        return replicate(
            _stacked([trainer.own for trainer in self.trainers]), self.trainers[0].mesh
        )

    def joined(self, states: Sequence[TrainState]) -> TrainState:
        """The state of all networks from that of each, one per trainer; those are used up."""
        # By far the largest part: each is let go of as soon as it is copied.
        particles = jnp.zeros((len(states), *states[0].particles.shape), states[0].particles.dtype)
        for number, each in enumerate(states):
            particles = _with_part(particles, number, each.particles)
            jax.block_until_ready(particles)
            each.particles.delete()
        rest = [dataclasses.replace(each, particles=None) for each in states]
        return dataclasses.replace(_stacked(rest), particles=particles)

    def states(self, state: TrainState) -> list[TrainState]:
        """The state of each network, as its own trainer would have it."""
        return _apart(state, len(self.trainers))

    def logs(self, log: BatchLog) -> list[BatchLog]:
        """The records of each network."""
        return _apart(log, len(self.trainers))

    def networks(self, state: TrainState) -> list[Network]:
        """Each network of a state."""
        return _apart(state.network, len(self.trainers))


def _stacked(trees: Sequence[Any]) -> Any:
    """Arrays of equal trees along a new first axis; all else from the first tree."""
    parts = [eqx.partition(tree, eqx.is_array) for tree in trees]
    arrays = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(arrays for arrays, _ in parts))
    return eqx.combine(arrays, parts[0][1])


@functools.partial(jax.jit, donate_argnums=0)
def _with_part(whole: Array, number: int, part: Array) -> Array:
    return whole.at[number].set(part)


def _apart(tree: Any, count: int) -> list[Any]:
    """What `_stacked` put together."""
    arrays, rest = eqx.partition(tree, eqx.is_array)
    return [
        eqx.combine(jax.tree.map(lambda leaf, k=k: leaf[k], arrays), rest) for k in range(count)
    ]


def _shape(network: Network) -> Any:
    """What networks must share to run in one program."""
    arrays, rest = eqx.partition(network, eqx.is_array)
    leaves, structure = jax.tree.flatten(arrays)
    return structure, [(leaf.shape, leaf.dtype) for leaf in leaves], jax.tree.leaves(rest)
