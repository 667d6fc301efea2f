"""What an audit means, in words with advice."""

from __future__ import annotations

import math

import numpy as np

from eqprop.learning.auditing.findings import Audit

GOOD, FAIR = 0.95, 0.5
"""Cosines from which a correction follows the gradient, and from which it still descends."""

OPPOSED = 0.1
"""A cosine below minus this is no accident."""

_MANY = 0.1  # of the examples
_ROUNDING = 1e-4  # of a cost slope
_ABOVE = 10  # times its rounding, a displacement is known to a tenth


def verdict_of(found: Audit) -> tuple[str, ...]:
    """Sentences, the worst first; the last one is the summary where nothing is broken."""
    broken = _broken(found)
    return (*broken, *_advice(found), *([] if broken else [_summary(found)]))


def _broken(found: Audit) -> list[str]:
    said = []
    if found.off_wiring > 0:
        said.append(
            "BROKEN: the rule corrects connections that do not exist (root mean square "
            f"{found.off_wiring:.1e}). A mask is missing in its gradient."
        )
    if _climbs(found):
        said.append(
            "BROKEN: the rule climbs the gradient (cosine "
            f"{np.nanmin([found.overall.cosine, found.small_nudge_cosine]):.2f}). Its phases are "
            "swapped, or beta has the wrong sign in the update."
        )
    if not math.isnan(found.small_nudge_cosine):
        said += [
            f"BROKEN: the rule never corrects {name}, where the gradient is not zero."
            for name in found.never_touched
        ]
    return said


def _climbs(found: Audit) -> bool:
    """A strong nudge alone can point away from the gradient; a small one cannot."""
    gentle = found.small_nudge_cosine
    swapped = found.cost_slope > _ROUNDING and found.overall.cosine < 0
    opposed = found.overall.cosine < -FAIR if math.isnan(gentle) else gentle < -OPPOSED
    return swapped or (opposed and found.has_energy)


def _advice(found: Audit) -> list[str]:
    said = []
    nudges = not math.isnan(found.small_nudge_cosine)
    for name in found.untouched:
        if not nudges:
            said.append(
                f"The rule does not reach {name}, where the gradient is not zero: take more steps. "
                "If there are enough, a part of its gradient is missing."
            )
        elif name not in found.never_touched:
            said.append(
                f"The rule does not correct {name}, where the gradient is not zero; with a small "
                "nudge it would."
            )
    if found.overall.cosine < -OPPOSED < found.small_nudge_cosine:
        said.append(
            f"The correction points away from the gradient (cosine {found.overall.cosine:.2f}), "
            f"with a small nudge it would not ({found.small_nudge_cosine:.2f}): the nudge is too "
            "strong, or too short."
        )
    if not found.has_energy:
        said.append(
            "No energy exists: units differ in gain, or the two directions of a connection in "
            "strength. The difference of two phases is then no gradient, whatever the nudge."
        )
    if found.lost > 0:
        said.append(
            f"The free states of {found.lost:.0%} of the examples could not be found exactly: they "
            "are left out of the comparison. Does the energy have a minimum there?"
        )
    if found.with_gradient == 0 and found.lost < 1:
        said.append(
            "No example has a gradient: all outputs are held at a bound. Only a nudge that is not "
            "small can lift them; use nudging_step='split', or other biases."
        )
    elif 0 < found.with_gradient < FAIR:
        said.append(
            f"Only {found.with_gradient:.0%} of the examples have a gradient; the outputs of the "
            "others are all held at a bound."
        )
    if found.free.unsettled > _MANY:
        advice = ": take more steps, or over-relax."
        if found.overall.cosine >= GOOD:
            advice = ". The correction agrees with the gradient all the same."
        said.append(
            f"{found.free.unsettled:.0%} of the free phases did not settle (largest residual "
            f"{found.free.largest:.1e}){advice}"
        )
    if found.astray > _MANY:
        said.append(
            f"{found.astray:.0%} of the free phases end elsewhere than where they would settle in "
            "double precision: the correction is taken at another state than the gradient."
        )
    if found.nudged is not None and found.nudged.unsettled > _MANY:
        said.append(
            f"{found.nudged.unsettled:.0%} of the second phases did not settle (largest residual "
            f"{found.nudged.largest:.1e}): take more steps, or accept a truncated correction."
        )
    drowned = [
        f"layer {layer} by {moved:.0e} where rounding is {unknown:.0e}"
        for layer, (moved, unknown) in enumerate(
            zip(found.displacement, found.rounding, strict=True), start=1
        )
        if 0 < moved < _ABOVE * unknown
    ]
    if drowned:
        said.append(
            f"The second phase moves {', '.join(drowned)}: the difference of the two phases drowns "
            "in it. Carry the difference (carried=True, learning.carried = true of a run), nudge "
            "more, or compute in float64."
        )
    pairs = list(zip(found.betas, found.effective_betas, strict=True))
    hard = [beta for beta, effective in pairs if math.isinf(effective)]
    strong = [effective for _, effective in pairs if abs(effective) > 0.1 + 1e-6]
    if hard:
        said.append(
            f"beta = {hard[0]:g} with this `split` step clamps the outputs hard: the rule is "
            "contrastive Hebbian, not a small nudge. Use 'joint', or a smaller beta."
        )
    elif found.overall.cosine < GOOD and strong:
        listed = " and ".join(f"{beta:g}" for beta in strong)
        said.append(f"beta is {listed} in effect: try a smaller one.")
    if found.overall.cosine >= GOOD and not 1 / 3 < found.overall.ratio < 3:
        said.append(
            f"The correction is {found.overall.ratio:.3g} times as large as the gradient: a factor "
            "such as 1/beta is missing, or meant to be another."
        )
    if found.step_size > found.step_limit:
        said.append(
            f"the Euler step {found.step_size:g} is beyond its limit {found.step_limit:.3g}: "
            "states may jump to and fro. Lower it."
        )
    if found.block_step > found.block_limit:
        said.append(
            f"the block step {found.block_step:g} is beyond its limit {found.block_limit:.3g}: the "
            "energy may rise. Lower it, or take smaller blocks."
        )
    if found.elsewhere > _MANY:
        said.append(
            f"{found.elsewhere:.0%} of the examples settle elsewhere from a cold start than from "
            "the states given: where a free phase starts decides what it finds. Measure errors "
            "from both (evaluation.start='both')."
        )
    said += [
        f"every unit of layer {layer} is held at 0 or 1 and passes no gradient on."
        for layer, share in enumerate(found.saturation[:-1], start=1)
        if share > 0.999
    ]
    return said


def _summary(found: Audit) -> str:
    cosine = found.overall.cosine
    if math.isnan(cosine):
        if found.with_gradient == 0:
            return "There is no exact gradient to compare with."
        if math.isnan(found.overall.ratio):
            return "The correction is not a number: states grow without limit."
        return "The rule corrects nothing, where the gradient is not zero."
    parts = [p for p in (*found.pairs, *found.kinds) if not math.isnan(p.cosine)]
    worst = min(parts, key=lambda p: p.cosine)
    where = f"cosine {cosine:.3f} over all, {worst.cosine:.3f} in the worst part, {worst.name}"
    if worst.cosine >= GOOD:
        return f"The rule follows the gradient: {where}."
    if cosine >= FAIR:
        return f"The rule descends, and is not the gradient: {where}."
    return f"The rule does not follow the gradient: {where}."
