"""Equilibrium propagation: the gradient from two equilibria."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from eqprop.energy import HopfieldEnergy, Network
from eqprop.errors import ConfigError
from eqprop.learning.base import AbstractLearningRule, Again, Phase
from eqprop.learning.differences import AbstractNudgedRule, Phases
from eqprop.learning.nudging import AbstractNudging, Centered
from eqprop.learning.second_phase import SecondPhase, check_difference
from eqprop.relaxation import (
    AbstractRelaxation,
    AbstractTermination,
    BlockCoordinateDescent,
    Equilibrium,
    Euler,
    is_traced,
)
from eqprop.shapes import Inputs, States, Targets
from eqprop.topology.work import Wires, Work, two_phases


class EquilibriumPropagation(AbstractNudgedRule):
    """Relax freely, nudge the outputs, relax again, compare (section 2.1.1, Eq. 7 and 8).

    gradient = (dF/dtheta at beta - dF/dtheta at 0) / beta for every parameter theta of the energy,
    averaged over the batch; dC/dtheta at 0 for those of a read-out. For a weight that is
    -(rho(u_i) rho(u_j) at beta - at 0) / beta: minus the paper's correction, since Optax descends.

    **Arguments:**

    - `nudging`: `OneSided`, `RandomSign` or `Centered`.
    - `free`, `nudged`: how the two phases relax. The nudged phase starts at the free state.
    - `carried`: whether the nudged phase moves the difference of the two states (`Difference`),
      which then needs no subtraction: for weakened feedback, where that is below rounding. It
      needs `BlockCoordinateDescent`.

    **Raises:** `ConfigError` if some beta makes 1 + (curvature of the cost) beta <= 0 and the
    nudged phase is block coordinate descent, or the states are kept in no box: then the output
    layer has no minimum, and states would grow without limit.

    **References:** Scellier and Bengio, "Equilibrium propagation: bridging the gap between
    energy-based models and backpropagation", Front. Comput. Neurosci. 11:24 (2017).

    >>> import eqprop
    >>> settle = eqprop.Phase(eqprop.Euler(0.3), eqprop.Residual(1e-4, max_steps=300))
    >>> rule = eqprop.EquilibriumPropagation(eqprop.Centered(0.1), settle, settle)
    >>> network = eqprop.Network.initialize(eqprop.layered([4, 3, 2]), seed=0)
    >>> rule.check(network)
    """

    nudging: AbstractNudging
    free: Phase
    nudged: Phase
    carried: bool = eqx.field(default=False, static=True)

    rereads: ClassVar[bool] = True

    def check(self, network: Network) -> None:
        check_difference(network, self.nudged, self.carried)
        if not isinstance(self.nudged.method.innermost, BlockCoordinateDescent):
            self._check_growth(network)
            return
        curvature = network.cost.curvature()
        energy = network.energy
        if curvature is None:
            if isinstance(energy, HopfieldEnergy) and not energy.activation.is_parabola:
                return  # a pull of any cost has a place there
            raise ConfigError(
                f"the nudged phase must be `Euler` with this cost, got BlockCoordinateDescent with "
                f"{type(network.cost).__name__}, whose outputs have no minimum in closed form."
            )
        for beta in self.nudging.possible():
            if not is_traced(beta) and 1 + curvature * float(beta) <= 0:
                raise ConfigError(
                    f"`beta` must be above {-1 / curvature:g} for a nudged phase by "
                    f"BlockCoordinateDescent with this cost, got {float(beta):g}. Below it the "
                    "output layer has no minimum. Use Euler for the nudged phase or a smaller beta."
                )

    def _check_growth(self, network: Network) -> None:
        """Without a box each Euler step must bring a lone output unit nearer to where it rests."""
        method, curvature = self.nudged.method.innermost, network.cost.curvature()
        energy = network.energy
        if not isinstance(method, Euler) or curvature is None or is_traced(method.step_size):
            return
        # Added terms may hold the states; nothing is known of them.
        if not isinstance(energy, HopfieldEnergy) or not energy.is_plain or energy.box:
            return
        step = float(method.step_size)
        for beta in self.nudging.possible():
            if is_traced(beta):
                continue
            if abs(method.nudging_step.factor(step, curvature * float(beta))) >= 1:
                how = type(method.nudging_step).__name__.lower()
                raise ConfigError(
                    f"`beta` must let the outputs come to rest, got {float(beta):g} with steps of "
                    f"{step:g} ({how}) and an activation without a box: states would grow without "
                    f"limit. Take |beta| below {1 / curvature:g}, or a smaller step."
                )

    def work(self, wires: Wires, free_steps: float, other_steps: float) -> Work:
        return two_phases(wires, free_steps, other_steps)

    def phases(
        self,
        network: Network,
        x: Inputs,
        target: Targets,
        states: States,
        key: Array,
        *,
        again: Again | None = None,
    ) -> Phases:
        # Prepared once, so that both phases read the same copy of the couplings.
        clamped = self.free.method.prepare(network.energy.clamp(x))
        free = self.free.relax(clamped, states, jax.random.fold_in(key, 1))

        second = SecondPhase.of(network, clamped, free.state, self.carried)

        def nudge(beta: Array, phase: int) -> Equilibrium:
            seen, own = network, second
            if again is not None:
                seen = again(phase)
                own = second.anew(self.nudged.method.prepare(seen.energy.clamp(x)))
            total = seen.nudged(own.energy, beta, target, own.offset)
            return own.relax(self.nudged, total, jax.random.fold_in(key, 2))

        upper, lower = self.nudging.pair(key)
        beta = jnp.asarray(upper, states.dtype)
        below_beta = jnp.asarray(0 if lower is None else lower, states.dtype)
        share = 1 / (beta - below_beta)
        above = nudge(beta, 2)
        if lower is None:
            return second.phases(second.slopes(share, above.state), free, (above,), beta)
        below = nudge(below_beta, 3)
        slopes = ((share, above.state), (-share, below.state))
        return second.phases(slopes, free, (above, below), beta)

    def gently(
        self, beta: float, settle: AbstractTermination, second: AbstractRelaxation
    ) -> AbstractLearningRule:
        # Of its own class: what a user's rule does otherwise, it does with a small nudge too.
        return dataclasses.replace(
            self,
            nudging=Centered(beta),
            free=Phase(self.free.method, settle),
            nudged=Phase(second, settle),
            carried=self.carried and isinstance(second, BlockCoordinateDescent),
        )

    @property
    def strength(self) -> float:
        return float(self.nudging.beta)

    def varied(self, size: float, steps: int) -> AbstractLearningRule:
        beta = self.nudging.beta
        return eqx.tree_at(
            lambda rule: (rule.nudging.beta, rule.nudged.termination.max_steps),
            self,
            (jnp.copysign(jnp.asarray(size, beta.dtype), beta), jnp.asarray(steps)),
        )
