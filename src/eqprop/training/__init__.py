"""Persistent particles, chunks of an epoch, evaluation."""

from eqprop.training.batches import batch_table
from eqprop.training.evaluate import Evaluation, evaluate
from eqprop.training.examples import Examples, one_hot
from eqprop.training.model import Model, default_rule, evaluation_phase
from eqprop.training.train import BatchLog, PhaseLog, TrainState, train_chunk
from eqprop.training.trainer import Chunk, Trainer, count_energy_rises

__all__ = [
    "BatchLog",
    "Chunk",
    "Evaluation",
    "Examples",
    "Model",
    "PhaseLog",
    "TrainState",
    "Trainer",
    "batch_table",
    "count_energy_rises",
    "default_rule",
    "evaluate",
    "evaluation_phase",
    "one_hot",
    "train_chunk",
]
