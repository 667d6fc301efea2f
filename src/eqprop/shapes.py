"""Shapes of arrays, as signatures name them.

Kinds are real or complex: holomorphic rules relax complex states. Tests check the shapes of what
goes in and out of every function that names them.
"""

from __future__ import annotations

from jax import Array
from jaxtyping import Bool, Inexact, Int, Shaped

Scalar = Inexact[Array, ""]

Input = Inexact[Array, "inputs"]
"""Of one example, as the four below."""
State = Inexact[Array, "free"]
Output = Inexact[Array, "outputs"]
Target = Inexact[Array, "targets"]

Inputs = Inexact[Array, "batch inputs"]
"""Of a batch, as the four below."""
States = Inexact[Array, "batch free"]
Outputs = Inexact[Array, "batch outputs"]
Targets = Inexact[Array, "batch targets"]
PerExample = Inexact[Array, "batch"]

Counts = Int[Array, "batch"]
"""A whole number per example."""
Present = Bool[Array, "batch"]
"""Which places of a batch hold an example."""

BlockUnits = Inexact[Array, "batch block"]
"""Of the units that are updated at once; the same for all examples in `BlockShared`."""
BlockShared = Inexact[Array, "*#batch block"]
Units = Inexact[Array, "*units"]
"""Of any units: unit by unit."""
InputUnits = Inexact[Array, "*batch inputs"]
"""Of one example, of a batch, or of parts of a batch, as the four below."""
FreeUnits = Inexact[Array, "*batch free"]
OutputUnits = Inexact[Array, "*batch outputs"]
TargetUnits = Inexact[Array, "*batch targets"]
OfEach = Shaped[Array, "*batch"]
Broadcast = Inexact[Array, "*#units"]
"""The same for all examples, or one for each."""
