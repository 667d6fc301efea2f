"""Relatives of equilibrium propagation that hold the outputs instead of nudging them."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from eqprop.energy import HeldOutputs, Network, SquaredError
from eqprop.errors import ConfigError
from eqprop.learning.base import AbstractLearningRule, Again, Phase
from eqprop.learning.differences import AbstractNudgedRule, Phases
from eqprop.learning.second_phase import SecondPhase, check_difference
from eqprop.relaxation import (
    AbstractRelaxation,
    AbstractTermination,
    BlockCoordinateDescent,
    is_traced,
)
from eqprop.shapes import Inputs, States, Targets
from eqprop.topology.work import Wires, Work, two_phases


class ContrastiveHebbian(AbstractNudgedRule):
    """dE/dtheta with the outputs clamped to their targets, minus dE/dtheta in the free phase.

    For a weight that is rho(u_i) rho(u_j) free minus clamped. It is what equilibrium
    propagation becomes for beta to infinity, times beta, and no gradient of a cost.

    **Arguments:**

    - `free`, `clamped`: how the two phases relax. The clamped phase starts at the free state.
    - `carried`: as of `EquilibriumPropagation`.

    **References:** Movellan, "Contrastive Hebbian learning in the continuous Hopfield model",
    Connectionist Models (1991).

    >>> import eqprop
    >>> settle = eqprop.Phase(eqprop.Euler(0.3), eqprop.Residual(1e-4, max_steps=300))
    >>> rule = eqprop.ContrastiveHebbian(settle, settle)
    """

    free: Phase
    clamped: Phase
    carried: bool = eqx.field(default=False, static=True)

    rereads: ClassVar[bool] = True

    def check(self, network: Network) -> None:
        _check_targets(network)
        check_difference(network, self.clamped, self.carried)

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
        eta = jnp.asarray(1.0)
        return _phases(network, (x, target, states, key), self, eta, again)

    def gently(
        self, beta: float, settle: AbstractTermination, second: AbstractRelaxation
    ) -> AbstractLearningRule:
        # Coupled learning at eta = 1.
        return CoupledLearning(beta, Phase(self.free.method, settle), Phase(second, settle))

    @property
    def strength(self) -> float:
        return 1.0

    def varied(self, size: float, steps: int) -> AbstractLearningRule:
        raise ConfigError(
            "`rule` must have a nudge whose strength can be varied, got ContrastiveHebbian. "
            "Equilibrium propagation, holomorphic or not, and coupled learning have one."
        )


class CoupledLearning(AbstractNudgedRule):
    """Contrastive Hebbian learning with outputs held a part of the way to their targets.

    The outputs are held at y + eta (target - y), y their free state, and the difference is
    divided by eta. For small eta it descends `1/2 |y - target|^2` in the metric in which the
    outputs resist being held; at eta = 1 it is contrastive Hebbian learning.

    **Arguments:**

    - `eta`: in (0, 1].
    - `free`, `clamped`: how the two phases relax.
    - `carried`: as of `EquilibriumPropagation`.

    **References:** Stern, Hexner, Rocks and Liu, "Supervised learning in physical networks: from
    machine learning to learning machines", Phys. Rev. X 11:021045 (2021).

    >>> import eqprop
    >>> settle = eqprop.Phase(eqprop.Euler(0.3), eqprop.Residual(1e-4, max_steps=300))
    >>> float(eqprop.CoupledLearning(0.5, settle, settle).eta)
    0.5
    """

    eta: Array = eqx.field(converter=jnp.asarray)
    free: Phase
    clamped: Phase
    carried: bool = eqx.field(default=False, static=True)

    rereads: ClassVar[bool] = True

    def __check_init__(self) -> None:
        if not is_traced(self.eta) and not bool((self.eta > 0) & (self.eta <= 1)):
            raise ConfigError(f"`eta` must lie in (0, 1], got {float(self.eta):g}. Try 0.1.")

    def check(self, network: Network) -> None:
        _check_targets(network)
        check_difference(network, self.clamped, self.carried)

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
        return _phases(network, (x, target, states, key), self, self.eta, again)

    def gently(
        self, beta: float, settle: AbstractTermination, second: AbstractRelaxation
    ) -> AbstractLearningRule:
        return dataclasses.replace(
            self,
            eta=jnp.asarray(beta, self.eta.dtype),
            free=Phase(self.free.method, settle),
            clamped=Phase(second, settle),
            carried=self.carried and isinstance(second, BlockCoordinateDescent),
        )

    @property
    def strength(self) -> float:
        return float(self.eta)

    def varied(self, size: float, steps: int) -> AbstractLearningRule:
        return eqx.tree_at(
            lambda rule: (rule.eta, rule.clamped.termination.max_steps),
            self,
            (jnp.asarray(size, self.eta.dtype), jnp.asarray(steps)),
        )


def check_held_targets(rule: AbstractLearningRule, network: Network, target: Any) -> None:
    """Refuses, by `ConfigError`, targets at which a rule cannot hold the outputs.

    **Arguments:** `rule`: any; `target` `[examples, targets]`.
    """
    kinds = (ContrastiveHebbian, CoupledLearning)
    leaves = jax.tree.leaves(rule, is_leaf=lambda node: isinstance(node, kinds))
    box = network.energy.box
    if box is None or not any(isinstance(leaf, kinds) for leaf in leaves):
        return
    low, high = float(np.min(target)), float(np.max(target))
    if low < box[0] or high > box[1]:
        raise ConfigError(
            f"`target` must lie in {list(box)} where outputs are held at their targets, got values "
            f"from {low:g} to {high:g}: no output unit can be there. Scale the targets."
        )


def _check_targets(network: Network) -> None:
    if not isinstance(network.cost, SquaredError):
        raise ConfigError(
            f"the cost must be `SquaredError` where outputs are held at their targets, got "
            f"{type(network.cost).__name__}: its targets are no states of output units. Use "
            "equilibrium propagation."
        )


def _phases(
    network: Network,
    batch: tuple[Array, Array, Array, Array],
    rule: ContrastiveHebbian | CoupledLearning,
    eta: Array,
    again: Again | None,
) -> Phases:
    x, target, states, key = batch
    energy = rule.free.method.prepare(network.energy.clamp(x))
    free = rule.free.relax(energy, states, jax.random.fold_in(key, 1))
    second = SecondPhase.of(network, energy, free.state, rule.carried)
    if again is not None:
        second = second.anew(rule.clamped.method.prepare(again(2).energy.clamp(x)))
    output = network.output(free.state)
    eta = eta.astype(states.dtype)
    there = (1 - eta) * output + eta * target  # exact for eta 1
    held = HeldOutputs(second.energy, eta * (target - output) if rule.carried else there)
    clamped = rule.clamped.relax(held, held.start(second.start), jax.random.fold_in(key, 2))
    slopes = second.slopes(1 / eta, clamped.state)
    return second.phases(slopes, free, (clamped,), jnp.zeros_like(eta))
