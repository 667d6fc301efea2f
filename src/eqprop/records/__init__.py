"""Everything on disk."""

from eqprop.records.folder import RunFolder, environment

__all__ = ["RunFolder", "environment"]
