"""The gradient audit: is a network really learning by gradient, layer by layer?"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from eqprop.energy import Feedback, Network
from eqprop.energy.products import dot
from eqprop.errors import ConfigError
from eqprop.learning.auditing.agreement import agreements, off_wiring
from eqprop.learning.auditing.findings import Audit, Settling, untouched
from eqprop.learning.auditing.oracle import Oracle, as_batch, gentle_step
from eqprop.learning.auditing.verdict import GOOD, verdict_of
from eqprop.learning.base import AbstractLearningRule, Batch, Estimate
from eqprop.learning.differences import AbstractContrastiveRule, AbstractNudgedRule, Phases
from eqprop.learning.equilibrium_propagation import EquilibriumPropagation
from eqprop.learning.nudging import AbstractNudging
from eqprop.relaxation import (
    SETTLED,
    AbstractRelaxation,
    BlockCoordinateDescent,
    Equilibrium,
    Euler,
    Residual,
    monotone_bound,
)

Part = TypeVar("Part")

_FAR = 10 * SETTLED
"""Two states further apart than this in some unit are two states."""


def as_held(network: Network) -> Network:
    """What phases see of devices without an effect."""
    return network


def audit(
    network: Network,
    rule: AbstractLearningRule,
    x: Any,
    target: Any,
    states: Any,
    *,
    oracle: Oracle | None = None,
    read: Callable[[Network], Network] = as_held,
) -> Audit:
    """Compares a rule's correction with the exact gradient of the settled cost.

    The rule runs as it trains, in the network's own precision and from `states`; a random sign
    of beta is averaged over both.

    **Arguments:**

    - `network`: any.
    - `rule`: any learning rule.
    - `x` `[examples, inputs]`, `target` `[examples, targets]`: 20 to 100 examples will do.
    - `states`: where free phases start, `[examples, free units]`: the persistent particles.
    - `oracle`: the exact gradient of these examples in `network` (default: `Oracle.of` them).
    - `read`: what phases see of `network`, where imperfect devices hold it (`Model.devices`). The
      exact gradient is then that in what they hold. It is defined without an energy too: where
      the two directions of a connection differ.

    **Returns:** an `Audit`.

    **Raises:** `ConfigError` for arrays of another shape, and for what the rule refuses.
    """
    held, network = network, read(network)
    rule.check(network)
    x, target, states = as_batch(network, x, target, states, network.dtype)
    oracle = oracle or Oracle.of(network, x, target, states).through(read, held)
    batch = _batch(network, x, target, states, oracle)
    correction = _correction(rule, network, batch)
    pairs, kinds, overall = agreements(network, correction.gradient, oracle.gradient)
    ends = np.cumsum(network.layer_sizes[1:])[:-1].tolist()
    box = network.energy.box
    at_bound = [np.isin(part, box or ()) for part in np.split(oracle.settled, ends, axis=1)]
    block_step, block_limit = _block_steps(rule, network)
    compared = _compared(rule, network, batch)
    displacement, rounding = _apart(network, compared)
    gentle, left = math.nan, untouched((*pairs, *kinds))
    never = left
    if (overall.cosine < GOOD or left) and (other := _gently(rule, network, oracle)) is not None:
        found = _correction(other, network, batch)
        *parts, whole = agreements(network, found.gradient, oracle.gradient)
        gentle = whole.cosine
        still = untouched(itertools.chain(*parts))
        never = tuple(name for name in left if name in still)
    result = Audit(
        examples=len(x),
        with_gradient=float((oracle.shares > 0).mean()),
        lost=float((~oracle.found).mean()),
        free=_settling([correction.free]),
        nudged=_settling(correction.nudged) if correction.nudged else None,
        betas=correction.betas,
        effective_betas=tuple(_effective_beta(rule, network, b) for b in correction.betas),
        small_nudge_cosine=gentle,
        cost_slope=_towards_the_target(network, batch, compared),
        never_touched=never,
        overall=overall,
        pairs=pairs,
        kinds=kinds,
        astray=_astray(correction.free, oracle),
        elsewhere=float((oracle.apart > _FAR).mean()) if len(oracle.apart) else 0.0,
        lowest_eigenvalue=oracle.lowest_eigenvalue,
        step_limit=oracle.step_limit,
        step_size=max((float(m.step_size) for m in _parts(rule, Euler)), default=0.0),
        block_step=block_step,
        block_limit=block_limit,
        saturation=tuple(float(part.mean()) if box else math.nan for part in at_bound),
        off_wiring=off_wiring(network, correction.gradient),
        has_energy=network.is_symmetric,
        displacement=displacement,
        rounding=rounding,
    )
    return dataclasses.replace(result, verdict=verdict_of(result))


def response(
    network: Network,
    rule: AbstractLearningRule,
    x: Any,
    target: Any,
    states: Any,
    *,
    betas: Sequence[float] = (1.0, 0.5, 0.2, 0.1, 0.05),
    steps: Sequence[int] = (4, 8, 20, 60),
    oracle: Oracle | None = None,
    read: Callable[[Network], Network] = as_held,
) -> list[dict[str, Any]]:
    """How the agreement with the exact gradient changes with beta and with the nudged steps.

    **Arguments:** as of `audit`; `betas` and nudged `steps`, of which every pair is tried. A beta
    that the rule refuses on this network is left out. The sign of the rule's own is kept; for
    holomorphic propagation beta is the radius, for coupled learning eta.

    **Returns:** a row per beta, number of steps, and pair of layers or kind of connection (the
    `name` of an `Agreement`): `beta`, `effective_beta` (the first of a random sign), `steps`, the
    share `unsettled` of the nudged phases and their largest `residual`, `name`, `cosine`,
    `sign_agreement`, `ratio`.

    **Raises:** `ConfigError` for a rule without a nudge, and for arrays of another shape.
    """
    nudged = nudge_of(rule)
    held, network = network, read(network)
    x, target, states = as_batch(network, x, target, states, network.dtype)
    oracle = oracle or Oracle.of(network, x, target, states).through(read, held)
    rows = []
    batch = _batch(network, x, target, states, oracle)
    for size, count in itertools.product(betas, steps):
        changed = nudged.varied(size, count)
        try:
            changed.check(network)
        except ConfigError:
            continue
        beta = nudge_of(changed).strength
        found = _correction(changed, network, batch)
        pairs, kinds, overall = agreements(network, found.gradient, oracle.gradient)
        settling = _settling(found.nudged)
        setting = {
            "beta": beta,
            "effective_beta": _effective_beta(changed, network, (found.betas or (beta,))[0]),
            "steps": count,
            "unsettled": settling.unsettled,
            "residual": settling.largest,
        }
        for part in (*pairs, *kinds, overall):
            values = dataclasses.asdict(part)
            del values["exact"]
            rows.append(setting | values)
    return rows


def nudge_of(rule: AbstractLearningRule) -> AbstractNudgedRule:
    """The rule, if it has a nudge whose strength and steps can be varied.

    **Raises:** `ConfigError` for a rule without them.
    """
    if not isinstance(rule, AbstractNudgedRule):
        raise ConfigError(
            f"`rule` must have a nudge whose strength and steps can be varied, got "
            f"{type(rule).__name__}. Equilibrium propagation, holomorphic or not, and coupled "
            "learning have one."
        )
    rule.varied(abs(rule.strength), 1)
    return rule


@dataclasses.dataclass(frozen=True)
class _Correction:
    """What a rule said, and how its phases settled."""

    gradient: Network
    free: Equilibrium
    nudged: tuple[Equilibrium, ...]
    betas: tuple[float, ...]


def _batch(network: Network, x: Array, target: Array, states: Array, oracle: Oracle) -> Batch:
    """The examples, each counted as in the exact gradient."""
    return Batch.of(x, target, states, weights=jnp.asarray(oracle.shares, network.dtype))


def _correction(
    rule: AbstractLearningRule,
    network: Network,
    batch: Batch,
) -> _Correction:
    gradients, nudged, betas = [], (), []
    for single in _each_sign(rule):
        found = _estimate(single, network, batch)
        gradients.append(jax.device_get(found.gradient.as_written()))
        nudged += found.report.nudged
        betas += _betas(single, float(found.report.beta))
    mean = jax.tree.map(lambda *parts: sum(parts) / len(parts), *gradients)
    return _Correction(mean, found.report.free, nudged, tuple(betas))


def _betas(rule: AbstractLearningRule, reported: float) -> list[float]:
    nudging = [ep.nudging for ep in _parts(rule, EquilibriumPropagation)]
    if nudging:
        return [float(beta) for each in nudging for beta in each.possible()]
    return [reported] if reported else []


@eqx.filter_jit
def _estimate(rule: AbstractLearningRule, network: Network, batch: Batch) -> Estimate:
    return rule.estimate(network, batch)


def _each_sign(rule: AbstractLearningRule) -> Iterator[AbstractLearningRule]:
    """The rule; one that draws a sign of beta once with each of them."""
    nudging = _parts(rule, AbstractNudging)
    for number in range(max((len(each.each()) for each in nudging), default=1)):

        def chosen(node: AbstractNudging, number: int = number) -> AbstractNudging:
            return node.each()[number % len(node.each())]

        yield _changed(rule, AbstractNudging, chosen)


def _gently(
    rule: AbstractLearningRule, network: Network, oracle: Oracle
) -> AbstractLearningRule | None:
    """The rule with its nudges small and its phases settled; None if it nudges nowhere."""
    if not _parts(rule, AbstractNudgedRule):
        return None
    settle = Residual(1e-6, max_steps=2_000)
    second: AbstractRelaxation = Euler(gentle_step(oracle.step_limit))
    if network.energy.has_blocks and not network.hopfield.activation.is_parabola:
        # Near the ends of a smooth rho the energy is so steep that Euler steps hardly move.
        second = BlockCoordinateDescent(1.0, block_size=20)
    return _changed(rule, AbstractNudgedRule, lambda node: node.gently(0.05, settle, second))


def _compared(rule: AbstractLearningRule, network: Network, batch: Batch) -> list[Phases]:
    """The phases of a contrastive rule, or of those inside another one; none of other rules."""
    parts = _parts(rule, AbstractContrastiveRule)
    return [_phases(single, network, batch) for part in parts for single in _each_sign(part)]


@eqx.filter_jit
def _phases(rule: Any, network: Network, batch: Batch) -> Phases:
    return rule.phases(network, batch.x, batch.target, batch.states, batch.key)


def _towards_the_target(network: Network, batch: Batch, compared: Sequence[Phases]) -> float:
    """How the cost changes from the less to the more nudged states of a contrastive rule.

    Relative to its size, by the rule's own coefficients. A nudge of any strength lowers the cost,
    so that it is above 0 only where phases are swapped; NaN for a rule without such states.
    """
    change = size = 0.0
    for found in compared:
        for coefficient, outputs in found.outputs(network):
            costs = dot(batch.weights, jax.vmap(network.cost)(outputs, batch.target))
            change += float(jnp.real(coefficient * costs))
            size += float(jnp.abs(coefficient * costs))
    return change / size if size else math.nan


def _apart(
    network: Network, compared: Sequence[Phases]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Per free layer: how far phases end apart, and what subtracting their states leaves unknown.

    In double precision, and 0 for the latter where differences are carried.
    """
    if not compared:
        return (), ()
    squares = [_apart_of(network, found) for found in compared]
    ends = np.cumsum(network.layer_sizes[1:])[:-1]
    means = (np.mean(parts, axis=(0, 1)) for parts in zip(*squares, strict=True))
    displacement, rounding = (
        tuple(float(np.sqrt(layer.mean())) for layer in np.split(mean, ends)) for mean in means
    )
    return displacement, rounding


