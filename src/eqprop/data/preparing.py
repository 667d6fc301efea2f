"""What is done to data of the user's own before it is learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from eqprop.data.dataset import Dataset, Split
from eqprop.errors import DataError
from eqprop.training.preparation import Preparation, scaled

Task = Literal["auto", "classification", "regression"]
Scale = Literal["auto", "columns", "none"]


def prepared(
    name: str, raw: Mapping[str, tuple[np.ndarray, np.ndarray]], task: Task, scale: Scale
) -> Dataset:
    """A data set from inputs and targets as they were found, with what was done to them.

    **Raises:** `DataError` for values that no network can learn.
    """
    x, y = raw["train"]
    flat = x.reshape(len(x), -1)
    if not np.issubdtype(flat.dtype, np.number) and flat.dtype != bool:
        raise DataError(f"inputs must be numbers, got {flat.dtype}. Encode text as numbers.")
    for split, (inputs, _) in raw.items():
        if not np.isfinite(inputs).all():
            raise DataError(
                f"inputs must be finite, got NaN or infinity ({split}). Clean the data."
            )
    low = high = None
    inside = flat.dtype == np.uint8 or (flat.min() >= 0 and flat.max() <= 1)
    if scale == "columns" or (scale == "auto" and not inside):
        low, high = flat.min(axis=0).astype(np.float64), flat.max(axis=0).astype(np.float64)
    classes = target_low = target_high = None
    if _is_classification(y, task):
        labels = y[:, 0] if y.ndim == 2 else y
        classes = np.unique(labels)
    else:
        values = _columns(y)
        target_low, target_high = values.min(axis=0), values.max(axis=0)
    done = Preparation(low, high, classes, target_low, target_high)
    splits = {}
    for split, (inputs, targets) in raw.items():
        kept = inputs.reshape(len(inputs), -1)
        kept = kept if kept.dtype == np.uint8 and low is None else done.inputs(kept)
        splits[split] = Split(kept, _targets(targets, done, split))
    outputs = len(classes) if classes is not None else _columns(y).shape[1]
    return Dataset(name, splits, outputs, done)


def _is_classification(y: np.ndarray, task: Task) -> bool:
    single = y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1)
    if task != "auto":
        if task == "classification" and not single:
            raise DataError(
                f"targets must be one label per example for a classification, got shape {y.shape}."
            )
        return task == "classification"
    return single and y.dtype.kind in "iubUSO"


def _columns(y: np.ndarray) -> np.ndarray:
    values = y[:, None] if y.ndim == 1 else y.reshape(len(y), -1)
    try:
        values = values.astype(np.float64)
    except ValueError:
        raise DataError(
            'targets must be numbers for a regression, got text. Set data.task = "classification"'
        ) from None
    if not np.isfinite(values).all():
        raise DataError("targets must be finite, got NaN or infinity. Clean the data.")
    return values


def _targets(y: np.ndarray, done: Preparation, split: str) -> np.ndarray:
    if done.classes is None:
        assert done.target_low is not None and done.target_high is not None
        return scaled(_columns(y), done.target_low, done.target_high).astype(np.float32)
    labels = y[:, 0] if y.ndim == 2 else y
    places = np.searchsorted(done.classes, labels).clip(0, len(done.classes) - 1)
    wrong = done.classes[places] != labels
    if wrong.any():
        raise DataError(
            f"every class must be among the training examples, got {labels[wrong][0]!s} in "
            f"`{split}` alone. Choose another split: data.split_seed."
        )
    return places.astype(np.int64)
