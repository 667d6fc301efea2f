"""Figure 1: the layered topology, with exact accounting."""

from __future__ import annotations

from pathlib import Path

from eqprop.experiments.drawing import Drawing, sizes_at


def _draw(folder: Path, preset: str) -> list[str]:
    from eqprop.plots.wiring import draw_with_counts
    from eqprop.topology import layered

    return draw_with_counts(layered(sizes_at(preset)), folder / "figure1")


FIGURE1 = Drawing("figure1", "the layered topology, with exact accounting", _draw)
