"""Evaluation: the error of a network on examples that it is not trained on."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax

from eqprop.energy import Network
from eqprop.learning import Phase
from eqprop.relaxation import relax
from eqprop.training.batches import batch_table
from eqprop.training.examples import Examples


class Evaluation(eqx.Module):
    """The result of `evaluate`.

    **Attributes:**

    - `errors`: number of examples whose largest output is not the largest target.
    - `cost`: mean over the examples.
    - `unsettled`: share of the examples that did not settle within the phase's limit.
    - `steps`: mean number of steps per batch.
    - `states`: `[examples, free units]` where the relaxations ended, or None for a cold start.
    - `outputs`: `[examples, outputs]`.
    """

    errors: Array
    cost: Array
    unsettled: Array
    steps: Array
    states: Array | None
    outputs: Array

    @property
    def error(self) -> float:
        """Share of the examples whose largest output is not the largest target."""
        return int(self.errors) / len(self.outputs)


def evaluate(
    network: Network,
    examples: Examples,
    phase: Phase,
    *,
    batch_size: int = 500,
    states: Array | None = None,
) -> Evaluation:
    """Relaxes every example freely and compares the outputs with the targets.

    **Arguments:**

    - `network`, `examples`: see `Examples.of`.
    - `phase`: how to relax; `Phase(BlockCoordinateDescent(), Residual(1e-3, 300))` unless you
      want to reproduce something.
    - `batch_size`: examples relaxed together; large is fast.
    - `states`: `[examples, free units]` kept from an earlier call (the paper's code does this
      for its test error, which then depends on how often one looked). Default: a cold start,
      all free units 0.
    """
    batch_size = min(batch_size, len(examples))
    table = jnp.asarray(batch_table(len(examples), batch_size))
    return _evaluate(network, examples, phase, table, states)


@eqx.filter_jit
def _evaluate(
    network: Network, examples: Examples, phase: Phase, table: Array, states: Array | None
) -> Evaluation:
    size = len(examples)

    def body(row, carry):
        ends, outputs, unsettled, steps = carry
        index = table[row]
        clamped = network.energy.clamp(examples.x.at[index].get(mode="clip"))
        if states is None:
            start = network.cold_state(len(index))
        else:
            start = states.at[index].get(mode="fill", fill_value=0)
        found = relax(clamped, start, phase.method, phase.termination)
        if ends is not None:
            ends = ends.at[index].set(found.state, mode="drop")
        outputs = outputs.at[index].set(network.output(found.state), mode="drop")
        unsettled += jnp.sum((index < size) & ~found.settled, dtype=jnp.int32)
        return ends, outputs, unsettled, steps + found.steps

    ends = None if states is None else network.cold_state(size)
    outputs = jnp.zeros((size, network.num_outputs), network.dtype)
    ends, outputs, unsettled, steps = lax.fori_loop(
        0, len(table), body, (ends, outputs, jnp.int32(0), jnp.int32(0))
    )
    wrong = jnp.argmax(outputs, axis=1) != jnp.argmax(examples.target, axis=1)
    cost = jnp.mean(jax.vmap(network.cost)(outputs, examples.target))
    return Evaluation(
        jnp.sum(wrong, dtype=jnp.int32), cost, unsettled / size, steps / len(table), ends, outputs
    )
