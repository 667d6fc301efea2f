"""What an audit found."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

from eqprop.learning.auditing.agreement import Agreement


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
    - `cost_slope`: how the cost changes from the less to the more nudged states of a contrastive
      rule, relative to its size; above 0 only where phases are swapped, however strong the nudge.
      NaN for rules of another kind.
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
    - `has_energy`: False where the two directions of a connection differ, by devices: then the
      difference of two phases is no gradient of anything.
    - `displacement`: per free layer, how far a contrastive rule's phases end apart (root mean
      square over units and examples); none for rules of another kind.
    - `rounding`: the same of a unit in the last place of these states, which is what subtracting
      them leaves unknown; 0 where the difference is carried.
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
    cost_slope: float
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
    has_energy: bool = True
    displacement: tuple[float, ...] = ()
    rounding: tuple[float, ...] = ()
    verdict: tuple[str, ...] = ()

    @property
    def untouched(self) -> tuple[str, ...]:
        """Parts that the rule does not correct at all though they have a gradient."""
        return untouched((*self.pairs, *self.kinds))

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


def untouched(parts: Iterable[Agreement]) -> tuple[str, ...]:
    """The names of the parts that a rule does not correct at all though they have a gradient."""
    return tuple(part.name for part in parts if part.ratio == 0)
