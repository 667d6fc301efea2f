"""Noise of the reads of weights that is new at every step of a relaxation."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from eqprop.energy.feedback import Feedback
from eqprop.shapes import BlockUnits, Inputs, States

if TYPE_CHECKING:
    from eqprop.energy.connections import ClampedConnections, Connections


class StepNoise(eqx.Module):
    """Noise of reads that is new at every step: each connection passes on w + N(0, deviation).

    What a unit receives is then off by a normal number whose variance is the sum of
    (deviation s_j)^2 over its connections: that is drawn, one number per unit and example.

    **Attributes:**

    - `deviations`: connections whose weights (and `back`) are the standard deviations.
    - `biases`: the same of the bias of every free layer; none where they are exact.
    - `key`: a JAX random key, one for each read of the devices.
    """

    deviations: Connections
    biases: dict[int, Array]
    key: Array

    def clamp(self, x: Inputs, feedback: Feedback) -> ClampedNoise:
        """With the inputs clamped to a batch `[batch, inputs]`."""
        wires, biases = jax.tree.map(
            lambda leaf: leaf**2 if eqx.is_inexact_array(leaf) else leaf,
            (self.deviations, self.biases),
        )
        # What a layer sends back is weakened, and its noise by as much.
        weakened = dataclasses.replace(feedback, strength=feedback.strength**2)
        variances = wires.clamp(x**2, weakened)
        if biases:
            own = jnp.concatenate([biases[layer] for layer in sorted(biases)])
            drive = variances.input_drive + own
            variances = dataclasses.replace(variances, input_drive=drive)
        return ClampedNoise(variances, self.key)


class ClampedNoise(eqx.Module):
    """`StepNoise` at one step.

    **Attributes:**

    - `variances`: connections that pull on the squares of states with the variance of the noise.
    - `key`: of this read.
    - `now`: the key of this step; None outside a relaxation, where there is no noise.
    """

    variances: ClampedConnections
    key: Array
    now: Array | None = None

    def at_step(self, key: Array) -> ClampedNoise:
        """At the step of a relaxation with this key."""
        both = jax.random.fold_in(self.key, jax.random.bits(key))
        return dataclasses.replace(self, now=both)

    def pull(self, active: States) -> States | None:
        """On all free units, `[batch, free units]`."""
        return None if self.now is None else _drawn(self.now, 0, self.variances.pull(active**2))

    def at_block(
        self, state: States, block: int, span: slice, moved: frozenset[int] | None
    ) -> BlockUnits | None:
        """On the units of a block, `[batch, size of block]`."""
        if self.now is None:
            return None
        variance = self.variances.at_block(state**2, block, span, moved)
        return _drawn(self.now, 1 + block, variance)

    def in_blocks(self, block_size: int | None) -> ClampedNoise:
        """Ready for `at_block`."""
        return dataclasses.replace(self, variances=self.variances.in_blocks(block_size))


def _drawn(key: Array, stream: int, variance: Array) -> Array:
    key = jax.random.fold_in(key, stream)
    return jnp.sqrt(variance) * jax.random.normal(key, variance.shape, variance.dtype)
