"""Figures 6 and 7: the hardware of one neuron, drawn from what was counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eqprop.experiments.complexity import Complexity
from eqprop.plots.style import figure

# The paper's colours: first phase, correction, outputs only, every neuron in the second phase.
FIRST, CORRECTION, OUTPUT, SECOND = "#000000", "#009E73", "#E69F00", "#D55E00"


def neuron(found: Complexity, caption: str, stem: Path) -> None:
    """A block diagram: boxes and wires exist because `found` says that they are needed."""
    with figure(stem, caption, size=(9.2, 4.6)) as grid:
        axes = grid[0, 0]
        axes.set_axis_off()
        axes.set_xlim(0, 12)
        axes.set_ylim(-0.4, 6.2)
        axes.set_title(f"One neuron, {found.method}", fontsize="medium")
        # Whether the second phase asks for something that the first has not.
        differs = found.hidden[1] != found.hidden[0]
        _first_phase(axes, found)
        if differs:
            _second_phase(axes, found)
        if found.output[1].target:
            height = 1.4 if differs else 4.4
            _box(axes, 5.6, height + 1.3, "difference from the target", OUTPUT)
            _wire(axes, (5.6, height + 0.95), (5.6, height + 0.4), OUTPUT)
        _box(axes, 8.6, 0.2, f"correction: {found.products} product(s)\nper connection", CORRECTION)
        _wire(axes, (9.4, 2.8), (9.4, 0.6), CORRECTION)
        _wire(axes, (7.3, 0.2), (2.6, 0.2), CORRECTION, "changes W", at=5.0)
        _legend(axes, differs)


def _first_phase(axes: Any, found: Complexity) -> None:
    both_ways = found.hidden[0].forwards and found.hidden[0].backwards
    arriving, leaving = (
        ("messages from\nall neighbours", "to all neighbours")
        if both_ways
        else ("messages from\nnearer the input", "to nearer the output")
    )
    _box(axes, 2.6, 4.4, "synapses\nsum of W times message", FIRST)
    _wire(axes, (0.1, 4.4), (1.5, 4.4), FIRST, arriving)
    _box(axes, 5.6, 4.4, _name(found), FIRST)
    _wire(axes, (3.7, 4.4), (4.5, 4.4), FIRST)
    _wire(axes, (6.7, 4.4), (11.6, 4.4), FIRST, leaving, at=10.4)
    _box(axes, 8.6, 3.2, f"memory\n{found.memory} numbers", FIRST)
    _wire(axes, (8.6, 4.4), (8.6, 3.6), FIRST)


def _second_phase(axes: Any, found: Complexity) -> None:
    _box(axes, 2.6, 1.4, "second synapses\nsum of W times error", SECOND)
    _wire(axes, (0.1, 1.4), (1.5, 1.4), SECOND, "errors from\nnearer the output")
    _box(axes, 5.6, 1.4, "times rho'" if found.hidden[1].derivative else "error", SECOND)
    _wire(axes, (3.7, 1.4), (4.5, 1.4), SECOND)
    _wire(axes, (6.7, 1.4), (11.6, 1.4), SECOND, "to nearer the input", at=10.4)
    _wire(axes, (8.6, 1.4), (8.6, 2.8), SECOND)


def _legend(axes: Any, differs: bool) -> None:
    from matplotlib.lines import Line2D

    kinds = {
        "first phase": FIRST,
        "correction of parameters": CORRECTION,
        "output neurons only, second phase": OUTPUT,
        "every neuron, second phase only" + ("" if differs else ": nothing"): SECOND,
    }
    axes.legend(
        handles=[Line2D([], [], color=shade, label=name) for name, shade in kinds.items()],
        loc="lower center", bbox_to_anchor=(0.5, -0.14), ncols=2, frameon=False, fontsize="small",
    )  # fmt: skip


def _name(found: Complexity) -> str:
    parts = ["integrate" if found.stages == 1 else ""]
    parts += ["rho"] if found.hidden[0].nonlinearity else []
    parts += ["times rho'"] if found.hidden[0].derivative else []
    return ", ".join(part for part in parts if part)


def _box(axes: Any, x: float, y: float, text: str, shade: str) -> None:
    axes.text(
        x, y, text, ha="center", va="center", fontsize="small", color=shade,
        bbox={"boxstyle": "round,pad=0.4", "facecolor": "white", "edgecolor": shade},
        zorder=3,
    )  # fmt: skip


def _wire(
    axes: Any,
    start: tuple[float, float],
    end: tuple[float, float],
    shade: str,
    label: str = "",
    at: float | None = None,
) -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": shade}, zorder=2)
    if label:
        x = (start[0] + end[0]) / 2 if at is None else at
        axes.text(
            x, start[1] + 0.1, label, ha="center", va="bottom", fontsize="x-small", color=shade
        )
