"""Everything on disk."""

from eqprop.records.checkpoint import Checkpoint, Checkpoints, read_checkpoint, write_checkpoint
from eqprop.records.folder import RunFolder, environment
from eqprop.records.lock import locked

__all__ = [
    "Checkpoint",
    "Checkpoints",
    "RunFolder",
    "environment",
    "locked",
    "read_checkpoint",
    "write_checkpoint",
]
