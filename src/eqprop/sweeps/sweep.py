"""A sweep: independent runs in one folder, each computed once, wherever there is a worker.

A cell is one run. It lives in a folder of its own inside that of the sweep, so that whatever
happens to a worker or to the launcher, what is finished stays finished and what is not goes on
from its last checkpoint.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eqprop.config.run_config import RunConfig
from eqprop.config.settings import load_recorded
from eqprop.errors import ConfigError, RunFolderError

if TYPE_CHECKING:
    from eqprop.records import RunFolder

RECORD = "sweep.json"
"""In the folder of a sweep: what it is, and which cells it is made of."""

_PATIENCE_SECONDS = 10  # for another launcher that adds cells
_OLD_RECORD = "figure.json"  # as version 0.1 called it
RECORDED = "recorded"
"""The preset of a sweep of that version, which did not write it down."""


@dataclasses.dataclass(frozen=True)
class Cell:
    """One run of a sweep.

    **Attributes:** `name` of its folder; `condition` and `seed`, what its rows are labelled by.
    """

    name: str
    condition: str
    seed: int


@dataclasses.dataclass(frozen=True)
class Sweep:
    """What `RECORD` says.

    **Attributes:** `figure` that it is of, at a `preset`; `cells`; `varied`, the settings that tell
    the conditions of a sweep of the user's own apart, and none in a figure; `with_unfinished`,
    whether `told` has runs that go on.
    """

    path: Path
    figure: str
    preset: str
    cells: tuple[Cell, ...]
    varied: tuple[str, ...] = ()
    with_unfinished: bool = False

    def folder(self, cell: Cell) -> Path:
        """Of a cell's run."""
        return self.path / cell.name

    def has(self, cell: Cell) -> bool:
        """Whether a cell's folder is still there: a user may throw it away, to run it anew."""
        return (self.folder(cell) / "config.toml").is_file()

    def config(self, cell: Cell) -> RunConfig:
        """Of a cell's run.

        **Raises:** `RunFolderError` if its folder is gone.
        """
        if not self.has(cell):
            raise RunFolderError(
                f"the run of a sweep must have its config.toml, got {self.folder(cell)} without "
                "one. The command that made the sweep, with --into, begins it anew."
            )
        return load_recorded(self.folder(cell) / "config.toml")

    def run(self, cell: Cell) -> RunFolder:
        """The records of a cell."""
        # Not loaded with this module: it brings NumPy, which must not start before its threads
        # are set (`eqprop.running.machine`).
        from eqprop.records import RunFolder

        return RunFolder(self.folder(cell))

    def is_finished(self, cell: Cell) -> bool:
        """Whether a cell's run came to its end."""
        return self.run(cell).is_finished

    @property
    def finished(self) -> list[Cell]:
        """The cells whose runs came to their end."""
        return [cell for cell in self.cells if self.is_finished(cell)]

    @property
    def told(self) -> list[Cell]:
        """The cells that tables and pictures are made of: finished, or with an epoch recorded."""
        if not self.with_unfinished:
            return self.finished
        begun = [c for c in self.cells if (self.folder(c) / "metrics.jsonl").is_file()]
        return [cell for cell in begun if self.is_finished(cell) or self.run(cell).epochs()]

    def write(self) -> None:
        """Writes `RECORD`."""
        from eqprop.records import RunFolder

        cells = [dataclasses.asdict(cell) for cell in self.cells]
        record = {"schema": 2, "figure": self.figure, "preset": self.preset, "cells": cells}
        if self.varied:
            record["varied"] = list(self.varied)
        RunFolder(self.path).write_json(RECORD, record)


def open_sweep(path: Path) -> Sweep | None:
    """The sweep in a folder, or None if it is the folder of none.

    **Raises:** `RunFolderError` if its record is damaged.
    """
    path = Path(path)
    file = path / RECORD
    if not file.is_file():
        file = path / _OLD_RECORD
        if not file.is_file():
            return None
    try:
        found = json.loads(file.read_text("utf-8"))
        if file.name == _OLD_RECORD:
            found = _from_schema_1(found)
        if found["schema"] != 2 or not found["cells"]:
            raise ValueError("another schema, or no cells")
        cells = tuple(
            Cell(str(cell["name"]), str(cell["condition"]), int(cell["seed"]))
            for cell in found["cells"]
        )
        if any(Path(cell.name).name != cell.name or cell.name in (".", "..") for cell in cells):
            raise ValueError("names that leave the folder")
        varied = tuple(map(str, found.get("varied", ())))
        return Sweep(path, str(found["figure"]), str(found["preset"]), cells, varied)
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise RunFolderError(
            f"the sweep's record must be readable, got {file}: {problem!r}. Its runs can still "
            "be resumed one by one."
        ) from None


