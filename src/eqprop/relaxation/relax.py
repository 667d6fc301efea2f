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
    start = energy.project(state.T)
    memory = method.init(energy, start)
    limit = jnp.asarray(termination.max_steps, jnp.int32)
    check_every = jnp.maximum(1, jnp.asarray(termination.check_every, jnp.int32))

    def unfinished(carry):
        steps, *_, done = carry
        return (steps < limit) & ~done

    def until_next_check(carry):
        steps, state, memory, _, energy_before, rises, _ = carry
        stop = jnp.minimum(steps + check_every, limit)
        state, memory = lax.fori_loop(
            steps, stop, lambda _, pair: method.step(energy, *pair), (state, memory)
        )
        residual, energy_now = method.residual(energy, state), energy.energy(state)
        # Rounding alone moves the energy of a settled state by a few units in the last place.
        slack = 32 * jnp.finfo(energy_now.dtype).eps * (1 + jnp.abs(energy_now))
        rises += jnp.sum(energy_now > energy_before + slack, dtype=jnp.int32)
        return stop, state, memory, residual, energy_now, rises, termination.is_done(residual)

    nothing = jnp.full(start.shape[1], jnp.inf, start.dtype)
    first = (jnp.int32(0), start, memory, nothing, nothing, jnp.int32(0), jnp.asarray(False))
    steps, end, _, residual, energies, rises, _ = lax.while_loop(
        unfinished, until_next_check, first
    )
    return Equilibrium(
        state=end.T,
        steps=steps,
        residual=residual,
        energy=energies,
        settled=residual <= termination.tolerance,
        energy_rises=rises,
    )
