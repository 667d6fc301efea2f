"""Learning rules side by side: the same wiring, weights, order, and work for every rule.

With the paper's units and rates, and (preset `recipe`) with those of a recipe, where all can learn.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from eqprop.analysis.paired import BASELINE
from eqprop.config.paper import CONNECTIONS, PAPER_P
from eqprop.experiments.experiment import (
    Experiment,
    Settings,
    lasting,
    merged,
    replaced,
)
from eqprop.experiments.figure3 import three_by_500

if TYPE_CHECKING:
    from eqprop.analysis.tables import Drawn

_SWEEPS, _STEPS = 33, 8
"""The budget is that of two epochs with so many free sweeps and nudged steps: about what the
paper's rule takes on full MNIST, mean of its first two epochs. On the smaller data sets it settles
sooner, and the budget lasts it for more."""

_JOINT: Settings = {"nudging_step": "joint", "steps": 20}
_RULES: Mapping[str, Settings] = {
    "random-sign": {},
    "one-sided": {"learning": {"nudging": "one-sided"}},
    "centered": {"learning": {"nudging": "centered", "beta": 0.2}, "nudged": _JOINT},
    "contrastive-hebbian": {"learning": {"rule": "contrastive-hebbian"}},
    "coupled": {"learning": {"rule": "coupled", "beta": 0.2}, "nudged": _JOINT},
    "recurrent-backpropagation": {
        "learning": {"rule": "recurrent-backpropagation"}, "nudged": _JOINT,
    },
    "through-time": {"learning": {"rule": "through-time", "differentiated_steps": 10}},
    "backpropagation": {
        "learning": {"rule": "backpropagation"}, "topology": {"drop_intralayer": True},
    },
}  # fmt: skip
"""Holomorphic propagation is not here: it refuses the paper's hard sigmoid. Implicit
differentiation is not either: recurrent backpropagation finds the same with less. Backpropagation
reads the rewired network forwards and leaves its intralayer connections out."""

_FREE: Settings = {
    "method": "block", "step_size": 1.0, "block_size": 0, "termination": "fixed-steps", "steps": 4,
    "measured": False,
}  # fmt: skip
_BACKWARDS: Settings = {**_FREE, "steps": 3, "order": "backwards"}
_CARRIED: Settings = {"nudged": _BACKWARDS, "learning": {"carried": True, "beta": 0.25}}
_AT_A_RECIPE: Mapping[str, Settings] = {
    "random-sign": merged(_CARRIED, {"learning": {"nudging": "random-sign"}}),
    "one-sided": merged(_CARRIED, {"learning": {"nudging": "one-sided"}}),
    "centered": merged(_CARRIED, {"learning": {"nudging": "centered"}}),
    "contrastive-hebbian": {
        "learning": {"rule": "contrastive-hebbian", "carried": True}, "nudged": _BACKWARDS,
    },
    "coupled": merged(_CARRIED, {"learning": {"rule": "coupled"}}),
    "recurrent-backpropagation": {
        "learning": {"rule": "recurrent-backpropagation"},
        # One step per layer carries the slopes from the outputs to the inputs.
        "nudged": {
            "method": "euler", "step_size": 1.0, "termination": "fixed-steps", "steps": 4,
            "nudging_step": "joint", "measured": False,
        },
    },
    "through-time": {"learning": {"rule": "through-time", "differentiated_steps": 4}},
    "backpropagation": {
        "learning": {"rule": "backpropagation"}, "topology": {"drop_intralayer": True},
        "network": {"feedback": 1.0},
    },
}  # fmt: skip
"""As recipe `deep`, with outputs inside the energy, which rules can hold. Holomorphic propagation
has no units of this kind."""

_RECIPE: Settings = {
    "network": {
        "activation": "activities", "rho": "tanh", "cost": "squared-error", "feedback": 0.1,
    },
    "topology": {"layer_sizes": three_by_500("paper")},
    "free": _FREE,
    "learning": {"learning_rate": 3e-4, "optimizer": "adam"},
    "data": {"dataset": "mnist", "batch_size": 100, "shuffle": True},
    "training": {"epochs": 200, "persistent": False},
}  # fmt: skip

_EXAMPLES = {"smoke": 600, "quick": 4_000, "paper": 50_000}


def budget(preset: str, network: str) -> float:
    """Multiply-adds of two epochs of the paper's rule, of three of the recipe's."""
    # Here, so that the other experiments start without SciPy.
    from eqprop.topology import Wires, layered, with_intralayer
    from eqprop.topology.work import two_phases

    topology = layered(three_by_500("paper" if preset == "recipe" else preset))
    # Replacement keeps the number of connections; where they start differs a little by seed.
    if preset == "recipe":
        return 3 * 50_000 * two_phases(Wires.of(topology), 4, 3).total
    if network == "rewired":
        topology = with_intralayer(topology)
    return 2 * _EXAMPLES[preset] * two_phases(Wires.of(topology), _SWEEPS, _STEPS).total


def _conditions(preset: str) -> dict[str, Settings]:
    rules, wiring = _RULES, replaced(preset, CONNECTIONS)
    if preset == "recipe":
        rules, wiring = _AT_A_RECIPE, {"wiring": "rewire", "p": PAPER_P}
    found: dict[str, Settings] = {}
    for network in ("layered", "rewired"):
        topology: Settings = wiring if network == "rewired" else {}
        for rule, changes in rules.items():
            # A budget is checked after each chunk: short ones end close to it.
            training = {"budget": budget(preset, network), "chunk_batches": 10}
            shared = {"topology": topology, "training": training}
            found[f"{network}-{rule}"] = merged(shared, changes)
    return found


def _picture(drawn: Drawn, stem: Path) -> None:
    from eqprop.plots.rules import work_curves

    work_curves(drawn.epochs, stem)


def _tables(drawn: Drawn) -> list[str]:
    """Every rule against the paper's at the end of the budget."""
    from eqprop.analysis import collect, paired

    found = paired.paired_differences(drawn.epochs, BASELINE)
    file = drawn.sweep.path / "rules-differences.csv"
    collect.write_rows(found, paired.DIFFERENCE_COLUMNS, file)
    lines = []
    for row in found:
        if row["rule"] == BASELINE:
            continue
        interval = paired.interval_of(row)
        lines.append(
            f"{row['network']}, {row['rule']} against {BASELINE}: validation error "
            f"{100 * row['mean']:+.2f}{interval and f' {interval}'} points, {row['seeds']} seed(s)"
        )
    return lines


RULES = Experiment(
    name="rules",
    about="learning rules at equal work, counted in multiply-adds",
    presets={**lasting(200, 200, 200), "recipe": _RECIPE},
    conditions=_conditions,
    seeds=3,
    quick_seeds=1,
    picture=_picture,
    tables=_tables,
)