def _from_schema_1(found: Any) -> dict[str, Any]:
    cells = []
    for name in found["runs"]:
        condition, _, seed = str(name).rpartition("-seed")
        cells.append({"name": name, "condition": condition, "seed": int(seed)})
    return {"schema": 2, "figure": found["figure"], "preset": RECORDED, "cells": cells}


def create_sweep(
    parent: Path,
    name: str,
    figure: str,
    preset: str,
    configs: Mapping[Cell, RunConfig],
    varied: Sequence[str] = (),
) -> Sweep:
    """A new folder under `parent` with the settings of every cell."""
    from eqprop.records import RunFolder

    folder = RunFolder.create(parent, name)
    return extended(Sweep(folder.path, figure, preset, (), tuple(varied)), configs)


def extended(sweep: Sweep, configs: Mapping[Cell, RunConfig]) -> Sweep:
    """The sweep with cells that it did not have; those that it has must have the same settings.

    **Raises:** `ConfigError` for a cell that it has with other settings, for another seed of a
    condition with others than how long it takes and what is looked at on the way, and for cells
    on other data: what a table puts together must belong together. Conditions of varied settings
    may differ in these alone, and in what belongs to the same sections.
    """
    from eqprop.records.lock import locked

    with locked(sweep.path, patience=_PATIENCE_SECONDS):  # another launcher may be adding cells
        known = open_sweep(sweep.path)
        return _extended(sweep if known is None else known, configs)


def _extended(sweep: Sweep, configs: Mapping[Cell, RunConfig]) -> Sweep:
    begun = {cell: sweep.config(cell) for cell in sweep.cells if sweep.has(cell)}
    conditions = {cell.condition: config for cell, config in begun.items()}
    new = []
    for cell, config in configs.items():
        if sweep.has(cell):
            _refuse(sweep, cell, config.differences(sweep.config(cell)))
            continue
        new.append(cell)
        if cell.condition in conditions:
            found = config.differences(conditions[cell.condition])
            _refuse(sweep, cell, {n: v for n, v in found.items() if not _of_seed(sweep, n)})
        elif begun:
            found = config.differences(next(iter(begun.values())))
            _refuse(sweep, cell, {n: v for n, v in found.items() if not _of_condition(sweep, n)})
    for cell in new:
        _make(sweep.folder(cell))
        sweep.run(cell).write_text("config.toml", configs[cell].to_toml())
    cells = dict.fromkeys([*sweep.cells, *configs])
    sweep = dataclasses.replace(sweep, cells=tuple(cells))
    sweep.write()
    return sweep


def _of_seed(sweep: Sweep, name: str) -> bool:
    """Whether another seed of a condition may have a setting of its own."""
    # Means over seeds that learned for unlike times say nothing; figures tell them apart.
    return may_differ(name) and not (sweep.varied and name == "training.epochs")


def _of_condition(sweep: Sweep, name: str) -> bool:
    """Whether a new condition of a sweep may have a setting of its own."""
    section = name.partition(".")[0]
    if section == "data":
        return name in sweep.varied
    if not sweep.varied:  # of a figure, whose module knows its conditions
        return True
    # A choice brings settings of its own: another rule has another beta.
    own = {varied.partition(".")[0] for varied in sweep.varied}
    of_choice = section in own and section != "training"
    return name in sweep.varied or of_choice or _of_seed(sweep, name)


def may_differ(name: str) -> bool:
    """Whether seeds of one condition may have a setting of their own."""
    section = name.partition(".")[0]
    alone = ("name", "seed", "deterministic", "training.epochs", "training.chunk_batches")
    return section in ("evaluation", "checkpoint") or name in alone


def _refuse(sweep: Sweep, cell: Cell, differences: Mapping[str, tuple[Any, Any]]) -> None:
    if differences:
        got = ", ".join(f"{n} = {ours} instead of {old}" for n, (ours, old) in differences.items())
        raise ConfigError(
            f"the cells of a sweep must keep its settings, got {got} for {cell.name} in "
            f"{sweep.path}. Set them as the sweep was begun (`eqprop resume` does), or leave out "
            "--into and begin another."
        )


def _make(path: Path) -> None:
    try:
        path.mkdir(exist_ok=True)
    except OSError as problem:
        raise RunFolderError(
            f"the sweep's folder must be writable, got {path} ({problem.strerror})."
        ) from None
