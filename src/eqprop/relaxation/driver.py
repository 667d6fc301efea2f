"""The driver that owns the loop of every relaxation."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array, lax

from eqprop.energy import AbstractClampedEnergy
from eqprop.relaxation.base import AbstractRelaxation, Equilibrium
from eqprop.relaxation.termination import AbstractTermination


def relax(
    energy: AbstractClampedEnergy,
    state: Array,
    method: AbstractRelaxation,
    termination: AbstractTermination,
) -> Equilibrium:
    """Lets a batch of states settle.

    **Arguments:**

    - `energy`: an energy with its inputs clamped to the batch (`AbstractEnergy.clamp`), or a
      `TotalEnergy` for a nudged phase.
    - `state`: where to start, `[batch, free units]`; projected first.
    - `method`: `Euler`, `BlockCoordinateDescent`, ...
    - `termination`: `FixedSteps` or `Residual`.

    **Returns:** an `Equilibrium`. Not settling is no error: look at `settled`.

    >>> import eqprop, jax.numpy as jnp
    >>> network = eqprop.Network.initialize(eqprop.layered([4, 3, 2]), seed=0)
    >>> clamped = network.energy.clamp(jnp.ones((1, 4)))
    >>> found = eqprop.relax(clamped, network.cold_state(1),
    ...                      eqprop.BlockCoordinateDescent(), eqprop.Residual(1e-6))
    >>> bool(found.settled.all())
    True
    """
    limit = jnp.asarray(termination.max_steps, jnp.int32)
    energy = method.prepare(energy)

    def unfinished(carry):
        steps, *_, done = carry
        return (steps < limit) & ~done

    def until_it_seems_done(carry):
        steps, state, _, energy_before, rises, _ = carry

        def step(inner):
            steps, state, _ = inner
            return steps + 1, *method.step(energy, state)

        def goes_on(inner):
            steps, _, seen = inner
            return (steps < limit) & ~termination.is_done(seen)

        # The residual seen during a step is a little old: what it suggests is looked at below.
        steps, state, _ = lax.while_loop(goes_on, step, step((steps, state, None)))
        residual, energy_now = method.residual(energy, state), jnp.real(energy.energy(state))
        rises += _rises(energy_before, energy_now)
        return steps, state, residual, energy_now, rises, termination.is_done(residual)

    start = energy.project(state)
    nothing = jnp.full(len(start), jnp.inf, jnp.real(start).dtype)
    first = (jnp.int32(0), start, nothing, nothing, jnp.int32(0), jnp.asarray(False))
    steps, end, residual, energies, rises, _ = lax.while_loop(
        unfinished, until_it_seems_done, first
    )
    return Equilibrium(
        state=end,
        steps=steps,
        residual=residual,
        energy=energies,
        settled=residual <= termination.tolerance,
        energy_rises=rises,
    )


def observe(
    energy: AbstractClampedEnergy,
    state: Array,
    method: AbstractRelaxation,
    termination: AbstractTermination,
    steps: int | Array,
) -> Equilibrium:
    """A state that something else relaxed, `steps` steps long, looked at as `relax` would."""
    prepared = method.prepare(energy)
    residual = method.residual(prepared, state)
    return Equilibrium(
        state=state,
        steps=jnp.asarray(steps, jnp.int32),
        residual=residual,
        energy=jnp.real(prepared.energy(state)),
        settled=residual <= termination.tolerance,
        energy_rises=jnp.int32(0),
    )


def watch(
    energy: AbstractClampedEnergy, state: Array, method: AbstractRelaxation, steps: int | Array
) -> tuple[Array, Array]:
    """Takes `steps` steps and looks at the energy after each, which doubles their cost.

    **Returns:** the state `[batch, free units]`, and how often the energy of an example rose
    from one step to the next, a scalar: 0 for a method that descends.
    """
    energy = method.prepare(energy)

    def step(_, carry):
        state, before, rises = carry
        state, _ = method.step(energy, state)
        now = energy.energy(state)
        return state, now, rises + _rises(before, now)

    start = energy.project(state)
    state, _, rises = lax.fori_loop(0, steps, step, (start, energy.energy(start), jnp.int32(0)))
    return state, rises


def _rises(before: Array, now: Array) -> Array:
    # Rounding alone moves the energy of a settled state by a few units in the last place.
    slack = 32 * jnp.finfo(now.dtype).eps * (1 + jnp.abs(now))
    return jnp.sum(now > before + slack, dtype=jnp.int32)
