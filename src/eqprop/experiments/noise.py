"""How strong an imperfection may be: of states, reads, writes and devices; with and without skips.

Ranges were fixed beforehand: weights lie in +-0.5; strengths go up tenfold, or threefold where
they are shares. With `READINGS` readings of each state, the noise of one is larger by the root of
that. If their mean helps by the root, the error is that of one reading with the smaller noise.
"""

from __future__ import annotations

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


def _tables(drawn: Drawn) -> list[str]:
    """The largest harmless strength of each effect, seed by seed."""
    from eqprop.analysis.strengths import by_network

    return [
        f"{network}, seed {seed}, {effect}: a point of error {where} {strength:.2g}"
        for network, found in by_network(drawn.epochs).items()
        for effect in found.under
        for seed in found.seeds(effect)
        for strength, where in [found.largest(effect, seed)]
    ]


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
