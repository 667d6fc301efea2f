"""Evaluation: the error of a network on examples that it is not trained on."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from eqprop.energy import HopfieldEnergy, Network
from eqprop.energy.pixels import inputs
from eqprop.learning import Phase
from eqprop.relaxation import Equilibrium, FixedSteps, relax
from eqprop.training.examples import Examples, decided
from eqprop.training.sharding import deal_out, mesh_for, replicate

_SHRINK = 5  # the last examples are relaxed in a fifth of the slots
_WEAK = 0.1


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """The result of `evaluate`.

    **Attributes:**

    - `wrong`: `[examples]`, whether the largest output is not the largest target.
    - `costs`: `[examples]`.
    - `settled`: `[examples]`, whether it settled within the phase's limit.
    - `taken`: `[examples]`, how many steps it took.
    - `states`: `[examples, free units]` where the relaxations ended, or None where none were given.
    - `outputs`: `[examples, outputs]`, of the output units.
    - `scores`: `[examples, targets]`, what is compared with the targets: the outputs, or what
      the cost's read-out makes of them.
    """

    wrong: np.ndarray
    costs: np.ndarray
    settled: np.ndarray
    taken: np.ndarray
    states: np.ndarray | None
    outputs: np.ndarray
    scores: np.ndarray

    def __repr__(self) -> str:
        parts = f"error={self.error:.4g}, cost={self.cost:.4g}, unsettled={self.unsettled:.4g}"
        return f"Evaluation({parts}, {len(self.wrong)} examples)"

    @property
    def errors(self) -> int:
        """Number of examples that are wrong."""
        return int(self.wrong.sum())

    @property
    def error(self) -> float:
        """Share of the examples that are wrong."""
        return self.errors / len(self.wrong)

    @property
    def cost(self) -> float:
        """Mean over the examples."""
        return float(self.costs.mean(dtype=np.float64))

    @property
    def unsettled(self) -> float:
        """Share of the examples that did not settle."""
        return float((~self.settled).mean())

    @property
    def steps(self) -> float:
        """Mean number of steps per example."""
        return float(self.taken.mean())

    def of(self, rows: Any) -> Evaluation:
        """The same of some of the examples, by their numbers."""
        return Evaluation(
            wrong=self.wrong[rows],
            costs=self.costs[rows],
            settled=self.settled[rows],
            taken=self.taken[rows],
            states=None if self.states is None else self.states[rows],
            outputs=self.outputs[rows],
            scores=self.scores[rows],
        )


def nearly_forward(network: Network) -> bool:
    """Whether feedback is so weak that a few sweeps forwards settle, if no step is too long.

    >>> import eqprop
    >>> topology = eqprop.layered([4, 8, 2])
    >>> nearly_forward(eqprop.Network.initialize(topology, seed=0))
    False
    """
    energy = network.energy
    return isinstance(energy, HopfieldEnergy) and energy.has_blocks and energy.feedback <= _WEAK


def evaluate(
    network: Network,
    examples: Examples,
    phase: Phase,
    *,
    batch_size: int = 500,
    states: Any = None,
    check_every: int | None = None,
    between: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Relaxes every example freely and compares the outputs with the targets.

    Each example stops at the first check at which it has settled, or at the phase's limit.

    **Arguments:**

    - `network`, `examples`: see `Examples.of`.
    - `phase`: how to relax; `Phase(BlockCoordinateDescent(), Residual(1e-3, 300))` unless you
      want to reproduce something.
    - `batch_size`: examples relaxed at a time; large is fast, and changes no result.
    - `states`: `[examples, free units]` kept from an earlier call (the paper's code does this
      for its test error, which then depends on how often one looked). Default: a cold start,
      all free units 0.
    - `check_every`: steps between two looks at which examples have settled; default 10, or 4 where
      `nearly_forward`.
    - `between`: called before each batch; may raise to give up.
    """
    size, slots = len(examples), min(batch_size, len(examples))
    # Slots are dealt to the devices of this process; they have nothing to say to each other.
    mesh = mesh_for(slots, jax.local_devices())
    network = replicate(network, mesh)
    limit = int(phase.termination.max_steps)
    if check_every is None:
        check_every = 4 if nearly_forward(network) else 10
    check_every = min(check_every, limit)
    outputs = np.zeros((size, network.num_outputs), network.dtype)
    ends = None if states is None else np.zeros((size, network.num_free), network.dtype)
    all_settled, all_taken = np.zeros(size, bool), np.zeros(size, int)
    waiting, stretches = iter(range(size)), itertools.count()
    # Each slot relaxes one example; when that is done, the next one takes its place, so that no
    # example waits for the slowest of a batch.
    index = np.fromiter(itertools.islice(waiting, slots), np.int32)
    fresh, taken = np.ones(slots, bool), np.zeros(slots, int)
    state = deal_out(np.zeros((slots, network.num_free), network.dtype), mesh)
    while (index < size).any():
        between()
        start = np.zeros((len(index), 0), network.dtype)
        if states is not None:
            start = np.asarray(states[np.minimum(index, size - 1)])
        x = examples.x[np.minimum(index, size - 1)]
        given = deal_out((x, start, fresh), mesh)
        # Nobody goes beyond the limit: the last stretch is as short as the furthest needs.
        stretch = min(check_every, limit - int(taken[index < size].max(initial=0)))
        counts = jnp.int32(stretch), jnp.int32(next(stretches))
        found, output, enough = _relax_slots(network, phase, *counts, *given, state)
        state, settled = found.state, np.asarray(found.settled)
        taken += int(found.steps)
        done = (index < size) & (np.asarray(enough) | (taken >= limit))
        rows = index[done]
        outputs[rows] = np.asarray(output)[done]
        if ends is not None:
            ends[rows] = np.asarray(state)[done]
        all_settled[rows], all_taken[rows] = settled[done], taken[done]
        taken[done], index[done], fresh = 0, size, np.zeros(len(index), bool)
        for slot in np.flatnonzero(done):
            index[slot] = next(waiting, size)
            fresh[slot] = index[slot] < size
        few = slots // _SHRINK // mesh.size * mesh.size
        if len(index) > few > 0 and (index < size).sum() <= few:
            # Few are left: relax no more slots than needed.
            order = np.argsort(index == size, kind="stable")[:few]
            index, fresh, taken = index[order], fresh[order], taken[order]
            state = deal_out(np.asarray(state)[order], mesh)
    shown = jnp.asarray(outputs)
    scores = network.cost.scores(shown)
    wrong = decided(np.asarray(scores)) != decided(np.asarray(examples.target))
    return Evaluation(
        wrong=np.asarray(wrong),
        costs=np.asarray(jax.vmap(network.cost)(shown, examples.target)),
        settled=all_settled,
        taken=all_taken,
        states=ends,
        outputs=outputs,
        scores=np.asarray(scores),
    )


@eqx.filter_jit
def _relax_slots(
    network: Network,
    phase: Phase,
    steps: Array,
    stretch: Array,
    x: Array,
    start: Array,
    fresh: Array,
    state: Array,
) -> tuple[Equilibrium, Array, Array]:
    """Relaxes every slot until the next check, `fresh` ones from `start`, or cold without one.

    **Arguments:** `stretch`: how many such calls there were before; each draws noise of its own.

    **Returns:** also the outputs, and which slots the phase would stop at.
    """
    clamped = network.energy.clamp(inputs(x, network.dtype))
    begin = start if start.shape[1] else jnp.zeros_like(state)
    state = jnp.where(fresh[:, None], begin, state)
    stop = FixedSteps(steps, phase.termination.tolerance)
    key = jax.random.fold_in(jax.random.key(0), stretch)
    found = relax(clamped, state, phase.method, stop, key=key)
    alone = jnp.ones(1, bool)
    enough = jax.vmap(lambda residual: phase.termination.is_done(residual[None], alone))
    broken = ~jnp.isfinite(found.residual)
    return found, network.output(found.state), enough(found.residual) | broken
