"""Persistent particles, chunks of an epoch, evaluation."""

from eqprop.training.batches import batch_table
from eqprop.training.evaluate import Evaluation, evaluate
from eqprop.training.examples import Examples, one_hot
from eqprop.training.train import BatchLog, PhaseLog, TrainState, train_chunk

__all__ = [
    "BatchLog",
    "Evaluation",
    "Examples",
    "PhaseLog",
    "TrainState",
    "batch_table",
    "evaluate",
    "one_hot",
    "train_chunk",
]
