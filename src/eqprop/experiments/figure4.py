"""Figure 4: how fast each pair of layers learns, over training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from eqprop.config.paper import SMALL_CONNECTIONS
from eqprop.experiments.experiment import (
    PAPER,
    QUICK,
    SMOKE,
    Experiment,
    Published,
    Settings,
    five_by_100,
    merged,
    replaced,
)
from eqprop.experiments.figure3 import networks

if TYPE_CHECKING:
    from eqprop.analysis.tables import Drawn


def panels(preset: str) -> dict[str, Settings]:
    """Three networks of 3 x 500 hidden units, two of 5 x 100."""
    small: Settings = five_by_100(preset)
    return networks(preset) | {
        "layered-5x100": {"topology": small},
        "rewired-5x100": {"topology": replaced(preset, SMALL_CONNECTIONS, **small)},
    }


def _picture(drawn: Drawn, stem: Path) -> None:
    from eqprop.analysis.collect import summaries
    from eqprop.plots.updates import update_curves

    examples = next(iter(summaries(drawn.sweep).values()))["training_examples"]
    config = drawn.sweep.config(drawn.sweep.cells[0])
    batches = -(-examples // config.data.batch_size)
    update_curves(drawn.updates, batches, stem)
    before = stem.with_name(f"{stem.name}-correction")
    update_curves(drawn.updates, batches, before, "correction")


FIGURE4 = Experiment(
    name="figure4",
    about="root-mean-square update per pair of layers over training, five networks",
    presets={
        "smoke": SMOKE,
        "quick": merged(QUICK, {"training": {"epochs": 6, "record_every": 20}}),
        "paper": PAPER,
    },
    conditions=panels,
    published=Published(
        "Section 3.2: in the layered network with one rate the corrections shrink by a factor "
        "of about 100 from output to input; rates per layer make them uniform; in the layer- "
        "skipping network the layers below the output learn uniformly, the output layer about "
        "10 times faster. In the 5 x 100 networks the trend is the same and weaker.",
    ),
    picture=_picture,
)
