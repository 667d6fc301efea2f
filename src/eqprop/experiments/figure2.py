"""Figure 2: the rewired topology, with exact accounting."""

from __future__ import annotations

from pathlib import Path

from eqprop.config.paper import CONNECTIONS
from eqprop.config.settings import build
from eqprop.experiments.drawing import Drawing, sizes_at
from eqprop.experiments.experiment import replaced


def _draw(folder: Path, preset: str) -> list[str]:
    from eqprop.plots.wiring import draw_with_counts
    from eqprop.running.wiring import build_topology

    # The wiring of seed 0 of figure 3.
    topology = replaced(preset, CONNECTIONS, layer_sizes=sizes_at(preset))
    return draw_with_counts(build_topology(build({"topology": topology})), folder / "figure2")


FIGURE2 = Drawing("figure2", "the rewired topology, with exact accounting", _draw)
