"""Error against p when training has run long: connections replaced, added, or a wider network.

The first presets train as the recipe `deep` does, which learns random skip connections well, on
wirings without connections inside layers. Preset `rule` trains by the paper's rule: the layered
network of figure 3, and, full inside hidden layers as there, networks with and without skips.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eqprop.config.paper import PAPER_P
from eqprop.experiments.experiment import (
    WITH_TANH,
    Experiment,
    Published,
    Settings,
    merged,
    short,
)
from eqprop.topology.settings import count_connections

if TYPE_CHECKING:
    from eqprop.analysis.tables import Drawn

SHARES = {
    "smoke": (0.3,),
    "quick": (PAPER_P, 0.3),
    "paper": (PAPER_P, 0.3, 0.55),
    "rule": (PAPER_P, 0.3, 0.55),
}
"""p, beside 0."""

_BOTH: Settings = {"evaluation": {"start": "both"}}


def _sizes(preset: str) -> list[int]:
    """Of the layers that the topology has; a read-out follows them, but with the paper's rule."""
    hidden = [16] * 3 if preset == "smoke" else [500] * 3
    inputs = 20 if preset == "smoke" else 784
    return [inputs, *hidden, *([10] if preset == "rule" else [])]


def wider(sizes: list[int], share: float, intralayer: bool) -> list[int]:
    """Hidden layers so wide that the layered network has 1 + `share` times the connections.

    >>> wider([784, 500, 500, 500], 0.3, False)
    [784, 590, 590, 590]
    """
    wanted = (1 + share) * count_connections(sizes, intralayer)
    last = sizes[4:]

    def count(units: int) -> int:
        return count_connections([sizes[0], units, units, units, *last], intralayer)

    low, high = sizes[1], math.ceil(2 * sizes[1] * (1 + share))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) <= wanted else (low, middle)
    best = min((low, high), key=lambda units: abs(count(units) - wanted))
    return [sizes[0], best, best, best, *last]


def _conditions(preset: str) -> dict[str, Settings]:
    rule = preset == "rule"
    own: Settings = _BOTH if rule else merged(WITH_TANH, _BOTH)
    dataset = {"smoke": "teacher", "quick": "mnist-5k"}.get(preset, "mnist")
    own = merged(own, {"data": {"dataset": dataset}})
    sizes = _sizes(preset)

    def wired(**wiring: Any) -> Settings:
        return merged(own, {"topology": {"layer_sizes": sizes, "intralayer": rule, **wiring}})

    found = {"layered": wired(intralayer=False)}
    if rule:
        found["replaced, p=0"] = wired()
    for p in SHARES[preset]:
        added = round(p * count_connections(sizes, rule))
        found[f"replaced, p={p:g}"] = wired(wiring="rewire" if rule else "rewire_each", p=p)
        found[f"added, p={p:g}"] = wired(wiring="add", connections=added)
        found[f"wider, p={p:g}"] = wired(layer_sizes=wider(sizes, p, rule))
    return found


_ENDS = {
    "training_error": "training_error", "kept_error": "validation_kept_error",
    "cold_error": "validation_error", "test_error": "test_error",
}  # fmt: skip
COLUMNS = ("condition", "seed", "connections", *_ENDS)


def rows_of(drawn: Drawn) -> list[dict[str, Any]]:
    """A row per finished run: its connections, and its errors at the end, as shares."""
    from eqprop.analysis import collect

    rows = []
    for cell, summary in collect.summaries(drawn.sweep).items():
        row = {"condition": cell.condition, "seed": cell.seed}
        row["connections"] = summary["connections"]["total"]
        rows.append(row | {name: summary.get(told) for name, told in _ENDS.items()})
    return rows


def _tables(drawn: Drawn) -> list[str]:
    """Each condition's errors at the end, means over seeds."""
    from eqprop.analysis import collect
    from eqprop.analysis.numbers import means_of

    rows = rows_of(drawn)
    collect.write_rows(rows, COLUMNS, drawn.sweep.path / "generalisation-errors.csv")
    return means_of(rows, {name: name.removesuffix("_error") for name in _ENDS})


def _picture(drawn: Drawn, stem: Path) -> None:
    from eqprop.plots.generalisation import error_against_share

    error_against_share(drawn.epochs, stem)


GENERALISATION = Experiment(
    name="generalisation",
    about="training and validation error against p when training has run long",
    presets={
        "smoke": short({}, 2),
        "quick": short({}, 10),
        # Each training example is learned well before the end.
        "paper": short({}, 20),
        "rule": short({}, 10),
    },
    conditions=_conditions,
    seeds=3,
    quick_seeds=1,
    picture=_picture,
    tables=_tables,
    published=Published(
        "Section 3.2: generalisation may suffer for large p.",
    ),
)
