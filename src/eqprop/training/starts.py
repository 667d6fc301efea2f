"""Predictions from several starts: of the equilibria that they end in, the one of lowest energy."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from eqprop.energy import Network
from eqprop.energy.pixels import inputs
from eqprop.errors import ConfigError, unknown_name
from eqprop.learning import Phase
from eqprop.relaxation import SETTLED, Residual
from eqprop.training.evaluation import Evaluation, evaluate
from eqprop.training.examples import Examples

NAMES = ("zeros", "halves", "ones", "random")
COLD = ("zeros",)
"""A cold start alone."""
APART = 0.01
"""Two settled states are different equilibria if some unit differs by more than this."""
_PART = 5000  # examples whose states from all starts are held at once


def starts_of(starts: int | Sequence[str]) -> tuple[str, ...]:
    """Where relaxations begin, by name.

    **Arguments:** `starts`: a number (the first are zeros, halves and ones, all others random), or
    names among these four, each as often as wanted.

    **Raises:** `ConfigError` for none, and for another name.

    >>> starts_of(5)
    ('zeros', 'halves', 'ones', 'random', 'random')
    """
    if isinstance(starts, int):
        starts = [*NAMES[:3], *["random"] * (starts - 3)][: max(0, starts)]
    if not starts:
        raise ConfigError("`starts` must be 1 or more, or a list of names, got none. Try 8.")
    for name in starts:
        if name not in NAMES:
            raise ConfigError(unknown_name("starts", name, NAMES))
    return tuple(starts)


@dataclasses.dataclass(frozen=True, eq=False)
class Starts:
    """What several starts ended in.

    **Attributes:**

    - `lowest`: the `Evaluation` of the equilibrium of lowest energy of each example; `taken` are
      the steps of all its starts together, and it is settled if one of them is.
    - `equilibria`: `[examples]`, how many different ones its settled starts ended in.
    - `each`: the evaluation of every start by itself, in their order, without states.
    - `energies`: `[starts, examples]`, infinite where a start did not settle.
    """

    lowest: Evaluation
    equilibria: np.ndarray
    each: tuple[Evaluation, ...]
    energies: np.ndarray

    @property
    def several(self) -> float:
        """Share of the examples with more than one equilibrium."""
        return float((self.equilibria > 1).mean())


def evaluate_starts(
    network: Network,
    examples: Examples,
    phase: Phase,
    starts: int | Sequence[str] = 8,
    *,
    seed: int = 0,
    batch_size: int = 500,
    check_every: int | None = None,
    between: Callable[[], None] = lambda: None,
) -> Starts:
    """Relaxes every example from several starts and keeps the equilibrium of lowest energy.

    The energy is E, without a nudge, of the projected state. Of energies that are equal within
    rounding the first start counts. Training never asked for the lowest: it moves whatever
    equilibrium a particle is in.

    **Arguments:**

    - `starts`: see `starts_of`; `seed`, of the random ones: the same for any batch size.
    - the others: as of `evaluate`. A start counts as settled within 1e-3, or the phase's tolerance
      if that is smaller.
    """
    names, phase = starts_of(starts), _until_settled(phase)
    parts = []
    for number, begin in enumerate(range(0, len(examples), _PART)):
        rows = slice(begin, begin + _PART)
        part = Examples(examples.x[rows], examples.target[rows])
        key = jax.random.fold_in(jax.random.key(seed), number)
        each = [
            evaluate(
                network, part, phase, batch_size=batch_size, states=states,
                check_every=check_every, between=between,
            )
            for states in _begin(network, names, len(part), key)
        ]  # fmt: skip
        parts.append(_chosen(network, part, each, batch_size))
    return Starts(
        _joined([part.lowest for part in parts]),
        np.concatenate([part.equilibria for part in parts]),
        tuple(_joined(of_one) for of_one in zip(*(part.each for part in parts), strict=True)),
        np.concatenate([part.energies for part in parts], axis=1),
    )


def _begin(network: Network, names: Sequence[str], count: int, key: Array) -> Iterator[np.ndarray]:
    """Where so many examples start, `[examples, free units]`, for every name."""
    low, high = network.energy.box or (0.0, 1.0)
    low, high = (low if np.isfinite(low) else 0.0), (high if np.isfinite(high) else 1.0)
    shape = (count, network.num_free)
    for name, own in zip(names, jax.random.split(key, len(names)), strict=True):
        if name == "random":
            yield np.asarray(jax.random.uniform(own, shape, network.dtype, low, high))
        else:
            place = {"zeros": 0.0, "halves": (low + high) / 2, "ones": high}[name]
            yield np.full(shape, place, network.dtype)


def _chosen(
    network: Network, examples: Examples, each: Sequence[Evaluation], batch_size: int
) -> Starts:
    energies = np.stack([_energies(network, examples, one, batch_size) for one in each])
    settled = np.stack([one.settled for one in each])
    energies = np.where(settled, energies, np.inf)
    least = energies.min(axis=0)
    # Sums of many terms: the last few places of an energy say nothing.
    slack = 32 * np.finfo(energies.dtype).eps * (1 + np.abs(np.where(np.isinf(least), 0, least)))
    best, rows = np.argmax(energies <= least + slack, axis=0), np.arange(len(examples))

    def pick(name: str) -> np.ndarray:
        return np.stack([getattr(one, name) for one in each])[best, rows]

    fields = {field.name: pick(field.name) for field in dataclasses.fields(Evaluation)}
    fields["taken"] = np.sum([one.taken for one in each], axis=0)
    states = np.stack([one.states for one in each if one.states is not None])
    bare = tuple(dataclasses.replace(one, states=None) for one in each)
    return Starts(Evaluation(**fields), _distinct(states, settled), bare, energies)


def _joined(parts: Sequence[Evaluation]) -> Evaluation:
    """The examples of all parts as those of one."""
    fields = {}
    for field in dataclasses.fields(Evaluation):
        values = [getattr(part, field.name) for part in parts]
        fields[field.name] = None if values[0] is None else np.concatenate(values)
    return Evaluation(**fields)


def _distinct(states: np.ndarray, settled: np.ndarray) -> np.ndarray:
    """How many different equilibria each example has among settled states [starts, examples, n]."""
    counts = np.zeros(states.shape[1], int)
    for number, state in enumerate(states):
        is_new = settled[number].copy()
        for before in range(number):
            apart = np.abs(state - states[before]).max(axis=1) > APART
            is_new &= apart | ~settled[before]
        counts += is_new
    return counts


def _until_settled(phase: Phase) -> Phase:
    """The phase with a tolerance of 1e-3 at most; one of fixed steps, a forward pass, stays."""
    stop = phase.termination
    if not isinstance(stop, Residual):
        return phase
    tolerance = jnp.minimum(stop.tolerance, SETTLED)
    return eqx.tree_at(lambda p: p.termination, phase, Residual(tolerance, stop.max_steps))


def _energies(
    network: Network, examples: Examples, found: Evaluation, batch_size: int
) -> np.ndarray:
    assert found.states is not None  # starts were given
    values = []
    for start in range(0, len(examples), batch_size):
        rows = slice(start, start + batch_size)
        values.append(_energy(network, examples.x[rows], found.states[rows]))
    return np.concatenate([np.asarray(value) for value in values])


@eqx.filter_jit
def _energy(network: Network, x: Any, state: Any) -> Array:
    clamped = network.energy.clamp(inputs(x, network.dtype))
    return clamped.energy(clamped.project(state))
