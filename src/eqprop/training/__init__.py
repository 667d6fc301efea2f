"""Persistent particles, chunks of an epoch, evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eqprop.lazy import attach

if TYPE_CHECKING:
    from eqprop.training.arrays import *  # noqa: F403
    from eqprop.training.batches import *  # noqa: F403
    from eqprop.training.evaluation import *  # noqa: F403
    from eqprop.training.examples import *  # noqa: F403
    from eqprop.training.logs import *  # noqa: F403
    from eqprop.training.model import *  # noqa: F403
    from eqprop.training.probing import *  # noqa: F403
    from eqprop.training.sharding import *  # noqa: F403
    from eqprop.training.starts import *  # noqa: F403
    from eqprop.training.together import *  # noqa: F403
    from eqprop.training.train import *  # noqa: F403
    from eqprop.training.trainer import *  # noqa: F403

__getattr__, __dir__, __all__ = attach(  # pyright: ignore[reportUnsupportedDunderAll]
    __name__,
    {
        "arrays": (
            "tree_from_arrays",
            "tree_to_arrays",
        ),
        "batches": ("Layout",),
        "evaluation": (
            "Evaluation",
            "evaluate",
        ),
        "examples": (
            "Examples",
            "one_hot",
        ),
        "logs": (
            "BatchLog",
            "PhaseLog",
        ),
        "model": (
            "Model",
            "default_rule",
            "evaluation_phase",
        ),
        "probing": (
            "Probe",
            "probe",
        ),
        "sharding": ("join_processes",),
        "starts": (
            "Starts",
            "evaluate_starts",
            "starts_of",
        ),
        "together": ("Together",),
        "train": (
            "Fixed",
            "TrainState",
            "train_chunk",
        ),
        "trainer": (
            "Chunk",
            "Stretch",
            "Trainer",
        ),
    },
)