def _apart_of(network: Network, found: Phases) -> tuple[np.ndarray, np.ndarray]:
    """The squares of the same, `[examples, free units]` each."""
    states = np.stack([np.asarray(states) for _, states in found.slopes])
    wide = states.astype(np.promote_types(states.dtype, np.float64))
    if found.origin is None:
        unknown = np.spacing(np.abs(states)).astype(np.float64).max(axis=0)
    else:
        energy = network.hopfield
        feedback = Feedback(energy.feedback, energy.layer_sizes)
        wide = wide * feedback.per_unit(feedback.scale, np.float64)
        unknown = np.zeros(wide[0].shape)  # nothing is subtracted
        if len(wide) == 1:  # beside the free phase, whose difference is 0
            wide = np.concatenate([wide, 0 * wide])
    # Two states are as far apart as twice the root mean square around their middle.
    around = np.abs(wide - wide.mean(axis=0))
    return 4 * np.mean(around**2, axis=0), unknown**2


def _astray(free: Equilibrium, oracle: Oracle) -> float:
    apart = np.abs(np.asarray(free.state) - oracle.settled).max(axis=1)[oracle.found]
    return float((apart > _FAR).mean()) if len(apart) else 0.0


def _settling(phases: Sequence[Equilibrium]) -> Settling:
    residual = np.max([np.asarray(phase.residual) for phase in phases], axis=0)
    return Settling(
        float(residual.max()),
        float(residual.mean()),
        # Written so that states which ran away, whose residual is NaN, did not settle.
        float((~(residual <= SETTLED)).mean()),
    )


