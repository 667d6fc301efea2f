"""Weakened feedback: what each layer weighs in the energy."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from eqprop.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Feedback:
    """The energy of layer k, and of what it receives from layers before it, times g^(k - L).

    One symmetric energy, whose equilibria receive all that comes from earlier layers and from
    within their own, and from layer l > k g^(l - k) times what that sends back. With g = 1 it is
    the energy of Eq. 2; with small g the network is nearly one that runs forwards.

    **Attributes:**

    - `strength`: g, in (0, 1].
    - `layer_sizes`: units per layer, input first; L is the number of the last.

    Differs from: FRE-RNN, whose energy is this one times g^L on layered networks, and whose code
    weakens every skip connection by the same factor, which has no energy.

    **References:** "Toward practical equilibrium propagation: brain-inspired recurrent neural
    network with feedback regulation and residual connections" (FRE-RNN), arXiv 2508.11659 (2025).

    >>> Feedback(0.1, (4, 3, 3, 2)).weight(2)
    10.0
    """

    strength: float
    layer_sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 0 < self.strength <= 1:
            raise ConfigError(
                f"`feedback` must lie in (0, 1], got {self.strength:g}. 1 is the network of the "
                "paper; try 0.01 for one that is nearly feed-forward."
            )

    @property
    def is_whole(self) -> bool:
        """Whether nothing is weakened."""
        return self.strength == 1

    @property
    def last(self) -> int:
        """The number of the output layer, L."""
        return len(self.layer_sizes) - 1

    def weight(self, layer: int) -> float:
        """Of a layer in the energy: 1 for the last, more for those before it."""
        return self.strength ** (layer - self.last)

    def on_the_way(self, layer: int, other: int) -> float:
        """By what a layer's pull from another is multiplied."""
        return self.strength ** max(0, other - layer)

    def back(self, layer: int, other: int) -> float:
        """The same of differences of states, each measured in `scale` of its layer."""
        return self.strength ** max(0, layer - other)

    def scale(self, layer: int) -> float:
        """In what differences of a layer's states are measured: 1 for the last."""
        # Below this, differences are linear in what causes them, and smaller ones the same.
        return max(self.strength ** (self.last - layer), 1e-18)

    def per_unit(self, of: Any, dtype: Any) -> Any:
        """`of` (`weight` or `scale`) at every free unit, `[1, free units]`; 1.0 if all are 1."""
        if self.is_whole:
            return 1.0
        each: Sequence[float] = [of(layer) for layer in range(1, len(self.layer_sizes))]
        with np.errstate(over="ignore"):  # an energy of many layers may be infinite in float32
            return np.repeat(np.asarray(each), self.layer_sizes[1:]).astype(dtype)[None]
