"""Explicit Euler steps along the force: the relaxation of the paper."""

from __future__ import annotations

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax

from eqprop.energy import AbstractClampedEnergy, TotalEnergy
from eqprop.errors import ConfigError
from eqprop.relaxation.base import AbstractRelaxation, is_traced


class Euler(AbstractRelaxation):
    """s <- project(s + step_size * force), a forward Euler step of Eq. 5.

    **Arguments:**

    - `step_size`: above 0; the paper uses 0.5. A step can raise the energy, and the state can
      fall into a two-cycle, once step_size > 2/(1 - lambda_min(W)).
    - `nudging_step`: how a nudged phase adds the cost. `"joint"`: both forces at once, as
      Eq. 4 and 5 say. `"split"`: the step of the energy first, then
      s_out += step_size * beta * (force of the cost at the already moved, unclipped output),
      then one projection.

    Differs from: the paper's text, which has `joint`; its released code has `split`. With a
    squared error of factor 1, `split` settles where `joint` does at
    beta / (1 - 2 step_size beta): at step_size 0.5, beta = +1 clamps the outputs hard.

    **References:** section 2.1.1 of the paper; github.com/jgammell/Equilibrium_Propagation_mobile.
    """

    step_size: Array = eqx.field(default=0.5, converter=jnp.asarray)
    nudging_step: Literal["split", "joint"] = eqx.field(default="joint", static=True)

    def __check_init__(self) -> None:
        if self.nudging_step not in ("split", "joint"):
            raise ConfigError(
                f"`nudging_step` must be 'split' or 'joint', got {self.nudging_step!r}."
            )
        check_step_size(self.step_size)

    def prepare(self, energy: AbstractClampedEnergy) -> AbstractClampedEnergy:
        return energy

    def step(self, prepared: AbstractClampedEnergy, state: Array) -> tuple[Array, Array]:
        if self.nudging_step == "split" and isinstance(prepared, TotalEnergy):
            moved = state + self.step_size * prepared.free.force(state)
            # The nudge acts on the output that the energy moved already, not yet projected.
            moved = prepared.nudge(moved, moved, self.step_size * prepared.beta)
            new = prepared.project(moved)
            return new, jnp.max(jnp.abs(new - state), axis=1) / self.step_size
        force = prepared.force(state)
        off = jnp.abs(prepared.project(state + force) - state)
        return prepared.project(state + self.step_size * force), jnp.max(off, axis=1)

    def residual(self, energy: AbstractClampedEnergy, state: Array) -> Array:
        return self.step(energy, state)[1]


def euler_limit(energy: AbstractClampedEnergy, state: Array, iterations: int = 100) -> Array:
    """2 / (largest curvature of the energy) near each state, `[batch]`.

    With longer Euler steps a settled state that no bound holds is left again, and falls into a
    two-cycle. The curvature is found by power iteration, to about a percent.

    >>> import eqprop
    >>> network = eqprop.Network.initialize(eqprop.layered([4, 3, 2]), seed=0)
    >>> clamped = network.energy.clamp(jnp.ones((1, 4)))
    >>> bool(euler_limit(clamped, jnp.full((1, 5), 0.5))[0] < 2)
    True
    """

    def bent(direction: Array) -> Array:
        return -jax.jvp(energy.force, (state,), (direction,))[1]

    def unit(direction: Array) -> Array:
        length = jnp.linalg.norm(direction, axis=1, keepdims=True)
        return direction / jnp.maximum(length, jnp.finfo(state.dtype).tiny)

    start = unit(jax.random.normal(jax.random.key(0), state.shape, state.dtype))
    found = lax.fori_loop(0, iterations, lambda _, direction: unit(bent(direction)), start)
    return 2 / jnp.sum(found * bent(found), axis=1)


def check_step_size(step_size: Array) -> None:
    """Refuses a step size that is not above 0 (traced values pass)."""
    if eqx.is_array(step_size) and not is_traced(step_size) and not bool(step_size > 0):
        raise ConfigError(f"`step_size` must be above 0, got {float(step_size)}. Try 0.5.")
