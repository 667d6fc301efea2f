"""How strong an imperfection may be: of states, reads, writes and devices; with and without skips.

Ranges were fixed beforehand: weights lie in +-0.5; strengths go up tenfold, or threefold where
they are shares. With `READINGS` readings of each state, the noise of one is larger by the root of
that. If their mean helps by the root, the error is that of one reading with the smaller noise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from eqprop.experiments.bits import RANGE
from eqprop.experiments.experiment import Experiment, Settings, lasting, merged
from eqprop.experiments.figure3 import networks

if TYPE_CHECKING:
    from eqprop.analysis.tables import Drawn

STRENGTHS: Mapping[str, tuple[float, ...]] = {
    "state_noise": (1e-4, 1e-3, 1e-2, 1e-1),
    "read_noise": (1e-4, 1e-3, 1e-2, 1e-1),
    "write_noise": (1e-4, 1e-3, 1e-2, 1e-1),
    "spread": (0.1, 0.3, 1.0),
    "stuck_low": (1e-3, 1e-2, 1e-1),
    "gain": (0.03, 0.1, 0.3),
    "unequal": (0.1, 0.3, 1.0),
}
"""By setting of a device: states are in [0, 1], weights in +-0.5, the rest are shares."""
READINGS = 16
POINT = 0.01
"""Of error, by which an imperfection may raise it."""

_CHOSEN = {
    "smoke": {"state_noise": (1e-3, 1e-1)},
    "quick": {"state_noise": (1e-2, 1e-1), "write_noise": (1e-2, 1e-1)},
    "paper": STRENGTHS,
}
_AVERAGED = {"smoke": (4e-1,), "quick": (), "paper": (4e-3, 4e-2, 4e-1)}


def _conditions(preset: str) -> dict[str, Settings]:
    found: dict[str, Settings] = {}
    for network in ("layered", "rewired"):
        plain = networks(preset)[network]
        found[f"{network}, none"] = merged(plain, {"device": held()})
        for name, strengths in _CHOSEN[preset].items():
            for strength in strengths:
                device = {"device": held(**{name: strength})}
                found[f"{network}, {name} {strength:g}"] = merged(plain, device)
        for strength in _AVERAGED[preset]:
            device = {"device": held(state_noise=strength, state_readings=READINGS)}
            found[f"{network}, state_noise/{READINGS} {strength:g}"] = merged(plain, device)
    return found


def held(**effects: float) -> Settings:
    """Weights in the range of the experiment, with one effect."""
    return {"kind": "analog", "low": -RANGE, "high": RANGE, **effects}


def largest(
    exact: float, errors: Mapping[float, float], points: float = POINT
) -> tuple[float, str]:
    """The strength at which the error has risen by so much, between two that were tried.

    Linear in the logarithm of the strength.

    **Returns:** it, and "at"; or the weakest that was tried and "at or below", where that is too
    strong already; or the strongest and "beyond", where none is.

    >>> largest(0.10, {0.01: 0.10, 0.1: 0.12})
    (0.0316..., 'at')
    """
    limit, before = exact + points, None
    for strength, error in sorted(errors.items()):
        if error > limit:
            if before is None:
                return strength, "at or below"
            low, there = before
            part = (limit - there) / (error - there)
            return low * math.exp(part * math.log(strength / low)), "at"
        before = strength, error
    return max(errors), "beyond"


def _tables(drawn: Drawn) -> list[str]:
    """The largest harmless strength of each effect, seed by seed."""
    from eqprop.analysis.collect import last_epoch

    ends: dict[tuple[str, str], dict[str, dict[float, float]]] = {}
    exact: dict[tuple[str, str], float] = {}
    for row in last_epoch(drawn.epochs):
        network, _, what = row["condition"].partition(", ")
        key, error = (network, str(row["seed"])), float(row["training_error"])
        name, _, strength = what.partition(" ")
        if name == "none":
            exact[key] = error
        else:
            ends.setdefault(key, {}).setdefault(name, {})[float(strength)] = error
    lines = []
    for key, effects in ends.items():
        for name, errors in effects.items():
            if key in exact:
                strength, where = largest(exact[key], errors)
                told = f"a point of error {where} {strength:.2g}"
                lines.append(f"{key[0]}, seed {key[1]}, {name}: {told}")
    return lines


def _picture(drawn: Drawn, stem: Path) -> None:
    from eqprop.plots.noise import error_against_strength

    error_against_strength(drawn.epochs, stem)


NOISE = Experiment(
    name="noise",
    about="the largest noise and mismatch that do no harm, with and without skip connections",
    presets=lasting(2, 3, 3),
    conditions=_conditions,
    seeds=3,
    quick_seeds=1,
    picture=_picture,
    tables=_tables,
)
