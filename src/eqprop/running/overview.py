"""What stands in a folder of runs, read without disturbing those that go on."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from eqprop.config.settings import load_recorded
from eqprop.errors import EqpropError
from eqprop.records import RunFolder
from eqprop.records.lock import is_held
from eqprop.running.context import Progress


@dataclasses.dataclass(frozen=True)
class Standing:
    """Where a run stands.

    **Attributes:** `path` of its folder; `state`: finished, running, stopped, or unreadable;
    `epoch` of `epochs`; `entry`, what was recorded of that epoch; `age`, seconds since something
    was written.
    """

    path: Path
    state: str
    epoch: int = 0
    epochs: int = 0
    entry: dict[str, Any] = dataclasses.field(default_factory=dict)
    age: float = 0.0


def standing(path: Path) -> Standing:
    """Of the run in a folder."""
    folder = RunFolder(path)
    try:
        epochs = load_recorded(path / "config.toml").training.epochs
        entries = entries_of(folder)
        state = "finished" if folder.is_finished else "running" if is_held(path) else "stopped"
        files = [path / name for name in ("config.toml", "metrics.jsonl", "summary.json")]
        written = max(file.stat().st_mtime for file in files if file.is_file())
    except (EqpropError, OSError, ValueError):
        return Standing(path, "unreadable")
    last = entries[-1] if entries else {}
    age = max(0.0, time.time() - written)
    return Standing(path, state, last.get("epoch", 0), epochs, last, age)


def standings(path: Path) -> Iterator[Standing]:
    """Of the run in a folder, or of all runs in it and in the sweeps in it, the newest first."""
    if (path / "config.toml").is_file():
        yield standing(path)
        return
    inside = sorted(path.glob("*/config.toml")) + sorted(path.glob("*/*/config.toml"))
    yield from sorted((standing(file.parent) for file in inside), key=lambda one: one.age)


def progress_of(one: Standing) -> Progress:
    """The end of an epoch, as the run itself would tell it."""
    entry = one.entry
    return Progress(
        one.path.name, one.epoch, one.epochs, batches_done=1, batches=1,
        training_error=entry.get("training_error"),
        training_cost=entry.get("training_cost"),
        validation_error=entry.get("validation_error"),
        settled=1 - entry["free_unsettled"] if entry.get("free_unsettled") is not None else None,
        epoch_done=True,
        task=entry.get("task", "classification"),
    )  # fmt: skip


class Follower:
    """Tells of epochs as they are written, of runs that go on elsewhere."""

    def __init__(self) -> None:
        self._seen: dict[Path, tuple[int, int]] = {}  # size of the records, epochs told

    def pass_over(self, paths: Iterable[Path]) -> None:
        """Takes what was recorded until now as told, but for the last epoch of each run."""
        for path in paths:
            self._seen[path] = -1, standing(path).epoch - 1

    def news(self, paths: Iterable[Path]) -> Iterator[Standing]:
        """The standing of each run at each epoch that it has recorded since the last call."""
        for path in paths:
            try:
                size = (path / "metrics.jsonl").stat().st_size
            except OSError:
                continue  # not begun
            before, told = self._seen.get(path, (-1, 0))
            if size == before:
                continue
            found = standing(path)
            self._seen[path] = size, max(told, found.epoch)
            for entry in entries_of(RunFolder(path)) if found.epoch > told else ():
                if entry["epoch"] > told:
                    yield dataclasses.replace(found, epoch=entry["epoch"], entry=entry)


def entries_of(folder: RunFolder) -> list[dict[str, Any]]:
    """The epochs that were recorded; a line that is being written is not one yet."""
    path = folder.path / "metrics.jsonl"
    if not path.is_file():
        return []
    whole = path.read_bytes().rpartition(b"\n")[0].decode()
    found = [json.loads(line) for line in whole.splitlines()]
    return [entry for entry in found if entry.get("kind") == "epoch"]
