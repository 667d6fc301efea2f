"""How strong an imperfection may be: errors against the strength of an effect, network by network.

Conditions are called `network, effect strength`, such as `layered, gain 0.1`, and `network, none`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from eqprop.analysis.collect import Rows, last_epoch
from eqprop.analysis.numbers import lay_out

POINT = 0.01
"""Of error, by which an imperfection may raise it."""

_WORDS = {
    "state_noise": "noise of states that are read",
    "read_noise": "noise of a read, in weights",
    "write_noise": "noise of a write, in weights",
    "spread": "spread of steps, device to device",
    "stuck_low": "share of stuck devices",
    "gain": "spread of the gain of units",
    "unequal": "directions that differ, as a share",
}


def words_of(effect: str) -> str:
    """What the strength of an effect is called.

    >>> words_of("state_noise/16")
    'noise of states that are read (mean of 16)'
    """
    name, _, readings = effect.partition("/")
    return _WORDS.get(name, name) + (f" (mean of {readings})" if readings else "")


@dataclasses.dataclass(frozen=True)
class Errors:
    """The training errors of one network.

    **Attributes:**

    - `exact`: without an effect, by seed.
    - `under`: by effect, strength and seed.
    """

    exact: dict[str, float] = dataclasses.field(default_factory=dict)
    under: dict[str, dict[float, dict[str, float]]] = dataclasses.field(default_factory=dict)

    def seeds(self, effect: str) -> list[str]:
        """Those of which the network without the effect and one with it are there."""
        tried = self.under.get(effect, {}).values()
        return [seed for seed in self.exact if any(seed in found for found in tried)]

    def largest(self, effect: str, seed: str) -> tuple[float, str]:
        """`largest` of a seed."""
        tried = self.under[effect].items()
        errors = {strength: found[seed] for strength, found in tried if seed in found}
        return largest(self.exact[seed], errors)


def by_network(rows: Rows) -> dict[str, Errors]:
    """The errors of each network, from rows of epochs of runs that came to the end."""
    networks: dict[str, Errors] = {}
    for row in last_epoch(rows):
        network, _, what = row["condition"].partition(", ")
        found = networks.setdefault(network, Errors())
        effect, _, strength = what.partition(" ")
        tried = found.exact
        if strength:
            tried = found.under.setdefault(effect, {}).setdefault(float(strength), {})
        tried[str(row["seed"])] = float(row["training_error"])
    return networks


def effects_of(networks: Mapping[str, Errors]) -> list[str]:
    """The effects that any of the networks met, as they come."""
    return list(dict.fromkeys(effect for found in networks.values() for effect in found.under))


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


def strengths(rows: Rows) -> str:
    """A row per effect, a column per network: the largest strength that does no harm, by seed."""
    networks = by_network(rows)
    table = []
    for effect in effects_of(networks):
        cells = [
            ", ".join(_spelt(*found.largest(effect, seed)) for seed in found.seeds(effect))
            for found in networks.values()
        ]
        table.append([words_of(effect), *(cell or "-" for cell in cells)])
    return lay_out(["a point of training error at", *networks], table)


def _spelt(strength: float, where: str) -> str:
    before = {"at": "", "at or below": "at most ", "beyond": "more than "}[where]
    return f"{before}{strength:.2g}"
