"""In which order examples are seen, and on which shard each one lives."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from eqprop.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Layout:
    """How the examples of a training split are dealt to shards and batches.

    Each batch is cut into `shards` equal parts, which relax independently of each other, on
    one device or on several. In file order shard d takes the d-th part of every batch; an
    example stays on its shard for good, and with it its persistent particle. So the order of
    the examples depends on the number of shards, and never on the number of devices.

    **Arguments:**

    - `num_examples`: of the training split.
    - `batch_size`: examples per update; must be divisible by `shards`.
    - `shards`: parts of a batch.

    >>> Layout(5, 2).table()[:, 0]
    array([[0, 1],
           [2, 3],
           [4, 6]], dtype=int32)
    """

    num_examples: int
    batch_size: int
    shards: int = 1

    def __post_init__(self) -> None:
        for name in ("num_examples", "batch_size", "shards"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer):
                raise ConfigError(f"`{name}` must be a whole number, got {value!r}.")
        if self.batch_size < 1 or self.num_examples < 1:
            raise ConfigError(
                f"`batch_size` and `num_examples` must be 1 or more, got {self.batch_size} and "
                f"{self.num_examples}."
            )
        if self.shards < 1 or self.batch_size % self.shards:
            raise ConfigError(
                f"`data_shards` must divide the batch size, got {self.shards} for batches of "
                f"{self.batch_size}. Change one of them."
            )

    @property
    def batches(self) -> int:
        """Batches per epoch, a short last one included."""
        return -(-self.num_examples // self.batch_size)

    @property
    def slots(self) -> int:
        """Places for examples on each shard; some of the last may be empty."""
        return self.batches * (self.batch_size // self.shards)

    def table(self, *, epoch: int = 0, shuffle_seed: int | None = None) -> np.ndarray:
        """Which slot of each shard is in which batch: `[batches, shards, batch / shards]` int32.

        The number `slots` stands for no example.

        **Arguments:**

        - `epoch`: counted from 0; matters only under shuffling.
        - `shuffle_seed`: None keeps the file order in every epoch, as the paper does.
        """
        size = self.batch_size // self.shards
        rng = None if shuffle_seed is None else np.random.default_rng([shuffle_seed, epoch])
        table = np.full((self.shards, self.slots), self.slots, np.int32)
        for shard, taken in enumerate(self._taken()):
            order = np.flatnonzero(taken)
            table[shard, : len(order)] = order if rng is None else rng.permutation(order)
        return table.reshape(self.shards, self.batches, size).swapaxes(0, 1).copy()

    def deal(self, array: np.ndarray) -> np.ndarray:
        """`[examples, ...]` as `[shards, slots, ...]`; empty slots hold zeros."""
        padded = np.zeros((self.shards, self.slots, *array.shape[1:]), array.dtype)
        padded[self.place(np.arange(self.num_examples))] = array
        return padded

    def collect(self, dealt: Any) -> np.ndarray:
        """The inverse of `deal`."""
        return np.asarray(dealt)[self.place(np.arange(self.num_examples))]

    def place(self, examples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Shard and slot of each example."""
        size = self.batch_size // self.shards
        batch, position = np.divmod(examples, self.batch_size)
        shard, within = np.divmod(position, size)
        return shard, batch * size + within

    def _taken(self) -> np.ndarray:
        taken = np.zeros((self.shards, self.slots), bool)
        taken[self.place(np.arange(self.num_examples))] = True
        return taken
