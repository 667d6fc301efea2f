"""In which order examples are seen: a function of the seed and the epoch, nothing else."""

from __future__ import annotations

import numpy as np

from eqprop.errors import ConfigError


def batch_table(
    num_examples: int, batch_size: int, *, epoch: int = 0, shuffle_seed: int | None = None
) -> np.ndarray:
    """The example indices of every batch of an epoch, `[batches, batch_size]` int32.

    A short last batch is padded with the index `num_examples`, which stands for no example.

    **Arguments:**

    - `epoch`: counted from 0; matters only under shuffling.
    - `shuffle_seed`: None keeps the file order in every epoch, as the paper does.

    >>> batch_table(5, 2)
    array([[0, 1],
           [2, 3],
           [4, 5]], dtype=int32)
    """
    if batch_size < 1 or num_examples < 1:
        raise ConfigError(
            f"`batch_size` and `num_examples` must be 1 or more, got {batch_size} and "
            f"{num_examples}."
        )
    order = np.arange(num_examples)
    if shuffle_seed is not None:
        order = np.random.default_rng([shuffle_seed, epoch]).permutation(num_examples)
    batches = -(-num_examples // batch_size)
    table = np.full(batches * batch_size, num_examples, np.int32)
    table[:num_examples] = order
    return table.reshape(batches, batch_size)
