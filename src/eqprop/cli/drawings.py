"""`eqprop reproduce` for figures and tables for which nothing is trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from eqprop.analysis import collect, complexity
from eqprop.config.paper import CONNECTIONS, SIZES
from eqprop.config.settings import build
from eqprop.errors import ConfigError, unknown_name
from eqprop.experiments.experiment import replaced
from eqprop.plots.hardware import neuron
from eqprop.plots.wiring import draw as draw_wiring
from eqprop.records import RunFolder
from eqprop.running.wiring import build_topology
from eqprop.topology import Topology, layered

_PRESETS = ("smoke", "quick", "paper")  # nothing is trained: quick is full size already


def draw(figure: str, preset: str, out: Path) -> None:
    """Makes a folder with the files of a figure or table, and prints what it says."""
    if preset not in _PRESETS:
        raise ConfigError(unknown_name("preset", preset, _PRESETS))
    folder = RunFolder.create(out, f"{figure}-{preset}")
    for line in DRAW[figure](folder.path, preset):
        print(line)
    for path in sorted(folder.path.glob(f"{figure}*")):
        print(path)


def _sizes(preset: str) -> list[int]:
    return [6, 5, 5, 5, 3] if preset == "smoke" else list(SIZES)


def _figure1(folder: Path, preset: str) -> list[str]:
    return _topology(layered(_sizes(preset)), folder / "figure1")


def _figure2(folder: Path, preset: str) -> list[str]:
    # The wiring of seed 0 of figure 3, and at smoke size one that can be drawn as a graph.
    topology = replaced(preset, CONNECTIONS, layer_sizes=_sizes(preset))
    return _topology(build_topology(build({"topology": topology})), folder / "figure2")


def _topology(made: Topology, stem: Path) -> list[str]:
    for suffix in (".png", ".svg"):
        draw_wiring(made, stem.with_suffix(suffix))
    counts = made.accounting().to_dict()
    collect.write_rows(collect.flat_rows(counts), collect.FLAT_COLUMNS, stem.with_suffix(".csv"))
    kinds = ", ".join(f"{counts[name]:,} {name}" for name in ("interlayer", "intralayer", "skip"))
    return [f"{counts['total']:,} connections: {kinds}"]


def _figure6(folder: Path, _: str) -> list[str]:
    return _hardware(complexity.measured()[1], folder / "figure6")


def _figure7(folder: Path, _: str) -> list[str]:
    return _hardware(complexity.measured()[0], folder / "figure7")


def _hardware(found: complexity.Complexity, stem: Path) -> list[str]:
    neuron(found, "drawn from what was counted in the implementation (table 1)", stem)
    rows = collect.flat_rows(dataclasses.asdict(found))
    collect.write_rows(rows, collect.FLAT_COLUMNS, stem.with_suffix(".csv"))
    return []


def _table1(folder: Path, _: str) -> list[str]:
    columns, rows = complexity.table(complexity.measured())
    columns[0] = "what"
    entries = [dict(zip(columns, row, strict=True)) for row in rows]
    collect.write_rows(entries, columns, folder / "table1.csv")
    return [
        f"{entry['what']}\n  " + "\n  ".join(f"{name}: {entry[name]}" for name in columns[1:])
        for entry in entries
    ]


DRAW: dict[str, Callable[[Path, str], list[str]]] = {
    "figure1": _figure1,
    "figure2": _figure2,
    "figure6": _figure6,
    "figure7": _figure7,
    "table1": _table1,
}
"""By name (`catalogue.DRAWINGS`): writes its files into a folder, returns lines to print."""
