"""Evaluation: the error of a network on examples that it is not trained on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from eqprop.energy import Network
from eqprop.learning import Phase
from eqprop.relaxation import Equilibrium, relax
from eqprop.training.batches import batch_table
from eqprop.training.examples import Examples


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """The result of `evaluate`.

    **Attributes:**

    - `errors`: number of examples whose largest output is not the largest target.
    - `cost`: mean over the examples.
    - `unsettled`: share of the examples that did not settle within the phase's limit.
    - `steps`: mean number of steps per batch.
    - `states`: `[examples, free units]` where the relaxations ended, or None for a cold start.
    - `outputs`: `[examples, outputs]`.
    """

    errors: int
    cost: float
    unsettled: float
    steps: float
    states: Array | None
    outputs: np.ndarray

    @property
    def error(self) -> float:
        """Share of the examples whose largest output is not the largest target."""
        return self.errors / len(self.outputs)


def evaluate(
    network: Network,
    examples: Examples,
    phase: Phase,
    *,
    batch_size: int = 500,
    states: Array | None = None,
    between: Callable[[], None] = lambda: None,
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
    - `between`: called before each batch; may raise to give up.
    """
    size = len(examples)
    table = batch_table(size, min(batch_size, size))
    outputs = np.zeros((size, network.num_outputs), network.dtype)
    ends = None if states is None else np.zeros((size, network.num_free), network.dtype)
    unsettled = steps = 0
    for index in table:
        between()
        found = _relax_batch(network, examples, phase, jnp.asarray(index), states)
        rows = index[index < size]
        present = len(rows)  # the padding of a short batch comes last
        outputs[rows] = network.output(found.state)[:present]
        if ends is not None:
            ends[rows] = found.state[:present]
        unsettled += present - int(found.settled[:present].sum())
        steps += int(found.steps)
    shown = jnp.asarray(outputs)
    wrong = jnp.argmax(shown, axis=1) != jnp.argmax(examples.target, axis=1)
    return Evaluation(
        errors=int(wrong.sum()),
        cost=float(jnp.mean(jax.vmap(network.cost)(shown, examples.target))),
        unsettled=unsettled / size,
        steps=steps / len(table),
        states=None if ends is None else jnp.asarray(ends),
        outputs=outputs,
    )


@eqx.filter_jit
def _relax_batch(
    network: Network, examples: Examples, phase: Phase, index: Array, states: Array | None
) -> Equilibrium:
    clamped = network.energy.clamp(examples.x.at[index].get(mode="clip"))
    if states is None:
        start = network.cold_state(len(index))
    else:
        start = states.at[index].get(mode="fill", fill_value=0)
    return relax(clamped, start, phase.method, phase.termination)
