"""What is done to data of the user's own before it is learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from eqprop.data.dataset import Dataset, Split
from eqprop.data.settings import OwnSettings
from eqprop.errors import DataError, unknown_name
from eqprop.training.preparation import Preparation, placed, scaled

SPLITS = ("train", "validation", "test")

Raw = Mapping[str, tuple[np.ndarray, ...]]
"""Inputs, targets and perhaps weights of each split; one split `all` where nothing splits them."""


def given(data: Any, wanted: OwnSettings) -> Dataset:
    """A data set from what Python hands over.

    **Arguments:** `data`: a `Dataset`, which stays as it is; inputs and targets `(x, y)`, or with
    weights `(x, y, weight)`; or such for each of the splits `train`, `validation` and `test`.

    **Raises:** `DataError` for anything else.
    """
    if isinstance(data, Dataset):
        return data
    pairs = data if isinstance(data, Mapping) else {"all": data}
    raw = {}
    for name, pair in pairs.items():
        if name not in (*SPLITS, "all"):
            raise DataError(unknown_name("a split of `data`", name, SPLITS))
        if not isinstance(pair, tuple | list) or len(pair) not in (2, 3):
            raise DataError(
                f"`data` must be (x, y), or a dict of such pairs, got {type(pair).__name__} "
                f"({name})."
            )
        parts = tuple(np.asarray(p.toarray() if hasattr(p, "toarray") else p) for p in pair)
        parts = (_numbers(parts[0]), *parts[1:])
        shapes = [part.shape for part in parts]
        if not all(shape and shape[0] == shapes[0][0] > 0 for shape in shapes):
            raise DataError(
                f"`data` must hold an input and a target per example, got shapes "
                f"{', '.join(map(str, shapes))} ({name})."
            )
        raw[name] = parts
    return prepared("given", raw, wanted)


def _numbers(x: np.ndarray) -> np.ndarray:
    """Columns of several kinds, as a table of pandas hands them over, as numbers if they are."""
    if x.dtype != object:
        return x
    try:
        return x.astype(np.float64)
    except (TypeError, ValueError):
        return x  # refused with all that are no numbers


def prepared(
    name: str, raw: Raw, wanted: OwnSettings, classes: np.ndarray | None = None
) -> Dataset:
    """A data set from inputs and targets as they were found, with what was done to them.

    **Arguments:** `classes`: all that there are, sorted (default: those of the training examples).

    **Raises:** `DataError` for values that no network can learn.
    """
    for inputs, *_ in raw.values():  # still in the order in which they came
        _check_finite("inputs", inputs)
    raw, task, scale = _split(raw, wanted), wanted.task, wanted.scale
    x, y = raw["train"][:2]
    flat = x.reshape(len(x), -1)
    if not np.issubdtype(flat.dtype, np.number) and flat.dtype != bool:
        raise DataError(f"inputs must be numbers, got {flat.dtype}. Encode text as numbers.")
    low = high = None
    inside = flat.dtype == np.uint8 or (flat.min() >= 0 and flat.max() <= 1)
    if scale == "columns" or (scale == "auto" and not inside):
        low, high = flat.min(axis=0).astype(np.float64), flat.max(axis=0).astype(np.float64)
    elif scale == "auto" and flat.dtype != np.uint8:  # as they are; later ones are cut off there
        low, high = np.zeros(flat.shape[1]), np.ones(flat.shape[1])
    target_low = target_high = None
    if _is_classification(y, task):
        classes = _classes(y.reshape(len(y)))[0] if classes is None else classes
    else:
        values = _columns(y)
        target_low, target_high = values.min(axis=0), values.max(axis=0)
    done = Preparation(low, high, classes, target_low, target_high)
    splits = {}
    for split, (inputs, targets, *weights) in raw.items():
        kept = inputs.reshape(len(inputs), -1)
        kept = kept if kept.dtype == np.uint8 and low is None else done.inputs(kept)
        splits[split] = Split(kept, _targets(targets, done, split), *weights)
    outputs = len(classes) if classes is not None else _columns(y).shape[1]
    return Dataset(name, splits, outputs, done)


def _is_classification(y: np.ndarray, task: str) -> bool:
    single = y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1)
    if task != "auto":
        if task == "classification" and not single:
            raise DataError(
                f"targets must be one label per example for a classification, got shape {y.shape}."
            )
        return task == "classification"
    return single and y.dtype.kind in "iubUSO"


def _classes(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The classes, sorted, and the number of each example's."""
    _check_finite("labels", labels)
    try:
        return np.unique(labels, return_inverse=True)
    except TypeError:  # a missing label is a float among texts
        first = type(labels[0])
        row = next(k for k, label in enumerate(labels) if type(label) is not first)
        raise DataError(
            f"labels must be of one kind, got {labels[0]!r} in example 1 and {labels[row]!r} in "
            f"example {row + 1}. Leave out examples without a label."
        ) from None


