"""Persistent particles, chunks of an epoch, evaluation."""

from eqprop.training.arrays import tree_from_arrays, tree_to_arrays
from eqprop.training.batches import batch_table
from eqprop.training.evaluate import Evaluation, evaluate
from eqprop.training.examples import Examples, one_hot
from eqprop.training.model import Model, default_rule, evaluation_phase
from eqprop.training.probe import Probe, probe
from eqprop.training.train import BatchLog, PhaseLog, TrainState, train_chunk
from eqprop.training.trainer import Chunk, Trainer

__all__ = [
    "BatchLog",
    "Chunk",
    "Evaluation",
    "Examples",
    "Model",
    "PhaseLog",
    "Probe",
    "TrainState",
    "Trainer",
    "batch_table",
    "default_rule",
    "evaluate",
    "evaluation_phase",
    "one_hot",
    "probe",
    "train_chunk",
    "tree_from_arrays",
    "tree_to_arrays",
]
