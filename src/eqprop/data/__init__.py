"""Data sets by name. Everything here is NumPy on the host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eqprop.lazy import attach

if TYPE_CHECKING:
    from eqprop.data.bundled import *  # noqa: F403
    from eqprop.data.dataset import *  # noqa: F403
    from eqprop.data.loading import *  # noqa: F403
    from eqprop.data.settings import *  # noqa: F403

__getattr__, __dir__, __all__ = attach(  # pyright: ignore[reportUnsupportedDunderAll]
    __name__,
    {
        "bundled": ("diabetes", "mnist_5k", "teacher", "wine"),
        "dataset": ("Dataset", "Split"),
        "loading": ("load",),
        "settings": ("DATASETS",),
    },
)
