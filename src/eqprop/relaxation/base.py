"""The interface of a relaxation method and what a relaxation returns."""

from __future__ import annotations

import abc

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jax.core import Tracer

from eqprop.energy import AbstractClampedEnergy

SETTLED = 1e-3
"""A state counts as settled in training and evaluation when its residual is at most this."""


class Equilibrium(eqx.Module):
    """Where a relaxation ended, and whether it can be trusted.

    **Attributes:**

    - `state`: `[batch, free units]`.
    - `steps`: how many steps (or sweeps) were taken, a scalar.
    - `residual`: `[batch]`, the largest `|project(s + force) - s|` of each example; 0 at an
      equilibrium, whatever the method and its step size.
    - `energy`: `[batch]`.
    - `settled`: `[batch]`, whether the residual is within tolerance.
    - `energy_rises`: how often the energy of an example was seen higher than at the check
      before, a scalar; a relaxation that descends has none.
    """

    state: Array
    steps: Array
    residual: Array
    energy: Array
    settled: Array
    energy_rises: Array


class AbstractRelaxation(eqx.Module):
    """One step of a method by which a state settles. The driver `relax` owns the loop."""

    @abc.abstractmethod
    def prepare(self, energy: AbstractClampedEnergy) -> AbstractClampedEnergy:
        """The same energy in the form in which the method takes its steps.

        Refuses, by `ConfigError`, an energy that the method cannot relax.
        """

    @abc.abstractmethod
    def step(self, prepared: AbstractClampedEnergy, state: Array) -> tuple[Array, Array]:
        """One step or sweep on `state` `[batch, free units]`.

        **Returns:** the new state, and for each example the residual as it was seen on the way,
        `[batch]`: it costs nothing and tells when a look at the residual itself pays.
        """

    @abc.abstractmethod
    def residual(self, energy: AbstractClampedEnergy, state: Array) -> Array:
        """How far each example is from a fixed point of the method, `[batch]`."""


def projected_residual(energy: AbstractClampedEnergy, state: Array) -> Array:
    """The largest `|project(s + force) - s|` over the free units of each example, `[batch]`."""
    return jnp.max(jnp.abs(energy.project(state + energy.force(state)) - state), axis=1)


def is_traced(value: object) -> bool:
    """Whether `value` is a placeholder inside a compiled program, without a value to check."""
    return isinstance(value, Tracer)
