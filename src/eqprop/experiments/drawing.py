"""Figures and tables for which nothing is trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from eqprop.config.paper import SIZES
from eqprop.experiments.experiment import EXPERIMENTS

PRESETS = ("smoke", "quick", "paper")
"""Nothing is trained: quick is full size already."""


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A figure or table by name.

    **Attributes:** `name`, `about`: for the command line; `draw`: writes its files into a folder,
    given that and a preset, and returns lines to print.
    """

    name: str
    about: str
    draw: Callable[[Path, str], list[str]]

    def __post_init__(self) -> None:
        EXPERIMENTS.add(self.name, self)


def sizes_at(preset: str) -> list[int]:
    """The layers of the paper's network; at smoke size as many that can be drawn as a graph."""
    return [6, 5, 5, 5, 3] if preset == "smoke" else list(SIZES)
