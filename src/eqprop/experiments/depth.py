"""Deeper networks, with and without skip connections, each wiring tuned on the same grid.

Preset `grid` (`--seeds 1`) trains every depth and wiring under the same settings for three epochs.
`chosen` finds the two best of each by validation error, among those whose corrections agree with
the exact gradient in every layer. `CHOSEN` is what it found, so far for 3, 5 and 10 hidden layers.
Preset `paper` (`--first-seed 1`) trains these for ten epochs with other seeds. Preset `rule` asks
the same of the paper's own rule, whose gradient fades on its way, in layers of 100 units.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eqprop.experiments.experiment import (
    PAPER,
    WITH_TANH,
    Experiment,
    Published,
    Settings,
    merged,
    short,
)
from eqprop.experiments.journal import DEEP, GLOROT

if TYPE_CHECKING:
    from eqprop.analysis.tables import Drawn
    from eqprop.sweeps.sweep import Sweep

DEPTHS, UNITS = (3, 5, 10, 20), 64
P = 0.1
RATES, FEEDBACK = (3e-4, 1e-3, 3e-3), (0.01, 0.1, 0.3)
SWEEPS = ((2, 1), (6, 6))
"""Of the free and of the nudged phase."""
DEEPEST = 20
"""Where the grid leaves out the lowest rate and the strongest feedback, which are best nowhere
else."""
SEVERAL, SEVERAL_AT = ("few-skips", "many-skips", "algorithm-1"), 10
"""Other p, and the paper's own procedure: at one depth."""
LEAST_COSINE = 0.95
"""Of the correction of every pair of layers with the exact gradient, for a setting to count."""
CHOSEN: Mapping[str, Sequence[str]] = {
    "3 layered": (
        "3 layered, rate 0.003, g 0.01, 2+1",
        "3 layered, rate 0.003, g 0.1, 2+1",
    ),
    "3 layered, backpropagation": (
        "3 layered, rate 0.003, backpropagation",
        "3 layered, rate 0.001, backpropagation",
    ),
    "3 skips": (
        "3 skips, rate 0.003, g 0.01, 2+1",
        "3 skips, rate 0.003, g 0.1, 6+6",
    ),
    "3 skips, backpropagation": (
        "3 skips, rate 0.003, backpropagation",
        "3 skips, rate 0.001, backpropagation",
    ),
    "3 inner-skips": (
        "3 inner-skips, rate 0.003, g 0.01, 6+6",
        "3 inner-skips, rate 0.003, g 0.01, 2+1",
    ),
    "3 whole-layers": (
        "3 whole-layers, rate 0.003, g 0.01, 2+1",
        "3 whole-layers, rate 0.003, g 0.1, 2+1",
    ),
    "5 layered": (
        "5 layered, rate 0.003, g 0.01, 2+1",
        "5 layered, rate 0.003, g 0.01, 6+6",
    ),
    "5 layered, backpropagation": (
        "5 layered, rate 0.003, backpropagation",
        "5 layered, rate 0.001, backpropagation",
    ),
    "5 skips": (
        "5 skips, rate 0.003, g 0.01, 2+1",
        "5 skips, rate 0.003, g 0.1, 6+6",
    ),
    "5 skips, backpropagation": (
        "5 skips, rate 0.003, backpropagation",
        "5 skips, rate 0.001, backpropagation",
    ),
    "5 inner-skips": (
        "5 inner-skips, rate 0.003, g 0.01, 2+1",
        "5 inner-skips, rate 0.003, g 0.1, 2+1",
    ),
    "5 whole-layers": (
        "5 whole-layers, rate 0.003, g 0.01, 2+1",
        "5 whole-layers, rate 0.003, g 0.01, 6+6",
    ),
    "10 layered": (
        "10 layered, rate 0.003, g 0.01, 6+6",
        "10 layered, rate 0.003, g 0.01, 2+1",
    ),
    "10 layered, backpropagation": (
        "10 layered, rate 0.003, backpropagation",
        "10 layered, rate 0.001, backpropagation",
    ),
    "10 skips": (
        "10 skips, rate 0.003, g 0.01, 2+1",
        "10 skips, rate 0.003, g 0.01, 6+6",
    ),
    "10 skips, backpropagation": (
        "10 skips, rate 0.003, backpropagation",
        "10 skips, rate 0.001, backpropagation",
    ),
    "10 inner-skips": (
        "10 inner-skips, rate 0.003, g 0.1, 6+6",
        "10 inner-skips, rate 0.003, g 0.01, 2+1",
    ),
    "10 whole-layers": (
        "10 whole-layers, rate 0.003, g 0.01, 6+6",
        "10 whole-layers, rate 0.003, g 0.1, 6+6",
    ),
}
"""The settings of each depth and wiring that `chosen` found in the records of the grid."""

