"""A data set: named splits of inputs and targets, on the host."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from eqprop.errors import ConfigError, DataError, unknown_name
from eqprop.training.preparation import Preparation


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """Examples of one split.

    **Attributes:**

    - `x`: `[examples, inputs]`, float32 in [0, 1] or uint8 pixels from 0 to 255.
    - `target`: labels `[examples]` (whole numbers) or `[examples, outputs]`.
    - `weight`: `[examples]`, how much each counts in an update; None for all alike.
    """

    x: np.ndarray
    target: np.ndarray
    weight: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        return f"Split({len(self)} examples of {self.x.shape[1]} inputs, {self.x.dtype})"

    def first(self, count: int) -> Split:
        """The first `count` examples."""
        return self.rows(slice(count))

    def rows(self, rows: Any) -> Split:
        """Some of the examples."""
        weight = None if self.weight is None else self.weight[rows]
        return Split(self.x[rows], self.target[rows], weight)

    def stratified(self, count: int, seed: int = 0) -> Split:
        """The examples of `stratified_rows`.

        >>> split = Split(np.zeros((6, 1), np.float32), np.array([0, 0, 0, 0, 1, 1]))
        >>> split.stratified(3).target.tolist()
        [0, 0, 1]
        """
        return self.rows(self.stratified_rows(count, seed))

    def stratified_rows(self, count: int, seed: int = 0) -> np.ndarray:
        """Numbers of `count` examples with every class in its share, in file order."""
        if count >= len(self):
            return np.arange(len(self))
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(self))
        if self.target.ndim == 1:
            # Examples of a class get evenly spaced ranks; cutting the ranking keeps all shares.
            rank = np.empty(len(self))
            for label in np.unique(self.target):
                members = order[self.target[order] == label]
                rank[members] = (np.arange(len(members)) + 0.5) / len(members)
            order = np.argsort(rank, kind="stable")
        return np.sort(order[:count])


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """Named splits: `train`, `validation`, and `test` where the data set has one.

    **Attributes:**

    - `name`: under which results are reported.
    - `splits`: by name.
    - `num_outputs`: output units a network needs.
    - `preparation`: what was done to data of the user's own; None for those by name.
    """

    name: str
    splits: Mapping[str, Split]
    num_outputs: int
    preparation: Preparation | None = None

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(split)} {name}" for name, split in self.splits.items())
        ends = f"{self.num_inputs} inputs, {self.num_outputs} outputs"
        return f"Dataset({self.name}: {counts}; {ends}, {self.task})"

    @property
    def task(self) -> str:
        """`classification` or `regression`: whether each target stands for one class."""
        target = self.splits["train"].target
        if self.preparation is not None:
            return "regression" if self.preparation.classes is None else "classification"
        if target.ndim == 1:
            return "classification"
        one_hot = ((target == 0) | (target == 1)).all() and (target.sum(axis=1) == 1).all()
        return "classification" if one_hot and target.shape[1] > 1 else "regression"

    @property
    def has_classes(self) -> bool:
        """Whether each target stands for one class, or holds a share of each."""
        if self.task == "classification":
            return True
        target = self.splits["train"].target
        shares = (target >= 0).all() and np.allclose(target.sum(axis=1), 1)
        return bool(shares) and target.shape[1] > 1

    @property
    def num_inputs(self) -> int:
        """Input units a network needs."""
        return self.splits["train"].x.shape[1]

    def split(self, name: str) -> Split:
        """A split by name."""
        if name not in self.splits:
            raise ConfigError(unknown_name("split", name, self.splits))
        return self.splits[name]

    def as_in_the_journal(self) -> Dataset:
        """The splits of the journal version of the paper.

        `train` is the training and the validation examples together; `validation` stands for
        what is looked at during training, and that is the test examples. Data sets that have no
        test split (`mnist-5k`, `wine`, `diabetes`) stay as they are.
        """
        if "test" not in self.splits:
            return self
        parts = [self.splits["train"], self.splits["validation"]]
        weights = [np.ones(len(part)) if part.weight is None else part.weight for part in parts]
        train = Split(
            np.concatenate([part.x for part in parts]),
            np.concatenate([part.target for part in parts]),
            None if parts[0].weight is None else np.concatenate(weights),
        )
        splits = {"train": train, "validation": self.splits["test"]}
        return dataclasses.replace(self, splits=splits)

    def limited(
        self, *, num_train: int | None = None, num_validation: int | None = None
    ) -> Dataset:
        """With only the first `num_train` and `num_validation` examples of those splits."""
        splits = dict(self.splits)
        for name, count in (("train", num_train), ("validation", num_validation)):
            if count is None:
                continue
            if not 1 <= count <= len(splits[name]):
                raise DataError(
                    f"`num_{name}` must lie in 1..{len(splits[name])} for {self.name}, got {count}."
                )
            splits[name] = splits[name].first(count)
        return dataclasses.replace(self, splits=splits)

    def with_inputs(self, change: Callable[[np.ndarray], np.ndarray]) -> Dataset:
        """With changed inputs in every split."""
        splits = {
            name: dataclasses.replace(split, x=change(split.x))
            for name, split in self.splits.items()
        }
        return dataclasses.replace(self, splits=splits)
