"""A room imports only rooms above it (README, "Rooms")."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "eqprop"
ROOMS = (
    "errors", "lazy", "compiler", "registry", "shapes",
    "topology", "energy", "relaxation", "learning", "devices", "training", "data", "records",
    "config", "running", "sweeps", "analysis", "plots", "experiments", "exporting",
    "view", "python", "estimators", "cli",
)  # fmt: skip


def imported(path: Path) -> set[str]:
    """The rooms that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            name = node.module.split(".")
            if name == ["eqprop"]:
                found |= {alias.name for alias in node.names}
            elif name[0] == "eqprop":
                found.add(name[1])
    return found & set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_rooms_above_it(room):
    home = SOURCE / room
    modules = list(home.rglob("*.py")) if home.is_dir() else [home.with_suffix(".py")]
    allowed = set(ROOMS[: ROOMS.index(room) + 1])
    for module in modules:
        assert imported(module) <= allowed, module


def test_the_first_rooms_know_nothing_of_files_and_terminals():
    for room in ("topology", "energy", "relaxation", "learning", "training"):
        for module in (SOURCE / room).rglob("*.py"):
            text = module.read_text("utf-8")
            assert "print(" not in "".join(
                line for line in text.splitlines(True) if ">>>" not in line and "..." not in line
            ), module
            assert "open(" not in text and "import pathlib" not in text, module
