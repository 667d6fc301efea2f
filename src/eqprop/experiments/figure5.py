"""Figure 5: error and update per pair of layers against p.

Differs from: the paper, whose updates are means over all batches of the first epoch. At full size
every fiftieth is recorded here.
"""

from __future__ import annotations

from eqprop.config.paper import PAPER_P
from eqprop.experiments.experiment import PAPER, QUICK, SMOKE, Experiment, Settings, merged

VALUES = (
    0.0001, 0.0003, 0.001, 0.003, 0.01, 0.02, 0.04, PAPER_P, 0.12, 0.18, 0.25, 0.35, 0.45, 0.55,
)  # fmt: skip
"""p, that of figures 3 and 4 among them."""


def probabilities(preset: str) -> dict[str, Settings]:
    """The plain layered network, hidden layers full inside (p = 0), and rewired ones."""
    values = VALUES[4::4] if preset == "smoke" else VALUES
    found: dict[str, Settings] = {"layered": {}, "p0": {"topology": {"intralayer": True}}}
    return found | {f"p{p:g}": _rewired(p) for p in values}


def _rewired(p: float) -> Settings:
    return {"topology": {"intralayer": True, "wiring": "rewire", "p": p}}


def another(name: str) -> Settings | None:
    """What `pX` stands for with any other X, written as Python's `%g` does."""
    try:
        p = float(name.removeprefix("p"))
    except ValueError:
        return None
    return _rewired(p) if 0 < p < 1 and name == f"p{p:g}" else None


FIGURE5 = Experiment(
    name="figure5",
    about="error after one epoch, and update per pair of layers, against p",
    presets={
        "smoke": merged(SMOKE, {"training": {"epochs": 1, "record_every": 5}}),
        "quick": merged(QUICK, {"training": {"epochs": 1, "record_every": 10}}),
        "paper": merged(PAPER, {"training": {"epochs": 1, "record_every": 50}}),
    },
    conditions=probabilities,
    seeds=3,
    quick_seeds=1,
    more=another,
)
