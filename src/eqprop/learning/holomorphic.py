"""Holomorphic equilibrium propagation: exact gradients from nudges in the complex plane."""

from __future__ import annotations

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from eqprop.energy import Network
from eqprop.errors import ConfigError
from eqprop.learning.base import AbstractLearningRule, Phase, Report
from eqprop.learning.differences import AbstractNudgedRule, Phases
from eqprop.learning.nudging import check_beta
from eqprop.relaxation import AbstractRelaxation, AbstractTermination, Euler, Joint, is_traced
from eqprop.shapes import Inputs, States, Targets
from eqprop.topology.work import Wires, Work, two_phases


class HolomorphicEquilibriumPropagation(AbstractNudgedRule):
    """The derivative of dF/dtheta in beta at 0, as a mean over a circle (Cauchy's integral).

    gradient = Re (1/N) sum over k of exp(-i phi_k) / radius * dF/dtheta at
    beta_k = radius exp(i phi_k), phi_k = 2 pi k / N. Its error is of order radius^N, and at a
    fixed radius it falls geometrically in N, as long as the equilibrium is a holomorphic
    function of beta inside the circle. With N = 2 it is `Centered`.

    **Arguments:**

    - `radius`: of the circle, above 0.
    - `points`: N, 2 or more. Points below the real line mirror those above it and cost nothing.
    - `free`: the free phase.
    - `nudged`: `Euler` with `joint` nudging, on complex states.

    **Raises:** `ConfigError` for an energy with a box or an activation without complex
    derivative, such as the hard sigmoid, and for another relaxation of the nudged phases.

    **References:** Laborieux and Zenke, "Holomorphic equilibrium propagation computes exact
    gradients through finite size oscillations", NeurIPS (2022).

    >>> import eqprop
    >>> settle = eqprop.Phase(eqprop.Euler(0.3), eqprop.Residual(1e-4, max_steps=300))
    >>> rule = eqprop.HolomorphicEquilibriumPropagation(0.1, settle, settle, points=6)
    >>> network = eqprop.Network.initialize(eqprop.layered([4, 3, 2]), seed=0)
    >>> rule.check(network)
    Traceback (most recent call last):
        ...
    eqprop.errors.ConfigError: the energy must have a complex derivative ...
    """

    radius: Array = eqx.field(converter=jnp.asarray)
    free: Phase
    nudged: Phase
    points: int = eqx.field(default=4, static=True)

    def __check_init__(self) -> None:
        check_beta(self.radius, "radius")
        if not is_traced(self.radius) and float(self.radius) < 0:
            raise ConfigError(f"`radius` must be above 0, got {float(self.radius):g}. Try 0.1.")
        if self.points < 2:
            raise ConfigError(f"`points` must be 2 or more, got {self.points}. Try 4.")

    def check(self, network: Network) -> None:
        if not network.energy.is_holomorphic:
            raise ConfigError(
                "the energy must have a complex derivative for holomorphic equilibrium "
                "propagation, got one whose states are kept in a box or whose activation has a "
                "corner, like the hard sigmoid. Use `Sigmoid`, `ShiftedSigmoid` or `Tanh`, or "
                "`Centered` equilibrium propagation."
            )
        method = self.nudged.method
        if not isinstance(method, Euler) or not isinstance(method.nudging_step, Joint):
            how = f" with {type(method.nudging_step).__name__}" if isinstance(method, Euler) else ""
            raise ConfigError(
                "the nudged phases must be `Euler` with nudging_step='joint' for holomorphic "
                f"equilibrium propagation, got {type(method).__name__}{how}."
            )
        curvature = network.cost.curvature()
        if curvature and not is_traced(self.radius) and float(self.radius) * curvature >= 1:
            raise ConfigError(
                f"`radius`, `learning.beta` of a run, must be below {1 / curvature:g}, got "
                f"{float(self.radius):g}: on the circle the output layer would have no minimum. "
                "Try 0.1."
            )
        known = not any(map(is_traced, jax.tree.leaves(network)))
        if known and not _has_complex_derivative(network):
            raise ConfigError(
                "the terms of the energy must have a complex derivative for holomorphic "
                "equilibrium propagation, got one that has none at some state. Write it without "
                "`abs`, `vdot` and conjugates, or use `Centered` equilibrium propagation."
            )

    def work(self, wires: Wires, free_steps: float, other_steps: float) -> Work:
        # A complex number times a real one is two multiply-adds, times a complex one four.
        real = two_phases(wires, free_steps, other_steps)
        points = self.points // 2 + 1
        return Work(real.first, 2 * real.second, 4 * points * wires.total)

    def phases(
        self, network: Network, x: Inputs, target: Targets, states: States, key: Array
    ) -> Phases:
        clamped = self.free.method.prepare(network.energy.clamp(x))
        free = self.free.relax(clamped, states, jax.random.fold_in(key, 1))
        # The state at the conjugate of beta is the conjugate: the upper half circle is enough.
        places = np.arange(self.points // 2 + 1)
        angles = 2 * np.pi * places / self.points
        on_axis = (places == 0) | (2 * places == self.points)  # angles are rounded
        number = jnp.result_type(states.dtype, jnp.complex64)
        turns = jnp.asarray(np.exp(1j * angles), number)
        shares = jnp.asarray(np.where(on_axis, 1, 2) / self.points) / (self.radius * turns)
        start = free.state.astype(number)

        def nudge(beta: Array):
            total = network.nudged(clamped, beta, target)
            return self.nudged.relax(total, start, jax.random.fold_in(key, 2))

        found = lax.map(nudge, self.radius * turns)
        nudged = tuple(jax.tree.map(lambda leaf, k=k: leaf[k], found) for k in range(len(angles)))
        slopes = tuple((shares[k], phase.state) for k, phase in enumerate(nudged))
        return Phases(slopes, free.state, Report(free, nudged, self.radius))

    def gently(
        self, beta: float, settle: AbstractTermination, second: AbstractRelaxation
    ) -> AbstractLearningRule:
        return dataclasses.replace(
            self,
            radius=jnp.asarray(beta, self.radius.dtype),
            free=Phase(self.free.method, settle),
            nudged=Phase(second, settle),
        )

    @property
    def strength(self) -> float:
        return float(self.radius)

    def varied(self, size: float, steps: int) -> AbstractLearningRule:
        return eqx.tree_at(
            lambda rule: (rule.radius, rule.nudged.termination.max_steps),
            self,
            (jnp.asarray(size, self.radius.dtype), jnp.asarray(steps)),
        )


def _has_complex_derivative(network: Network) -> bool:
    """Whether the slope of the energy is the same along the real and the imaginary axis."""
    rng = np.random.default_rng(0)
    units, number = network.num_free, jnp.result_type(network.dtype, jnp.complex64)
    x = jnp.asarray(rng.random(network.num_inputs), network.dtype)
    parts = rng.uniform(0.1, 0.9, (2, 2, units))
    state, along = (jnp.asarray(a + 1j * b, number) for a, b in parts)

    def slope(direction: Array) -> Array:
        value = jax.jvp(lambda s: network.energy.energy(x, s), (state,), (direction,))[1]
        return jnp.asarray(value, number)

    try:
        there, across = slope(along), slope(1j * along)
    except TypeError:  # such as a real value where the derivative wants a complex one
        return False
    return bool(jnp.abs(across - 1j * there) <= 1e-3 * (1 + jnp.abs(there)))
