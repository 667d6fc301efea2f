"""The interface of a relaxation method and what a relaxation returns."""

from __future__ import annotations

import abc
import enum
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer

from eqprop.energy import AbstractBlockClampedEnergy, AbstractClampedEnergy
from eqprop.shapes import Counts, PerExample, States

SETTLED = 1e-3
"""A state counts as settled in training and evaluation when its residual is at most this."""


class Outcome(enum.IntEnum):
    """How the relaxation of an example ended."""

    SETTLED = 0
    STEP_LIMIT = 1
    NOT_FINITE = 2

    @property
    def words(self) -> str:
        """For people: `settled`, `step limit`, `not finite`."""
        return self.name.lower().replace("_", " ")


class Equilibrium(eqx.Module):
    """Where a relaxation ended, and whether it can be trusted.

    **Attributes:**

    - `state`: `[batch, free units]`.
    - `steps`: how many steps (or sweeps) were taken, a scalar.
    - `residual`: `[batch]`, the largest `|project(s + force) - s|` of each example; 0 at an
      equilibrium, whatever the method and its step size.
    - `energy`: `[batch]`.
    - `outcome`: `[batch]`, an `Outcome` for each example; `words` says it.
    """

    state: States
    steps: Array
    residual: PerExample
    energy: PerExample
    outcome: Counts

    @staticmethod
    def of(
        state: States, steps: Array | int, residual: Array, energy: Array, tolerance: Array | float
    ) -> Equilibrium:
        """With the outcome that a residual means."""
        outcome = jnp.where(residual <= tolerance, Outcome.SETTLED, Outcome.STEP_LIMIT)
        outcome = jnp.where(jnp.isfinite(residual), outcome, Outcome.NOT_FINITE)
        return Equilibrium(
            state, jnp.asarray(steps, jnp.int32), residual, energy, outcome.astype(jnp.int8)
        )

    @property
    def settled(self) -> Array:
        """Which examples settled, `[batch]`."""
        return self.outcome == Outcome.SETTLED

    @property
    def words(self) -> list[str]:
        """The outcome of each example in words."""
        return [Outcome(int(code)).words for code in np.asarray(self.outcome).ravel()]


class AbstractRelaxation(eqx.Module):
    """One step of a method by which a state settles. The driver `relax` owns the loop."""

    @property
    def innermost(self) -> AbstractRelaxation:
        """The method whose steps it takes in the end: itself, unless it is made of another one."""
        return self

    @abc.abstractmethod
    def prepare(self, energy: AbstractClampedEnergy) -> AbstractClampedEnergy:
        """The same energy in the form in which the method takes its steps.

        Refuses, by `ConfigError`, an energy that the method cannot relax.
        """

    @abc.abstractmethod
    def init(self, prepared: AbstractClampedEnergy, state: States) -> Any:
        """What the method remembers from step to step, before the first; None for nothing."""

    @abc.abstractmethod
    def step(
        self, prepared: AbstractClampedEnergy, state: States, memory: Any, key: Array | None
    ) -> tuple[States, Any, PerExample]:
        """One step or sweep on `state` `[batch, free units]`.

        **Arguments:** `memory`, as `init` or the step before gave it; `key`, of this step, for
        methods that draw.

        **Returns:** the new state and memory, and for each example the residual as it was seen on
        the way, `[batch]`: it costs nothing and tells when a look at the residual itself pays.
        """

    def first(
        self, prepared: AbstractClampedEnergy, state: States, memory: Any, key: Array | None
    ) -> tuple[States, Any, PerExample]:
        """`step` from a state that is 0 everywhere, which some methods take with less work."""
        return self.step(prepared, state, memory, key)

    @abc.abstractmethod
    def residual(self, energy: AbstractClampedEnergy, state: States) -> PerExample:
        """How far each example is from a fixed point of the method, `[batch]`."""


def projected_residual(energy: AbstractClampedEnergy, state: States) -> PerExample:
    """How far the free units of each example are from where they are drawn, `[batch]`.

    The largest `|project(s + force) - s|`; of `Activities` `|rho(pull) - s|`, since their force is
    infinite at an end.
    """
    return jnp.max(jnp.abs(energy.project(drawn(energy, state)) - state), axis=1)


def drawn(energy: AbstractClampedEnergy, state: States) -> States:
    """Where units are drawn with the others held, before projection, `[batch, free units]`.

    Along the force from where they are, for an energy that tells nothing else.
    """
    if isinstance(energy, AbstractBlockClampedEnergy):
        return energy.drawn(state)
    return state + energy.force(state)


def is_traced(value: object) -> bool:
    """Whether `value` is a placeholder inside a compiled program, without a value to check."""
    return isinstance(value, Tracer)
