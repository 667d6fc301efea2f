"""Examples as the training programs take them."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import numpy as np

from eqprop.energy import Network
from eqprop.errors import DataError


class Examples(eqx.Module):
    """Inputs and targets of a split.

    **Attributes:**

    - `x`: `[examples, inputs]` in [0, 1]; or uint8, pixels from 0 to 255, which take a quarter of
      the memory and become numbers in [0, 1] where they are used (`inputs`).
    - `target`: `[examples, outputs]`; one-hot for classes.
    - `weight`: `[examples]`, how much each counts in an update; None for all alike.
    """

    x: Any
    target: Any
    weight: Any = None

    def __len__(self) -> int:
        return self.x.shape[0]

    @staticmethod
    def of(
        network: Network, x: Any, target: Any, weight: Any = None, *, learned: bool = True
    ) -> Examples:
        """Checks arrays against `network`.

        **Arguments:**

        - `x`: `[examples, ...]` in [0, 1], or uint8 pixels; further axes are flattened.
        - `target`: class labels `[examples]` (whole numbers), or `[examples, outputs]`.
        - `weight`: `[examples]`, 0 or more; they are scaled to a mean of 1.
        - `learned`: whether they are trained on. Targets must then lie where output units can be;
          those that are only compared with may lie beyond.

        **Raises:** `DataError` for inputs outside [0, 1], NaN, labels out of range, or
        shapes that do not fit.
        """
        x, target = _dense("x", x), _dense("target", target)
        if len(x) == 0 or len(x) != len(target):
            raise DataError(
                f"`x` and `target` must hold the same number of examples, at least 1, got "
                f"{len(x)} and {len(target)}."
            )
        x = x.reshape(len(x), -1)
        if x.shape[1] != network.num_inputs:
            raise DataError(
                f"`x` must have {network.num_inputs} inputs per example to fit the network, got "
                f"{x.shape[1]}. Set the first of `layer_sizes` to {x.shape[1]}."
            )
        _check_inputs(x)
        if x.dtype != np.uint8:
            x = np.clip(x, 0, 1).astype(network.dtype, copy=False)
        if target.ndim == 1 and np.issubdtype(target.dtype, np.integer):
            target = one_hot(target, network.num_targets)
        elif target.ndim == 1 and network.num_targets == 1:
            target = target[:, None]
        if target.shape != (len(x), network.num_targets):
            raise DataError(
                f"`target` must be labels [examples] or have shape "
                f"{(len(x), network.num_targets)}, got {target.shape}. Set the last of "
                "`layer_sizes` to the number of targets."
            )
        if not np.isfinite(target).all():
            raise DataError("`target` must be finite, got NaN or infinity. Clean the data first.")
        if learned:
            _check_reach(network, target)
        target = target.astype(network.dtype, copy=False)
        if weight is None:
            return Examples(x, target)
        return Examples(x, target, _weights(weight, len(x)).astype(network.dtype))


def _weights(weight: Any, count: int) -> np.ndarray:
    weight = np.asarray(_dense("weight", weight), np.float64)
    if weight.shape != (count,) or not np.isfinite(weight).all() or weight.min() < 0:
        raise DataError(
            f"`weight` must hold a finite number of 0 or more per example, {count} of them, got "
            f"shape {weight.shape}, smallest {weight.min(initial=np.inf):g}."
        )
    if not weight.any():
        raise DataError("`weight` must be above 0 for some example, got 0 for all.")
    return weight / weight.mean()


def _dense(name: str, values: Any) -> np.ndarray:
    """Numbers as an array.

    **Raises:** `DataError` for a sparse matrix or text.
    """
    if hasattr(values, "toarray"):
        values = values.toarray()
    array = np.asarray(values)
    if array.dtype.kind in "OUS":
        raise DataError(
            f"`{name}` must be numbers, got text or objects ({array.dtype}). Give classes by whole "
            "numbers from 0, for example by `numpy.unique(labels, return_inverse=True)[1]`."
        )
    if array.ndim == 0:
        raise DataError(f"`{name}` must hold an entry per example, got a single number.")
    return array


_ROUNDING = 1e-6  # of scaling: MinMaxScaler leaves 1.0000000000000002


def _check_inputs(x: np.ndarray) -> None:
    if x.dtype == np.uint8:
        if x.max() == 1:
            raise DataError(
                "`x` of type uint8 is taken as pixels from 0 to 255, got only zeros and ones. "
                "Pass `x.astype(float)` if 1 means fully on."
            )
        return
    if not np.isfinite(x).all():
        raise DataError("`x` must be finite, got NaN or infinity. Clean the data first.")
    if x.min() < -_ROUNDING or x.max() > 1 + _ROUNDING:
        raise DataError(
            f"`x` must lie in [0, 1], got values from {x.min():g} to {x.max():g}. Input units "
            "are clamped to rho(x) in [0, 1]. Scale the data, for example by its maximum."
        )


def _check_reach(network: Network, target: np.ndarray) -> None:
    """Refuses targets that no output unit can come near."""
    box = getattr(getattr(network.energy, "activation", None), "box", None)
    if box is None or network.num_targets != network.num_outputs:
        return
    low, high = box
    if target.min() < low - _ROUNDING or target.max() > high + _ROUNDING:
        raise DataError(
            f"`target` must lie in [{low:g}, {high:g}], which output units can reach, got values "
            f"from {target.min():g} to {target.max():g}. Scale them, as `EqPropRegressor` does."
        )


def decided(scores: Any) -> Any:
    """The class that scores or targets `[..., classes]` say: that of the largest.

    A single one stands for two classes, and says 1 where it is above 1/2.

    >>> decided(np.array([[0.2, 0.7], [0.6, 0.1]])).tolist(), decided(np.array([[0.7]])).tolist()
    ([1, 0], [True])
    """
    return scores[..., 0] > 0.5 if scores.shape[-1] == 1 else scores.argmax(-1)


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """Labels `[examples]` as `[examples, classes]` of zeros and ones.

    A single output stands for two classes.

    >>> one_hot(np.array([1, 0]), 2)
    array([[0., 1.],
           [1., 0.]], dtype=float32)
    """
    if classes == 1 and labels.min() >= 0 and labels.max() <= 1:
        return labels[:, None].astype(np.float32)
    if labels.min() < 0 or labels.max() >= classes:
        wrong = int(labels[(labels < 0) | (labels >= classes)][0])
        raise DataError(
            f"labels must lie in 0..{classes - 1} for {classes} output units, got {wrong}. "
            "Relabel the classes from 0, or set the last of `layer_sizes` to their number."
        )
    return np.eye(classes, dtype=np.float32)[labels]
