"""Figure 7: the hardware of a neuron, backpropagation."""

from __future__ import annotations

from pathlib import Path

from eqprop.experiments.drawing import Drawing


def _draw(folder: Path, preset: str) -> list[str]:
    from eqprop.analysis.complexity import measured
    from eqprop.plots.hardware import draw_with_counts

    return draw_with_counts(measured()[0], folder / "figure7")


FIGURE7 = Drawing("figure7", "the hardware of a neuron, backpropagation", _draw)
