"""Figure 6: the hardware of a neuron, equilibrium propagation."""

from __future__ import annotations

from pathlib import Path

from eqprop.experiments.drawing import Drawing


def _draw(folder: Path, preset: str) -> list[str]:
    from eqprop.analysis.complexity import measured
    from eqprop.plots.hardware import draw_with_counts

    return draw_with_counts(measured()[1], folder / "figure6")


FIGURE6 = Drawing("figure6", "the hardware of a neuron, equilibrium propagation", _draw)