def _columns(y: np.ndarray) -> np.ndarray:
    values = y[:, None] if y.ndim == 1 else y.reshape(len(y), -1)
    try:
        values = values.astype(np.float64)
    except ValueError:
        raise DataError(
            'targets must be numbers for a regression, got text. Set data.task = "classification"'
        ) from None
    _check_finite("targets", values)
    return values


def _check_finite(name: str, values: np.ndarray) -> None:
    """Says where the first of the numbers is that no network can take."""
    if not np.issubdtype(values.dtype, np.floating) or np.isfinite(values).all():
        return
    flat = values.reshape(len(values), -1)
    places = np.argwhere(~np.isfinite(flat))
    row, column = places[0]
    raise DataError(
        f"{name} must be finite, got {flat[row, column]} in example "
        f"{row + 1}, column {column + 1}, and {len(places)} such in all. Clean the data."
    )


def _targets(y: np.ndarray, done: Preparation, split: str) -> np.ndarray:
    if done.classes is None:
        assert done.target_low is not None and done.target_high is not None
        return scaled(_columns(y), done.target_low, done.target_high).astype(np.float32)
    labels = y[:, 0] if y.ndim == 2 else y
    places, strange = placed(labels, done.classes)
    if len(strange):
        raise DataError(
            f"every class must be among the training examples, got {strange[0]!s} in "
            f"`{split}` alone. Choose another split: data.split_seed."
        )
    return places.astype(np.int64)


def _split(raw: Raw, wanted: OwnSettings) -> dict[str, tuple[np.ndarray, ...]]:
    """Splits by share and seed where nothing else splits them."""
    raw = {("train" if name == "all" else name): pair for name, pair in raw.items()}
    found = dict(raw)
    whole = Split(*raw["train"]) if "train" in raw else None
    if whole is None:
        raise DataError("the data must have a split `train`, got " + ", ".join(raw) + ".")
    shares: dict[str, float] = {}
    if "test" not in raw:
        shares["test"] = wanted.test_share
    if "validation" not in raw:
        shares["validation"] = wanted.validation_share
    left = np.arange(len(whole))
    for name, share in shares.items():
        count = round(share * len(whole))
        if not count:
            continue
        here = Split(left, _coarse(whole.target[left], wanted.task))
        rows = left[here.stratified_rows(count, wanted.split_seed)]
        found[name] = tuple(part[rows] for part in raw["train"])
        left = np.setdiff1d(left, rows)
    found["train"] = tuple(part[left] for part in raw["train"])
    if "validation" not in found or not len(left):
        raise DataError(
            f"the data must leave examples to train and to validate on, got {len(whole)} in all "
            f"and data.validation_share = {wanted.validation_share:g}. Change the share."
        )
    return found


def _coarse(target: np.ndarray, task: str) -> np.ndarray:
    """Targets by which examples are stratified: classes as numbers; none for a regression."""
    if _is_classification(target, task):
        return _classes(target.reshape(len(target)))[1]
    return np.zeros((len(target), 1))
