"""`eqprop reproduce` for what needs no training."""

from __future__ import annotations

from pathlib import Path

from eqprop.errors import ConfigError, unknown_name
from eqprop.experiments.drawings import DRAW
from eqprop.records import RunFolder

_PRESETS = ("smoke", "quick")


def draw(figure: str, preset: str, out: Path) -> None:
    """Makes a folder with the files of a figure or table, and prints what it says."""
    if preset not in _PRESETS:
        raise ConfigError(unknown_name("preset", preset, _PRESETS))
    folder = RunFolder.create(out, f"{figure}-{preset}")
    for line in DRAW[figure](folder.path, preset):
        print(line)
    for path in sorted(folder.path.glob(f"{figure}*")):
        print(path)
