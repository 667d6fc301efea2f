"""Figure 5: error and update per pair of layers against p.

Differs from: the paper, whose updates are means over all batches of the first epoch. At full size
every fiftieth is recorded here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from eqprop.config.paper import PAPER_P
from eqprop.experiments.experiment import (
    PAPER,
    QUICK,
    SMOKE,
    Experiment,
    Published,
    Settings,
    merged,
)

if TYPE_CHECKING:
    from eqprop.analysis.tables import Drawn

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


def _picture(drawn: Drawn, stem: Path) -> None:
    from eqprop.plots.updates import against_p

    against_p(drawn.epochs, drawn.updates, stem)


def _tables(drawn: Drawn) -> list[str]:
    """Small-world measures of the wirings against their errors."""
    from eqprop.analysis import collect, correlation

    rows = correlation.measured(drawn.sweep)
    if not rows:
        return []
    folder = drawn.sweep.path
    collect.write_rows(rows, correlation.COLUMNS, folder / correlation.MEASURED)
    found = correlation.rank_correlations(rows)
    file = folder / "figure5-correlations.csv"
    collect.write_rows(found, correlation.RANK_COLUMNS, file)
    return [
        f"rank correlation of {row['measure']} with the training error, {row['ranks']}: "
        f"{row['correlation']:.2f} [{row['low']:.2f}, {row['high']:.2f}], "
        f"{row['wirings']} wirings of {row['values']} p"
        for row in found
    ]


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
    published=Published(
        "Section 3.2: up to p of about 0.1 % more p makes the layers more uniform and does "
        "not lower the error; above, the error falls slightly slower than exponentially in p, "
        "and below p of about 7 % the network is worse than a layered one with one rate.",
    ),
    picture=_picture,
    tables=_tables,
    speed="update",  # it is about one epoch as a whole
)
