"""Learning rules side by side: the same wiring, weights, order, and work for every rule."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eqprop.analysis.paired import BASELINE
from eqprop.config.paper import CONNECTIONS
from eqprop.experiments.experiment import Experiment, Settings, lasting, merged, replaced
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

_EXAMPLES = {"smoke": 600, "quick": 4_000, "paper": 50_000}


def budget(preset: str, network: str) -> float:
    """Multiply-adds of two epochs of the paper's rule."""
    # Here, so that the other experiments start without SciPy.
    from eqprop.topology import Wires, layered, with_intralayer
    from eqprop.topology.work import two_phases

    topology = layered(three_by_500(preset))
    if network == "rewired":
        # Replacement keeps the number of connections; where they start differs a little by seed.
        topology = with_intralayer(topology)
    wires = Wires.of(topology)
    return 2 * _EXAMPLES[preset] * two_phases(wires, _SWEEPS, _STEPS).total


def _conditions(preset: str) -> dict[str, Settings]:
    found: dict[str, Settings] = {}
    for network in ("layered", "rewired"):
        topology: dict[str, Any] = replaced(preset, CONNECTIONS) if network == "rewired" else {}
        for rule, changes in _RULES.items():
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
    presets=lasting(200, 200, 200),
    conditions=_conditions,
    seeds=3,
    quick_seeds=1,
    picture=_picture,
    tables=_tables,
)
