"""Persistent particles, chunks of an epoch, evaluation."""

from eqprop.training.arrays import tree_from_arrays, tree_to_arrays
from eqprop.training.batches import Layout
from eqprop.training.evaluation import Evaluation, evaluate
from eqprop.training.examples import Examples, inputs, one_hot
from eqprop.training.logs import BatchLog, PhaseLog
from eqprop.training.model import Model, default_rule, evaluation_phase
from eqprop.training.probing import Probe, probe
from eqprop.training.sharding import join_processes
from eqprop.training.together import Together
from eqprop.training.train import Fixed, TrainState, train_chunk
from eqprop.training.trainer import Chunk, Stretch, Trainer

__all__ = [
    "BatchLog",
    "Chunk",
    "Evaluation",
    "Examples",
    "Fixed",
    "Layout",
    "Model",
    "PhaseLog",
    "Probe",
    "Stretch",
    "Together",
    "TrainState",
    "Trainer",
    "default_rule",
    "evaluate",
    "evaluation_phase",
    "inputs",
    "join_processes",
    "one_hot",
    "probe",
    "train_chunk",
    "tree_from_arrays",
    "tree_to_arrays",
]