def _effective_beta(rule: AbstractLearningRule, network: Network, beta: float) -> float:
    """What a beta amounts to by the nudging step of the rule."""
    methods = [ep.nudged.method.innermost for ep in _parts(rule, EquilibriumPropagation)]
    steps = [method for method in methods if isinstance(method, Euler)]
    if not steps:
        return beta
    curvature, size = network.cost.curvature(), float(steps[0].step_size)
    return steps[0].nudging_step.effective_beta(beta, size, curvature)


def _parts(rule: AbstractLearningRule, kind: type[Part] | tuple[type[Part], ...]) -> list[Part]:
    """The parts of a kind that a rule is made of, wherever in it."""
    leaves = jax.tree.leaves(rule, is_leaf=lambda node: isinstance(node, kind))
    return [leaf for leaf in leaves if isinstance(leaf, kind)]


def _changed(
    rule: AbstractLearningRule,
    kind: type[Part] | tuple[type[Part], ...],
    change: Callable[[Part], Any],
) -> AbstractLearningRule:
    """The rule with every part of a kind changed, wherever in it."""
    return jax.tree.map(
        lambda node: change(node) if isinstance(node, kind) else node,
        rule,
        is_leaf=lambda node: isinstance(node, kind),
    )


def _block_steps(rule: AbstractLearningRule, network: Network) -> tuple[float, float]:
    """Largest step of block descent, 0 without any, and the least of their bounds."""
    methods = _parts(rule, BlockCoordinateDescent)
    steps = [float(method.step_size) for method in methods]
    bounds = [float(monotone_bound(network, method.block_size)) for method in methods]
    return max(steps, default=0.0), min(bounds, default=2.0)
