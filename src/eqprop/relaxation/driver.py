"""The driver that owns the loop of every relaxation."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from eqprop.energy import AbstractClampedEnergy
from eqprop.relaxation.base import AbstractRelaxation, Equilibrium
from eqprop.relaxation.launch import in_one_launch
from eqprop.relaxation.termination import AbstractTermination, Among
from eqprop.shapes import States

_NOISE = 2**31 - 4
"""The stream of what an energy draws at a step, beside those of a method."""


def relax(
    energy: AbstractClampedEnergy,
    state: States,
    method: AbstractRelaxation,
    termination: AbstractTermination,
    *,
    key: Array | None = None,
    at_zero: bool = False,
) -> Equilibrium:
    """Lets a batch of states settle.

    **Arguments:**

    - `energy`: an energy with its inputs clamped to the batch (`AbstractEnergy.clamp`), or a
      `TotalEnergy` for a nudged phase.
    - `state`: where to start, `[batch, free units]`; projected first.
    - `method`: `Euler`, `BlockCoordinateDescent`, ...
    - `termination`: `FixedSteps` or `Residual`.
    - `key`: a JAX random key, for methods that draw, and for noise; without one there is none.
    - `at_zero`: whether `state` is 0 everywhere, which spares work of the first step. Then one step
      at least is taken.

    **Returns:** an `Equilibrium`. Not settling is no error: look at `outcome`. An example whose
    state is no longer finite waits for nobody, and nobody waits for it.

    >>> import eqprop, jax.numpy as jnp
    >>> network = eqprop.Network.initialize(eqprop.layered([4, 3, 2]), seed=0)
    >>> clamped = network.energy.clamp(jnp.ones((1, 4)))
    >>> found = eqprop.relax(clamped, network.cold_state(1),
    ...                      eqprop.BlockCoordinateDescent(), eqprop.Residual(1e-6))
    >>> found.words
    ['settled']
    """
    whole = (energy, state, method, termination, key)
    # A compiled program takes arrays of NumPy for constants, which it would have to compare.
    return _relaxed(
        *jax.tree.map(lambda a: jnp.asarray(a) if isinstance(a, np.ndarray) else a, whole),
        at_zero=at_zero,
    )


# Compiled also where it is called by itself. Within a larger program it is a part of that one.
@eqx.filter_jit(inline=True)  # pyright: ignore[reportCallIssue]
def _relaxed(
    energy: AbstractClampedEnergy,
    state: States,
    method: AbstractRelaxation,
    termination: AbstractTermination,
    key: Array | None,
    *,
    at_zero: bool,
) -> Equilibrium:
    limit = jnp.asarray(termination.max_steps, jnp.int32)
    energy = method.prepare(energy)
    present = jnp.ones(len(state), bool)
    if isinstance(termination, Among):
        present = termination.present
        key = None if key is None else jax.random.fold_in(key, termination.part)

    def is_done(residual: Array) -> Array:
        finite = jnp.isfinite(residual)
        enough = termination.is_done(jnp.where(finite, residual, 0), present)
        return enough | ~jnp.any(finite & present)

    def step(carry, how=method.step):
        steps, state, memory, _ = carry
        if key is None:
            return steps + 1, *how(energy, state, memory, None)
        own = jax.random.fold_in(key, steps)
        seen = energy.at_step(jax.random.fold_in(own, _NOISE))
        return steps + 1, *how(seen, state, memory, own)

    def goes_on(carry):
        steps, *_, seen = carry
        return (steps < limit) & ~is_done(seen)

    def unfinished(carry):
        steps, *_, looked, done = carry
        return ~looked | ((steps < limit) & ~done)

    start = energy.project(state)
    unseen = jnp.full(len(start), jnp.finfo(start.dtype).max, jnp.real(start).dtype)
    launched = in_one_launch(method, energy, termination, present)

    begun = (jnp.int32(0), start, method.init(energy, start), unseen)
    if at_zero and launched is None:
        begun = step(begun, method.first)
    if not termination.measures and launched is None:
        steps, end, _, residual = lax.while_loop(goes_on, step, begun)
        value = jnp.real(energy.energy(end))
        return Equilibrium.of(end, steps, residual, value, termination.tolerance)

    def until_it_seems_done(carry):
        # The residual seen during a step is a little old: what it suggests is looked at below.
        if launched is None:
            steps, state, memory, _ = lax.while_loop(goes_on, step, (*carry[:3], unseen))
        else:
            (steps, state), memory = launched(*carry[:2]), carry[2]
        residual = method.residual(energy, state)
        return steps, state, memory, residual, jnp.asarray(True), is_done(residual)

    no = jnp.asarray(False)
    steps, end, _, residual, *_ = lax.while_loop(unfinished, until_it_seems_done, (*begun, no, no))
    value = jnp.real(energy.energy(end))
    return Equilibrium.of(end, steps, residual, value, termination.tolerance)


def observe(
    energy: AbstractClampedEnergy,
    state: States,
    method: AbstractRelaxation,
    termination: AbstractTermination,
    steps: int | Array,
) -> Equilibrium:
    """A state that something else relaxed, `steps` steps long, looked at as `relax` would."""
    prepared = method.prepare(energy)
    residual = method.residual(prepared, state)
    value = jnp.real(prepared.energy(state))
    return Equilibrium.of(state, steps, residual, value, termination.tolerance)


def watch(
    energy: AbstractClampedEnergy, state: States, method: AbstractRelaxation, steps: int | Array
) -> tuple[Array, Array]:
    """Takes `steps` steps and looks at the energy after each, which doubles their cost.

    **Returns:** the state `[batch, free units]`, and how often the energy of an example rose
    from one step to the next, a scalar: 0 for a method that descends.
    """
    energy = method.prepare(energy)

    def step(number, carry):
        state, memory, before, rises = carry
        own = jax.random.fold_in(jax.random.key(0), number)
        state, memory, _ = method.step(energy, state, memory, own)
        now = energy.energy(state)
        return state, memory, now, rises + _rises(before, now)

    start = energy.project(state)
    first: Any = (start, method.init(energy, start), energy.energy(start), jnp.int32(0))
    state, _, _, rises = lax.fori_loop(0, steps, step, first)
    return state, rises


def _rises(before: Array, now: Array) -> Array:
    # Rounding alone moves the energy of a settled state: its terms are larger than it, and cancel.
    slack = 256 * jnp.finfo(now.dtype).eps * (1 + jnp.abs(now))
    return jnp.sum(now > before + slack, dtype=jnp.int32)
