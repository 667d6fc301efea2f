"""Figures 6 and 7: the hardware of one neuron, drawn from what was counted."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from eqprop.analysis import collect
from eqprop.analysis.complexity import Complexity
from eqprop.plots.style import PAGE, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The paper's colours: first phase, correction, outputs only, every neuron in the second phase.
FIRST, CORRECTION, OUTPUT, SECOND = "#000000", "#009E73", "#E69F00", "#CC0000"

Point = tuple[float, float]


def draw_with_counts(found: Complexity, stem: Path) -> list[str]:
    """The diagram as .png and .svg, and what it was drawn from as .csv; nothing to print."""
    neuron(found, stem)
    rows = collect.flat_rows(dataclasses.asdict(found))
    collect.write_rows(rows, collect.FLAT_COLUMNS, stem.with_suffix(".csv"))
    return []


def neuron(found: Complexity, stem: Path) -> None:
    """A block diagram: boxes and wires exist because `found` says that they are needed."""
    # Whether the second phase asks for something that the first has not.
    differs = found.hidden[1] != found.hidden[0]
    with figure(stem, size=(1.25 * PAGE, 5.2 if differs else 4.0)) as grid:
        axes = grid[0, 0]
        axes.set_axis_off()
        axes.set_xlim(0, 12)
        axes.set_ylim(-0.4 if differs else 2.2, 6.4)
        axes.set_title(f"One neuron, {found.method}", fontsize="medium")
        synapses, state = _first_phase(axes, found)
        memory = _box(axes, (8.6, 3.3), 1.7, f"memory\n{found.memory} numbers", FIRST)
        _wire(axes, [(8.6, 4.7), memory.top], FIRST)
        plural = "s" if found.products > 1 else ""
        text = f"correction\n{found.products} product{plural}\nper connection"
        correction = _box(axes, (10.9, 3.3), 1.8, text, CORRECTION)
        _wire(axes, [memory.right, correction.left], CORRECTION)
        x, y = correction.top
        route = [(x, y), (x, 5.7), (synapses.top[0], 5.7), synapses.top]
        _wire(axes, route, CORRECTION, "changes W and bias", at=(6.6, 5.7))
        if differs:
            _second_phase(axes, found, memory, correction)
        elif found.output[1].target:
            target = _box(axes, (5.7, 3.3), 2.6, "difference\nfrom the target", OUTPUT)
            _wire(axes, [target.top, state.bottom], OUTPUT)
        _legend(axes, found, differs)


@dataclasses.dataclass(frozen=True)
class _Box:
    """Where wires meet a box."""

    left: Point
    right: Point
    top: Point
    bottom: Point


def _first_phase(axes: Axes, found: Complexity) -> tuple[_Box, _Box]:
    arriving, leaving = (
        ("messages from\nall neighbours", "to all neighbours")
        if _both_ways(found)
        else ("messages from\nnearer the input", "to nearer the output")
    )
    synapses = _box(axes, (2.6, 4.7), 2.4, "synapses\nsum of W times message\nplus bias", FIRST)
    state = _box(axes, (5.7, 4.7), 1.9, _name(found), FIRST)
    _wire(axes, [(0.1, 4.7), synapses.left], FIRST, arriving, at=(0.7, 4.7))
    _wire(axes, [synapses.right, state.left], FIRST)
    _wire(axes, [state.right, (11.9, 4.7)], FIRST, leaving, at=(9.7, 4.7))
    return synapses, state


def _second_phase(axes: Axes, found: Complexity, memory: _Box, correction: _Box) -> None:
    second = _box(axes, (2.6, 1.7), 2.4, "second synapses\nsum of W times error", SECOND)
    bends = found.hidden[1].derivative
    error = _box(axes, (5.7, 1.7), 1.9, "times rho'" if bends else "error", SECOND)
    _wire(axes, [(0.1, 1.7), second.left], SECOND, "errors from\nnearer the output", at=(0.7, 1.7))
    _wire(axes, [second.right, error.left], SECOND)
    _wire(axes, [error.right, (11.9, 1.7)], SECOND, "to nearer the input", at=(9.7, 1.7))
    _wire(axes, [(8.6, 1.7), memory.bottom], SECOND)
    if bends:
        x, y = error.top
        _wire(axes, [memory.left, (x, memory.left[1]), (x, y)], SECOND, "what rho\nwas given",
              at=(6.7, memory.left[1]))  # fmt: skip
    if found.output[1].target:
        target = _box(axes, (5.7, 0.4), 2.6, "difference\nfrom the target", OUTPUT)
        _wire(axes, [target.top, error.bottom], OUTPUT)
    x, y = correction.bottom
    _wire(axes, [(x, y), (x, -0.25), (second.bottom[0], -0.25), second.bottom], CORRECTION)


def _both_ways(found: Complexity) -> bool:
    return bool(found.hidden[0].forwards and found.hidden[0].backwards)


def _legend(axes: Axes, found: Complexity, differs: bool) -> None:
    from matplotlib.lines import Line2D

    first, second = ("free", "nudged") if _both_ways(found) else ("forward", "backward")
    kinds = {
        f"{first} phase": FIRST,
        "correction of parameters": CORRECTION,
        f"output neurons only, {second} phase": OUTPUT,
        f"every neuron, {second} phase only" + ("" if differs else ": nothing"): SECOND,
    }
    axes.legend(
        handles=[
            Line2D([], [], color=shade, linestyle=_style(shade), label=name)
            for name, shade in kinds.items()
        ],
        loc="upper center", bbox_to_anchor=(0.5, 0), ncols=2, frameon=False, fontsize="small",
    )  # fmt: skip


def _name(found: Complexity) -> str:
    parts = ["integrate" if found.stages == 1 else ""]
    parts += ["rho"] if found.hidden[0].nonlinearity else []
    parts += ["times rho'"] if found.hidden[0].derivative else []
    return ", ".join(part for part in parts if part)


def _style(shade: str) -> Literal["-", "--"]:
    return "--" if shade == SECOND else "-"  # told apart without the colour, too


def _box(axes: Axes, centre: Point, width: float, text: str, shade: str) -> _Box:
    from matplotlib.patches import FancyBboxPatch

    (x, y), height = centre, 0.35 + 0.3 * len(text.splitlines())
    axes.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - height / 2), width, height,
            boxstyle="round,pad=0,rounding_size=0.1",
            facecolor="white", edgecolor=shade, linestyle=_style(shade), zorder=3,
        )
    )  # fmt: skip
    axes.text(x, y, text, ha="center", va="center", fontsize="small", color=shade, zorder=4)
    return _Box((x - width / 2, y), (x + width / 2, y), (x, y + height / 2), (x, y - height / 2))


def _wire(
    axes: Axes, points: Sequence[Point], shade: str, label: str = "", at: Point = (0, 0)
) -> None:
    """A line along the points with an arrow at its end."""
    *before, start, end = points
    axes.plot(*zip(*before, start, strict=True), color=shade, linestyle=_style(shade), linewidth=1)
    arrow = {
        "arrowstyle": "->",
        "color": shade,
        "linestyle": _style(shade),
        "shrinkA": 0,
        "shrinkB": 0,
    }
    axes.annotate("", end, start, arrowprops=arrow, zorder=2)
    if label:
        x, y = at
        axes.text(x, y + 0.1, label, ha="center", va="bottom", fontsize="x-small", color=shade)
