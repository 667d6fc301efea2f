"""What an Euler step of a nudged phase does with the cost: both forces at once, or after another.

This is not the nudging (`RandomSign` and its relatives), which chooses the values of beta.
"""

from __future__ import annotations

import abc
import math

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from eqprop.energy import AbstractClampedEnergy, TotalEnergy
from eqprop.errors import ConfigError, unknown_name
from eqprop.shapes import States


class AbstractNudgedStep(eqx.Module):
    """How a step of the relaxation adds the pull of the cost."""

    @abc.abstractmethod
    def move(self, total: TotalEnergy, state: States, step_size: Array) -> tuple[Array, Array]:
        """One step of `state` `[batch, free units]`, and the residual seen on the way `[batch]`."""

    @abc.abstractmethod
    def effective_beta(self, beta: float, step_size: float, curvature: float | None) -> float:
        """The beta at which a settled small step of both forces at once would end.

        Infinite for a hard clamp of the outputs, NaN for a cost without one curvature.
        """

    @abc.abstractmethod
    def shares(self, step_size: Array, pull: Array) -> tuple[Array, Array]:
        """What is left of an output's place, and of the step of the energy, where a cost pulls.

        **Arguments:** `pull`: step_size times beta times the curvature of the cost.
        """

    @property
    @abc.abstractmethod
    def sees_projected_moves(self) -> bool:
        """Whether the residual seen on the way is the projected move over the step size."""

    @abc.abstractmethod
    def factor(self, step_size: float, pull: float) -> float:
        """By what a step multiplies the distance of a lone output unit from where it rests.

        **Arguments:** `pull`, beta times the curvature of the cost.
        """


class Joint(AbstractNudgedStep):
    """Both forces at once, as Eq. 4 and 5 say: s <- project(s + step_size * force of F)."""

    def move(self, total: TotalEnergy, state: States, step_size: Array) -> tuple[Array, Array]:
        return explicit_step(total, state, step_size)

    def effective_beta(self, beta: float, step_size: float, curvature: float | None) -> float:
        return beta

    def shares(self, step_size: Array, pull: Array) -> tuple[Array, Array]:
        return 1 - step_size - pull, jnp.ones_like(pull)

    @property
    def sees_projected_moves(self) -> bool:
        return False

    def factor(self, step_size: float, pull: float) -> float:
        return 1 - step_size * (1 + pull)


class Split(AbstractNudgedStep):
    """The step of the energy first, then that of the cost, at the already moved output.

    s_out += step_size * beta * (force of the cost at the moved, unclipped output), then one
    projection. With a squared error of factor 1 it settles where `Joint` does at
    beta / (1 - 2 step_size beta): at step_size .5, beta = +1 clamps the outputs hard.

    Differs from: the paper's text, which has `Joint`; this is its released code.

    **References:** section 2.1.1 of the paper; github.com/jgammell/Equilibrium_Propagation_mobile.
    """

    def move(self, total: TotalEnergy, state: States, step_size: Array) -> tuple[Array, Array]:
        moved = state + step_size * total.free.force(state)
        # The nudge acts on the output that the energy moved already, not yet projected.
        moved = total.nudge(moved, moved, step_size * total.beta)
        new = total.project(moved)
        return new, jnp.max(jnp.abs(new - state), axis=1) / step_size

    def effective_beta(self, beta: float, step_size: float, curvature: float | None) -> float:
        if curvature is None:
            return math.nan
        rest = 1 - curvature * step_size * beta
        return math.inf if abs(rest) < 1e-6 else beta / rest

    def shares(self, step_size: Array, pull: Array) -> tuple[Array, Array]:
        return (1 - step_size) * (1 - pull), 1 - pull

    @property
    def sees_projected_moves(self) -> bool:
        return True

    def factor(self, step_size: float, pull: float) -> float:
        return (1 - step_size) * (1 - step_size * pull)


_NAMED = {"joint": Joint, "split": Split}


def nudged_step(value: str | AbstractNudgedStep) -> AbstractNudgedStep:
    """A nudged step by its name, or as it is given."""
    if isinstance(value, str):
        if value not in _NAMED:
            raise ConfigError(unknown_name("nudging_step", value, _NAMED))
        return _NAMED[value]()
    return value


def explicit_step(
    energy: AbstractClampedEnergy, state: States, step_size: Array
) -> tuple[Array, Array]:
    """One Euler step along the force, and the residual of the state before it."""
    force = energy.force(state)
    off = jnp.abs(energy.project(state + force) - state)
    return energy.project(state + step_size * force), jnp.max(off, axis=1)
