"""How data became what a network sees, and how its predictions are told in the data's own words."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from eqprop.errors import DataError


@dataclasses.dataclass(frozen=True, eq=False)
class Preparation:
    """How inputs and targets became what a network sees.

    **Attributes:**

    - `low`, `high`: `[inputs]`, what became 0 and 1; None where inputs are as they were.
    - `classes`: `[classes]`, the names of labels 0, 1, ...; None for a regression.
    - `target_low`, `target_high`: `[outputs]`, what became 0 and 1; None for classes.
    """

    low: np.ndarray | None = None
    high: np.ndarray | None = None
    classes: np.ndarray | None = None
    target_low: np.ndarray | None = None
    target_high: np.ndarray | None = None

    @property
    def is_regression(self) -> bool:
        """Whether targets were numbers, which have been scaled."""
        return self.target_low is not None

    def inputs(self, x: Any) -> Any:
        """Inputs as the network sees them; what lies beyond the training examples is clipped."""
        if hasattr(x, "toarray"):  # a sparse matrix
            x = x.toarray()
        if self.low is None or self.high is None:
            return x
        x = np.asarray(x)
        x = x.reshape(len(x), -1)
        if x.shape[1] != len(self.low):
            raise DataError(
                f"`x` must have {len(self.low)} inputs per example, got {x.shape[1]}. A single "
                "example is x[None], with one row."
            )
        return np.clip(scaled(x, self.low, self.high), 0, 1).astype(np.float32)

    def told(self, found: np.ndarray) -> np.ndarray:
        """Predictions in the words and units of the data.

        **Arguments:** `found`: labels `[examples]`, or outputs `[examples, outputs]`.
        """
        if self.classes is not None:
            return self.classes[found] if found.ndim == 1 else found
        if self.target_low is None or self.target_high is None:
            return found
        return self.target_low + found * (self.target_high - self.target_low)

    def to_dict(self) -> dict[str, list[Any] | None]:
        """As JSON holds it."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {k: None if v is None else v.tolist() for k, v in fields.items()}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Preparation:
        """What `to_dict` gave."""
        return Preparation(**{k: None if v is None else np.array(v) for k, v in values.items()})


def scaled(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """`low` becomes 0 and `high` 1; a column that never changes becomes 0.

    >>> scaled(np.array([[1.0, 5.0], [3.0, 5.0]]), np.array([1.0, 5.0]), np.array([3.0, 5.0]))
    array([[0., 0.],
           [1., 0.]])
    """
    return (values - low) / np.where(high > low, high - low, 1)


def placed(labels: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each label stands among sorted classes, and those labels that are none of them.

    >>> [found.tolist() for found in placed(np.array(["b", "z", "a"]), np.array(["a", "b"]))]
    [[1, 1, 0], ['z']]
    """
    places = np.searchsorted(classes, labels).clip(0, len(classes) - 1)
    return places, labels[classes[places] != labels]
