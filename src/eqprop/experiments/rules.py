"""Learning rules side by side: the same wiring, weights, order, and work for every rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eqprop.analysis.collect import mean_and_interval
from eqprop.config.paper import CONNECTIONS
from eqprop.experiments.experiment import Experiment, Settings, lasting, merged, replaced
from eqprop.experiments.figure3 import three_by_500

BASELINE = "random-sign"
"""The paper's rule, which the others are compared with."""

DIFFERENCE_COLUMNS = ("network", "rule", "seeds", "mean", "low", "high")

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


RULES = Experiment(
    name="rules",
    about="learning rules at equal work, counted in multiply-adds",
    presets=lasting(200, 200, 200),
    conditions=_conditions,
    seeds=3,
    quick_seeds=1,
)


def interval_of(row: Mapping[str, Any]) -> str:
    """The interval of a row of `paired_differences` in points; empty for one seed."""
    return "" if row["low"] == "" else f"[{100 * row['low']:+.2f}, {100 * row['high']:+.2f}]"


def paired_differences(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Final validation error of each rule minus that of the paper's, by network and seed.

    Online training errors are not compared: where a budget ends in mid-epoch they are of other
    examples.

    **Arguments:**

    - `rows`: of `collect.epoch_rows`, or of its CSV.

    **Returns:** a row per network and rule: `mean`, and the ends `low`, `high` of its 95 %
    interval (Student's t over the seeds; empty for one seed).
    """
    last: dict[tuple[str, str, Any], float] = {}
    for row in rows:
        network, _, rule = row["condition"].partition("-")
        last[network, rule, row["seed"]] = float(row["validation_error"])
    found = []
    for network, rule in dict.fromkeys((n, r) for n, r, _ in last):
        apart = [
            error - last[network, BASELINE, seed]
            for (n, r, seed), error in last.items()
            if (n, r) == (network, rule) and (network, BASELINE, seed) in last
        ]
        if not apart:  # the paper's rule was not run
            continue
        mean, half = mean_and_interval(apart)
        entry = {"network": network, "rule": rule, "seeds": len(apart)}
        entry |= {"mean": mean, "low": "", "high": ""}
        if half is not None:
            entry |= {"low": mean - half, "high": mean + half}
        found.append(entry)
    return found
