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

from eqprop.energy import Network
from eqprop.errors import ConfigError
from eqprop.learning.auditing.agreement import agreements, off_wiring
from eqprop.learning.auditing.findings import Audit, Settling, untouched
from eqprop.learning.auditing.oracle import Oracle, as_batch, gentle_step
from eqprop.learning.auditing.verdict import GOOD, verdict_of
from eqprop.learning.base import AbstractLearningRule, Estimate, Phase
from eqprop.learning.contrastive import ContrastiveHebbian, CoupledLearning
from eqprop.learning.equilibrium_propagation import EquilibriumPropagation
from eqprop.learning.holomorphic import HolomorphicEquilibriumPropagation
from eqprop.learning.nudging import Centered, OneSided, RandomSign
from eqprop.relaxation import (
    SETTLED,
    BlockCoordinateDescent,
    Equilibrium,
    Euler,
    Residual,
    monotone_bound,
)

Part = TypeVar("Part")

_NUDGES = (
    EquilibriumPropagation, HolomorphicEquilibriumPropagation, CoupledLearning, ContrastiveHebbian,
)  # fmt: skip
"""Rules whose second phase is a nudge, which can be small."""

_FAR = 10 * SETTLED
"""Two states further apart than this in some unit are two states."""


def audit(
    network: Network,
    rule: AbstractLearningRule,
    x: Any,
    target: Any,
    states: Any,
    *,
    oracle: Oracle | None = None,
) -> Audit:
    """Compares a rule's correction with the exact gradient of the settled cost.

    The rule runs as it trains, in the network's own precision and from `states`; a random sign
    of beta is averaged over both.

    **Arguments:**

    - `network`: with a Hopfield energy.
    - `rule`: any learning rule.
    - `x` `[examples, inputs]`, `target` `[examples, targets]`: 20 to 100 examples will do.
    - `states`: where free phases start, `[examples, free units]`: the persistent particles.
    - `oracle`: the exact gradient of these examples (default: `Oracle.of` them).

    **Returns:** an `Audit`.

    **Raises:** `ConfigError` for arrays of another shape, and for what the rule refuses.
    """
    rule.check(network)
    x, target, states = as_batch(network, x, target, states, network.dtype)
    oracle = oracle or Oracle.of(network, x, target, states)
    correction = _correction(rule, network, x, target, states, oracle)
    pairs, kinds, overall = agreements(network, correction.gradient, oracle.gradient)
    ends = np.cumsum(network.layer_sizes[1:])[:-1].tolist()
    at_bound = [np.isin(part, (0, 1)) for part in np.split(oracle.settled, ends, axis=1)]
    bounded = network.hopfield.activation.is_identity_on_its_box
    block_step, block_limit = _block_steps(rule, network)
    gentle, left = math.nan, untouched((*pairs, *kinds))
    never = left
    if (overall.cosine < GOOD or left) and (other := _gently(rule, oracle)) is not None:
        found = _correction(other, network, x, target, states, oracle)
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
        saturation=tuple(float(part.mean()) if bounded else math.nan for part in at_bound),
        off_wiring=off_wiring(network, correction.gradient),
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
    nudge = nudge_of(rule)
    x, target, states = as_batch(network, x, target, states, network.dtype)
    oracle, rows = oracle or Oracle.of(network, x, target, states), []
    for size, count in itertools.product(betas, steps):
        own = nudge(rule)[0]
        beta = size if isinstance(rule, CoupledLearning) else float(jnp.copysign(size, own))
        changed = eqx.tree_at(nudge, rule, (jnp.asarray(beta, own.dtype), jnp.asarray(count)))
        try:
            changed.check(network)
        except ConfigError:
            continue
        found = _correction(changed, network, x, target, states, oracle)
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


def nudge_of(rule: AbstractLearningRule) -> Callable[[Any], tuple[Array, Array]]:
    """Where a rule keeps the strength of its nudge and the number of steps of its second phase.

    **Raises:** `ConfigError` for a rule without them.
    """
    if isinstance(rule, EquilibriumPropagation):
        return lambda r: (r.nudging.beta, r.nudged.termination.max_steps)
    if isinstance(rule, HolomorphicEquilibriumPropagation):
        return lambda r: (r.radius, r.nudged.termination.max_steps)
    if isinstance(rule, CoupledLearning):
        return lambda r: (r.eta, r.clamped.termination.max_steps)
    raise ConfigError(
        f"`rule` must have a nudge whose strength and steps can be varied, got "
        f"{type(rule).__name__}. Equilibrium propagation, holomorphic or not, and coupled learning "
        "have one."
    )


@dataclasses.dataclass(frozen=True)
class _Correction:
    """What a rule said, and how its phases settled."""

    gradient: Network
    free: Equilibrium
    nudged: tuple[Equilibrium, ...]
    betas: tuple[float, ...]


def _correction(
    rule: AbstractLearningRule,
    network: Network,
    x: Array,
    target: Array,
    states: Array,
    oracle: Oracle,
) -> _Correction:
    shares = jnp.asarray(oracle.shares, network.dtype)
    gradients, nudged, betas = [], (), []
    for single in _each_sign(rule):
        found = _estimate(single, network, x, target, states, shares)
        gradients.append(jax.device_get(found.gradient))
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
def _estimate(
    rule: AbstractLearningRule, network: Network, x: Array, target: Array, states: Array, w: Array
) -> Estimate:
    return rule.estimate(network, x, target, states, jax.random.key(0), w)


def _each_sign(rule: AbstractLearningRule) -> Iterator[AbstractLearningRule]:
    """The rule; one with a random sign of beta once with each of them."""
    if not _parts(rule, RandomSign):
        yield rule
        return
    for sign in (1, -1):
        yield _changed(rule, RandomSign, lambda node, sign=sign: OneSided(sign * node.beta))


def _gently(rule: AbstractLearningRule, oracle: Oracle) -> AbstractLearningRule | None:
    """The rule with its nudges small and its phases settled; None if it nudges nowhere."""
    settle, beta = Residual(1e-6, max_steps=2_000), jnp.asarray(0.05)
    second = Phase(Euler(gentle_step(oracle.step_limit)), settle)

    def gentle(node: Any) -> Any:
        first = Phase(node.free.method, settle)
        if isinstance(node, EquilibriumPropagation):
            changes = (Centered(beta), first, second)
            return eqx.tree_at(lambda r: (r.nudging, r.free, r.nudged), node, changes)
        if isinstance(node, HolomorphicEquilibriumPropagation):
            changes = (beta, first, second)
            return eqx.tree_at(lambda r: (r.radius, r.free, r.nudged), node, changes)
        return CoupledLearning(beta, first, second)  # contrastive Hebbian learning at eta = 1

    return _changed(rule, _NUDGES, gentle) if _parts(rule, _NUDGES) else None


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
    """beta / (1 - c step_size beta) for `split` steps, c the curvature of the cost (DESIGN)."""
    methods = [ep.nudged.method for ep in _parts(rule, EquilibriumPropagation)]
    split = [m for m in methods if isinstance(m, Euler) and m.nudging_step == "split"]
    if not split:
        return beta
    curvature = network.cost.curvature()
    if curvature is None:
        return math.nan
    rest = 1 - curvature * float(split[0].step_size) * beta
    return math.inf if abs(rest) < 1e-6 else beta / rest


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
