"""Where a unit is drawn, as a linear function of the others: what a kernel needs to know."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from eqprop.energy.base import AbstractClampedEnergy
from eqprop.energy.connections import ClampedConnections
from eqprop.energy.hopfield import ClampedHopfieldEnergy
from eqprop.energy.interactions import ClampedBiases


class Linear(eqx.Module):
    """`coupling @ s + drive` is where the force on each unit vanishes with the others held.

    **Attributes:**

    - `coupling`: `[free units, free units]`, symmetric, zero diagonal.
    - `drive`: `[batch, free units]`.
    - `spans`: first and last unit of every layer.
    - `reach`: for every layer the stretch of units from which it receives anything.
    - `blocks`: first and last unit of the blocks that are updated at once, in their order.
    - `box`: the bounds between which states are kept.
    """

    coupling: Array
    drive: Array
    spans: tuple[tuple[int, int], ...] = eqx.field(static=True)
    reach: tuple[tuple[int, int], ...] = eqx.field(static=True)
    blocks: tuple[tuple[int, int], ...] = eqx.field(static=True)
    box: tuple[float, float] = eqx.field(static=True)


def linear(energy: AbstractClampedEnergy) -> Linear | None:
    """`energy` in that form, or None.

    None for other terms, a rho that bends, weakened feedback, directions that differ, complex.
    """
    if not isinstance(energy, ClampedHopfieldEnergy) or not energy.feedback.is_whole:
        return None
    box = energy.activation.box
    if box is None or not energy.activation.is_identity_on_its_box or not energy.is_parabola:
        return None
    connections = [part for part in energy.parts if isinstance(part, ClampedConnections)]
    biases = [part for part in energy.parts if isinstance(part, ClampedBiases)]
    if len(connections) != 1 or len(connections) + len(biases) != len(energy.parts):
        return None
    (wired,) = connections
    if wired.back is not None or wired.noise is not None or jnp.iscomplexobj(wired.input_drive):
        return None
    drive = wired.input_drive + sum(part.values[None] for part in biases)
    ends = np.cumsum(energy.layer_sizes[1:]).tolist()
    spans = tuple(zip([0, *ends[:-1]], ends, strict=True))
    blocks = tuple((span.start, span.stop) for span in energy.block_slices)
    return Linear(wired.matrix(), drive, spans, _reach(wired, spans), blocks, box)


def _reach(
    wired: ClampedConnections, spans: tuple[tuple[int, int], ...]
) -> tuple[tuple[int, int], ...]:
    found = []
    for layer in range(1, len(spans) + 1):
        others = {k for pair in wired.weights if layer in pair for k in pair if k}
        if (layer, layer) not in wired.weights:
            others.discard(layer)
        near = [spans[k - 1] for k in others]
        found.append((min((s for s, _ in near), default=0), max((e for _, e in near), default=0)))
    return tuple(found)
