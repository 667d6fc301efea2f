"""Explicit Euler steps along the force: the relaxation of the paper."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax

from eqprop.energy import AbstractClampedEnergy, TotalEnergy
from eqprop.energy.linear import linear
from eqprop.errors import ConfigError
from eqprop.relaxation.base import is_traced
from eqprop.relaxation.moves import AbstractLinearRelaxation, Kernel, Moves
from eqprop.relaxation.nudged_step import AbstractNudgedStep, explicit_step, nudged_step
from eqprop.shapes import PerExample, States


class Euler(AbstractLinearRelaxation):
    """s <- project(s + step_size * force), a forward Euler step of Eq. 5.

    **Arguments:**

    - `step_size`: above 0; the paper uses 0.5. A step can raise the energy, and the state can
      fall into a two-cycle, once step_size > 2/(1 - lambda_min(W)).
    - `nudging_step`: how a nudged phase adds the cost: `Joint()`, as Eq. 4 and 5 say (the
      default), or `Split()`, as released; their names in lower case stand for them.
    - `kernel`: who takes the steps on a GPU.

    **References:** section 2.1.1 of the paper.
    """

    step_size: Array = eqx.field(default=0.5, converter=jnp.asarray)
    nudging_step: AbstractNudgedStep = eqx.field(default="joint", converter=nudged_step)
    kernel: Kernel = eqx.field(default=Kernel(), static=True)

    def __check_init__(self) -> None:
        check_step_size(self.step_size)

    def prepare(self, energy: AbstractClampedEnergy) -> AbstractClampedEnergy:
        return energy

    def init(self, prepared: AbstractClampedEnergy, state: States) -> None:
        return None

    def step(
        self, prepared: AbstractClampedEnergy, state: States, memory: None, key: Array | None
    ) -> tuple[States, None, PerExample]:
        size = self.step_size.astype(jnp.real(state).dtype)
        if isinstance(prepared, TotalEnergy):
            new, seen = self.nudging_step.move(prepared, state, size)
        else:
            new, seen = explicit_step(prepared, state, size)
        return new, None, seen

    def residual(self, energy: AbstractClampedEnergy, state: States) -> PerExample:
        return self.step(energy, state, None, None)[2]

    @property
    def taken_by(self) -> Kernel:
        return self.kernel

    def moves(self, prepared: AbstractClampedEnergy) -> Moves | None:
        nudged = prepared if isinstance(prepared, TotalEnergy) else None
        found = linear(prepared if nudged is None else nudged.free)
        curvature = None if nudged is None else nudged.cost.curvature()
        if found is None or (nudged is not None and curvature is None):
            return None
        step = self.step_size.astype(found.drive.dtype)
        units = found.drive.shape[1]
        keep, gain, push = jnp.full(units, 1 - step), jnp.full(units, step), step * found.drive
        projected = False
        if nudged is not None and curvature is not None:
            output = nudged.output
            pull = step * nudged.beta * curvature
            kept, passed = self.nudging_step.shares(step, pull)
            keep = keep.at[output].set(kept)
            gain = gain.at[output].set(step * passed)
            push = push.at[:, output].set(passed * push[:, output] + pull * nudged.target)
            projected = self.nudging_step.sees_projected_moves
        whole = ((0, units),)
        return Moves(found, keep, gain, push, step, whole, projected)


def euler_limit(energy: AbstractClampedEnergy, state: States, iterations: int = 100) -> PerExample:
    """2 / (largest curvature of the energy) near each state, `[batch]`.

    With longer Euler steps a settled state that no bound holds is left again, and falls into a
    two-cycle. Infinite where the energy is nowhere curved upwards. The curvature is found by power
    iteration, to about a percent.

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

    def largest(shift: Array) -> Array:
        """The curvature that is largest in size once `shift` [batch] is added to all of them."""

        def towards(_: Array, direction: Array) -> Array:
            return unit(bent(direction) + shift[:, None] * direction)

        found = lax.fori_loop(0, iterations, towards, start)
        return jnp.sum(found * bent(found), axis=1)

    # The largest in size can be one that curves downwards; shifted by that, none does.
    found = largest(jnp.zeros(len(state), state.dtype))
    curvature = jnp.where(found > 0, found, largest(jnp.abs(found)))
    upwards = jnp.maximum(curvature, jnp.finfo(state.dtype).tiny)
    return jnp.where(curvature > 0, 2 / upwards, jnp.inf)


def check_step_size(step_size: Array) -> None:
    """Refuses a step size that is not above 0 (traced values pass)."""
    if eqx.is_array(step_size) and not is_traced(step_size) and not bool(step_size > 0):
        raise ConfigError(f"`step_size` must be above 0, got {float(step_size)}. Try 0.5.")
