"""A closer look at a free phase than training takes of it, once in a while."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from eqprop.energy import Network
from eqprop.learning import Phase
from eqprop.relaxation import SETTLED, watch


class Probe(eqx.Module):
    """What `probe` saw.

    **Attributes:**

    - `energy_rises`: how often the energy of an example rose from one step to the next.
    - `two_cycles`: share of the examples whose state jumps to and fro between two points, as an
      Euler step beyond its stability limit makes it.
    - `dead_outputs`: share of the examples whose output units are all exactly 0.
    - `saturation`: per free layer, the share of its units exactly at 0 or 1.
    """

    energy_rises: Array
    two_cycles: Array
    dead_outputs: Array
    saturation: tuple[Array, ...]


@eqx.filter_jit
def probe(network: Network, x: Array, start: Array, phase: Phase) -> Probe:
    """Relaxes `x` `[batch, inputs]` from `start` `[batch, free units]`, watching every step.

    Training checks the energy once per phase; this checks it after every step.
    """
    clamped = network.energy.clamp(x)
    state, rises = watch(clamped, start, phase.method, phase.termination.max_steps)
    prepared = phase.method.prepare(clamped)
    memory, key = phase.method.init(prepared, state), jax.random.key(0)
    once, memory, _ = phase.method.step(prepared, state, memory, key)
    twice, *_ = phase.method.step(prepared, once, memory, key)
    moved = jnp.max(jnp.abs(once - state), axis=1)
    returned = jnp.max(jnp.abs(twice - state), axis=1)
    ends = np.cumsum(network.layer_sizes[1:])[:-1].tolist()
    at_bound = (state == 0) | (state == 1)
    return Probe(
        energy_rises=rises,
        two_cycles=jnp.mean((moved > SETTLED) & (returned < 0.1 * moved)),
        dead_outputs=jnp.mean(jnp.all(network.output(state) == 0, axis=1)),
        saturation=tuple(map(jnp.mean, jnp.split(at_bound, ends, axis=1))),
    )