BY_THE_RULE = (3, 5, 10)
"""Hidden layers, of 100 units, of the networks that the paper's rule trains."""

_BACKPROPAGATION = "backpropagation"
_NAME = re.compile(r"(\d+) (\S+), rate (\S+), (?:g (\S+), (\d+)\+(\d+)|backpropagation)")


def wirings(depth: int) -> dict[str, Settings]:
    """Every wiring of so many hidden layers, all with the same number of connections."""
    skips: Settings = {"wiring": "rewire_each", "p": P}
    inner = [[post, pre] for post in range(3, depth + 1) for pre in range(1, post - 1)]
    whole = [[layer + 2, layer] for layer in range(1, depth - 1, 3)]
    return {
        "layered": {},
        "skips": {"topology": skips},
        "inner-skips": {"topology": {**skips, "receivers": inner}},  # none of them from the input
        "whole-layers": {"topology": {"wiring": "rewire_layers", "pairs": whole}},
        "few-skips": {"topology": {**skips, "p": P / 5}},
        "many-skips": {"topology": {**skips, "p": 3 * P}},
        "algorithm-1": {"topology": {"wiring": "rewire", "p": P}},  # some fall inside layers
    }


def frozen(depth: int) -> Settings:
    """A control: the layers of the first half stay as they were drawn."""
    early = range(1, depth // 2 + 1)
    held = {f"weights_{k}_{k - 1}": 0.0 for k in early} | {f"biases_{k}": 0.0 for k in early}
    return {"learning": {"own_rates": held}}


def settings_of(name: str, units: int = UNITS) -> Settings:
    """What a condition changes: depth, wiring, rate, and feedback with sweeps.

    >>> settings_of("5 skips, rate 0.001, g 0.1, 6+6")["network"]["feedback"]
    0.1
    """
    told = _NAME.fullmatch(name)
    assert told is not None, name
    depth, rate = int(told[1]), float(told[3])
    wiring, _, is_frozen = told[2].partition("/")
    changes = wirings(depth)[wiring]
    own = merged(WITH_TANH, changes)
    own = merged(own, {"topology": {"layer_sizes": [784, *([units] * depth)]}})
    own = merged(own, {"learning": {"learning_rate": rate}})
    if is_frozen:
        own = merged(own, frozen(depth))
    if told[4] is None:
        return _read_forwards(own)
    own = merged(own, {"network": {"feedback": float(told[4])}})
    return merged(own, {"free": {"steps": int(told[5])}, "nudged": {"steps": int(told[6])}})


def _read_forwards(settings: Settings) -> dict[str, Any]:
    """The same network and its gradient by backpropagation."""
    learning = {
        name: value
        for name, value in settings["learning"].items()
        if name not in ("nudging", "beta", "carried")
    }
    rest = {name: value for name, value in settings.items() if name not in ("free", "nudged")}
    network = {**settings["network"], "feedback": 1.0}
    return {**rest, "network": network, "learning": {"rule": _BACKPROPAGATION, **learning}}


def by_the_rule(depth: int, wiring: str) -> Settings:
    """The paper's rule, at the rate and the steps of the journal version's five layers."""
    sizes: Settings = {"topology": {"layer_sizes": [784, *[100] * depth, 10]}}
    return merged(merged(merged(GLOROT, DEEP), sizes), wirings(depth)[wiring])


def grid(depths: Sequence[int] = DEPTHS) -> list[str]:
    """The conditions of the grid: every depth and wiring in the same settings."""
    found = []
    for depth, wiring in itertools.product(depths, wirings(10)):
        if wiring in SEVERAL and depth != SEVERAL_AT:
            continue
        rates, feedback = RATES, FEEDBACK
        if depth == DEEPEST:
            rates, feedback = RATES[1:], FEEDBACK[:-1]
        for rate, g, (free, nudged) in itertools.product(rates, feedback, SWEEPS):
            found.append(f"{depth} {wiring}, rate {rate:g}, g {g:g}, {free}+{nudged}")
        if wiring in ("layered", "skips"):
            found += [f"{depth} {wiring}, rate {rate:g}, {_BACKPROPAGATION}" for rate in rates]
    return found


def chosen(sweep: Sweep, best: int = 2) -> dict[str, list[str]]:
    """The best conditions of each depth and wiring by validation error, of a finished grid.

    One counts only where every layer's correction agrees with the exact gradient as far as
    `LEAST_COSINE`; backpropagation, which is a gradient, is not asked.
    """
    found: dict[str, list[tuple[float, str]]] = {}
    for cell in sweep.finished:
        told, run = _NAME.fullmatch(cell.condition), sweep.run(cell)
        assert told is not None, cell.condition
        if told[4] and least_cosine(run.read_lines("metrics.jsonl")) < LEAST_COSINE:
            continue
        kind = f"{told[1]} {told[2]}" + ("" if told[4] else f", {_BACKPROPAGATION}")
        error = run.read_json("summary.json")["validation_error"]
        found.setdefault(kind, []).append((error, cell.condition))
    return {kind: [name for _, name in sorted(rows)[:best]] for kind, rows in found.items()}


def least_cosine(entries: Sequence[Mapping[str, Any]]) -> float:
    """Of the pairs of layers that have a gradient, in the last audit of a run."""
    audits = [entry for entry in entries if entry["kind"] == "audit"]
    cosines = [part["cosine"] for part in audits[-1]["pairs"]] if audits else []
    known = [value for value in cosines if value is not None and not math.isnan(value)]
    return min(known, default=-1.0)


def _conditions(preset: str) -> dict[str, Settings]:
    if preset == "smoke":
        names = [f"3 {wiring}, rate 0.003, g 0.1, 2+1" for wiring in wirings(3)]
        names.append(f"3 layered, rate 0.003, {_BACKPROPAGATION}")
        sizes = {"topology": {"layer_sizes": [20, 12, 12, 12]}, "data": {"dataset": "teacher"}}
        return {name: merged(settings_of(name), sizes) for name in names}
    if preset == "grid":
        audited = {"evaluation": {"audit_every": 3, "audit_examples": 10}}
        return {
            name: merged(settings_of(name), {} if _BACKPROPAGATION in name else audited)
            for name in grid()
        }
    if preset == "rule":
        return {
            f"{depth} {wiring}, the paper's rule": by_the_rule(depth, wiring)
            for depth, wiring in itertools.product(BY_THE_RULE, ("layered", "skips"))
        }
    if preset == "quick":
        names = [f"10 {wiring}, rate 0.001, g 0.1, 6+6" for wiring in wirings(10)]
        small = {"data": {"dataset": "mnist-5k"}}
        return {name: merged(settings_of(name), small) for name in names}
    names = [name for both in CHOSEN.values() for name in both]
    skips = [both[0] for kind, both in CHOSEN.items() if kind.endswith(" skips")]
    names += [name.replace(" skips,", " skips/frozen,") for name in skips]
    return {name: settings_of(name) for name in names}


def _picture(drawn: Drawn, stem: Path) -> None:
    from eqprop.plots.depth import error_against_depth

    error_against_depth(drawn.epochs, stem)


DEPTH = Experiment(
    name="depth",
    about="deeper networks, with and without skip connections, each tuned alike",
    presets={
        "smoke": short({}, 2),
        "quick": short({}, 5),
        "grid": short({"evaluation": {"every": 3}}, 3),
        "paper": short({}, 10),
        "rule": merged(
            short(PAPER, 4),
            {
                "evaluation": {"audit_every": 4, "audit_examples": 10},
            },
        ),
    },
    conditions=_conditions,
    seeds=3,
    quick_seeds=1,
    picture=_picture,
    published=Published(
        "FRE-RNN (arXiv 2508.11659), MNIST, 64 units a layer, five repeats, accuracy: ten layers "
        "92.49 % without and 97.49 % with three skips between layers (backpropagation 97.61 %), 20 "
        "layers 95.95 %.",
    ),
)
