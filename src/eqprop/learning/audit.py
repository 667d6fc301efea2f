"""The gradient audit: is a network really learning by gradient, layer by layer?"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from eqprop.energy import Network
from eqprop.errors import ConfigError
from eqprop.learning.agreement import Agreement, agreements, off_wiring
from eqprop.learning.base import AbstractLearningRule, Estimate, Phase
from eqprop.learning.contrastive import ContrastiveHebbian, CoupledLearning
from eqprop.learning.equilibrium_propagation import EquilibriumPropagation
from eqprop.learning.holomorphic import HolomorphicEquilibriumPropagation
from eqprop.learning.nudging import Centered, OneSided, RandomSign
from eqprop.learning.oracle import Oracle, as_batch, gentle_step
from eqprop.learning.verdict import GOOD, verdict_of
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


@dataclasses.dataclass(frozen=True)
class Settling:
    """How a phase settled: largest and mean residual, and the share of examples unsettled."""

    largest: float
    mean: float
    unsettled: float


@dataclasses.dataclass(frozen=True)
class Audit:
    """What `audit` found.

    **Attributes:**

    - `examples`: how many were looked at; `with_gradient`, the share of them whose exact
      gradient is not zero: only these are compared. The output units of the others are all
      held at a bound.
    - `lost`: share of the examples whose free state the oracle did not find in its time: they
      are left out too.
    - `free`, `nudged`: how the rule's two phases settled.
    - `betas`: at which the rule nudges, both signs of a random one, none where it does not;
      `effective_betas`, those that its nudging step amounts to (`Euler`), infinite for a hard
      clamp, NaN for a cost without one curvature.
    - `small_nudge_cosine`: the overall cosine of the same rule with a small nudge in settled
      phases, which tells a strong nudge from swapped phases; NaN where the rule itself follows
      the gradient or has no nudge.
    - `never_touched`: those of the `untouched` parts that the rule leaves alone with a small nudge
      too.
    - `overall`, `pairs`, `kinds`: see `Agreement`; biases and others stand among the kinds.
    - `astray`: share of the examples whose free phase, as the rule runs it, ends more than .01
      from where the oracle found them settled.
    - `elsewhere`: share of the examples that settle in another state from a cold start than
      from the states given.
    - `lowest_eigenvalue` of the coupling between free units, and `step_limit`: an Euler step
      beyond it can fall into a two-cycle. It is 2/(1 - lowest eigenvalue) for the hard sigmoid
      alone, and for other energies what `euler_limit` finds at the settled states. `step_size`
      is the largest Euler step of the rule, 0 where it takes none.
    - `block_step`: the largest step of block coordinate descent, 0 where there is none, and
      `block_limit` (`monotone_bound`): beyond it the energy can rise.
    - `saturation`: share of the units of each free layer that are held exactly at 0 or 1; NaN
      for an activation without bounds.
    - `off_wiring`: root mean square of the correction where no connection exists; not 0 only in
      a broken rule.
    - `verdict`: sentences for a reader, the worst first.
    """

    examples: int
    with_gradient: float
    lost: float
    free: Settling
    nudged: Settling | None
    betas: tuple[float, ...]
    effective_betas: tuple[float, ...]
    small_nudge_cosine: float
    never_touched: tuple[str, ...]
    overall: Agreement
    pairs: tuple[Agreement, ...]
    kinds: tuple[Agreement, ...]
    astray: float
    elsewhere: float
    lowest_eigenvalue: float
    step_limit: float
    step_size: float
    block_step: float
    block_limit: float
    saturation: tuple[float, ...]
    off_wiring: float
    verdict: tuple[str, ...] = ()

    @property
    def untouched(self) -> tuple[str, ...]:
        """Parts that the rule does not correct at all though they have a gradient."""
        return _untouched((*self.pairs, *self.kinds))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a record; numbers that are not finite become None."""
        return plain(dataclasses.asdict(self))


def plain(value: Any) -> Any:
    """The same with None for every number that is not finite, which JSON does not know."""
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


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
    gentle, untouched = math.nan, _untouched((*pairs, *kinds))
    never = untouched
    if (overall.cosine < GOOD or untouched) and (other := _gently(rule, oracle)) is not None:
        found = _correction(other, network, x, target, states, oracle)
        *parts, whole = agreements(network, found.gradient, oracle.gradient)
        gentle = whole.cosine
        still = _untouched(itertools.chain(*parts))
        never = tuple(name for name in untouched if name in still)
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


def _untouched(parts: Iterable[Agreement]) -> tuple[str, ...]:
    return tuple(part.name for part in parts if part.ratio == 0)


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
