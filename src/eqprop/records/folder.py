"""A run's folder: everything a run leaves behind, in open formats."""

from __future__ import annotations

import errno
import json
import os
import platform
import uuid
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from eqprop.errors import RunFolderError
from eqprop.records.checkpoint import file_digest, write_arrays

SCHEMA = 1
_PACKAGES = ("eqprop", "jax", "jaxlib", "equinox", "optax", "numpy", "scipy")


class RunFolder:
    """The files of one run.

    `config.toml`, `run.json` (its identity, where its data lay), `environment.json`,
    `metrics.jsonl` (no clock and no host in it), `timing.jsonl`, `checkpoints/`, and at the end
    `network.safetensors` (weights, biases, wiring) and `summary.json`.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    @staticmethod
    def create(parent: Path, name: str) -> RunFolder:
        """A new folder `name`, or `name-2`, `name-3`, ... under `parent`; never an existing one."""
        number = 1
        while True:
            path = Path(parent) / (name if number == 1 else f"{name}-{number}")
            try:
                path.mkdir(parents=True, exist_ok=False)
                return RunFolder(path)
            except FileExistsError:
                if Path(parent).exists() and not Path(parent).is_dir():
                    raise _unwritable(parent, "it is a file") from None
                number += 1
            except OSError as problem:
                raise _unwritable(path, problem.strerror) from None

    @staticmethod
    def open(path: Path) -> RunFolder:
        """An existing run folder."""
        if not (Path(path) / "config.toml").is_file():
            raise RunFolderError(
                f"`run` must be the folder of a run, got {path}, which has no config.toml. "
                "Name a folder that `eqprop train` or `eqprop reproduce` made."
            )
        return RunFolder(path)

    @property
    def is_finished(self) -> bool:
        """Whether the run came to its end; the summary is written last."""
        return (self.path / "summary.json").is_file()

    def identity(self, **facts: Any) -> dict[str, Any]:
        """What `run.json` says: schema, id, and the facts given when it was first written."""
        if not (self.path / "run.json").is_file():
            self.write_json("run.json", {"schema": SCHEMA, "id": uuid.uuid4().hex} | facts)
        found = self.read_json("run.json")
        if not isinstance(found, dict) or not isinstance(found.get("id"), str):
            raise _unreadable(self.path / "run.json", ValueError("it names no run"))
        if found.get("schema") != SCHEMA:
            raise _unreadable(
                self.path / "run.json",
                ValueError(f"schema {found.get('schema')}, this version reads {SCHEMA}"),
            )
        return found

    def write_text(self, name: str, text: str) -> None:
        """Writes a small file whole: beside its place, then moved there."""
        target = self.path / name
        temporary = target.with_name(f".{name}.tmp")
        try:
            with open(temporary, "w", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        except OSError as problem:
            raise _unwritable(target, problem.strerror) from None

    def write_json(self, name: str, value: Any) -> None:
        """As `write_text`, for JSON."""
        self.write_text(name, json.dumps(value, indent=2) + "\n")

    def append(self, name: str, entries: Sequence[Mapping[str, Any]]) -> None:
        """Adds lines to a `.jsonl` file: all of them or none."""
        path = self.path / name
        text = "".join(json.dumps(entry) + "\n" for entry in entries).encode()
        try:
            with open(path, "ab", buffering=0) as file:
                before = file.tell()
                try:
                    written = file.write(text)
                    if written != len(text):
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                except OSError:
                    file.truncate(before)
                    raise
        except OSError as problem:
            raise _unwritable(path, problem.strerror) from None

    def synced_size(self, name: str) -> int:
        """Size in bytes of a file after all that was appended has reached the disk."""
        try:
            with open(self.path / name, "ab") as file:
                os.fsync(file.fileno())
                return file.tell()
        except OSError as problem:
            raise _unwritable(self.path / name, problem.strerror) from None

    def cut(self, name: str, size: int) -> None:
        """Cuts a file back to its first `size` bytes.

        **Raises:** `RunFolderError` if it is shorter than that.
        """
        path = self.path / name
        try:
            if size == 0:
                path.unlink(missing_ok=True)
                return
            if path.stat().st_size < size:
                raise _unreadable(path, ValueError(f"it should have {size} bytes or more"))
            os.truncate(path, size)
        except RunFolderError:
            raise
        except OSError as problem:
            raise _unwritable(path, problem.strerror) from None

    def read_json(self, name: str) -> Any:
        """A JSON file of the run."""
        try:
            return json.loads((self.path / name).read_text("utf-8"))
        except (OSError, ValueError, RecursionError) as problem:
            raise _unreadable(self.path / name, problem) from None

    def read_lines(self, name: str) -> list[dict[str, Any]]:
        """The entries of a `.jsonl` file; a last line that was cut off is left out."""
        try:
            lines = (self.path / name).read_text("utf-8").splitlines()
        except (OSError, ValueError) as problem:
            raise _unreadable(self.path / name, problem) from None
        entries = []
        for number, line in enumerate(lines):
            try:
                entries.append(json.loads(line))
            except ValueError as problem:
                if number != len(lines) - 1:
                    raise _unreadable(self.path / name, problem) from None
        return entries

    def epochs(self) -> list[dict[str, Any]]:
        """The entries of `metrics.jsonl` that sum up an epoch each."""
        return self.recorded("epoch")

    def recorded(self, kind: str) -> list[dict[str, Any]]:
        """The entries of `metrics.jsonl` of a kind: `epoch`, `updates`, `audit` or `pruning`."""
        return [entry for entry in self.read_lines("metrics.jsonl") if entry["kind"] == kind]

    def save_arrays(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        """Writes arrays as safetensors: beside its place, then moved there."""
        target = self.path / name
        temporary = target.with_name(f".{name}.tmp")
        try:
            contiguous = {key: np.asarray(value, order="C") for key, value in arrays.items()}
            write_arrays(temporary, contiguous, {"schema": str(SCHEMA)})
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())  # resume points go when this stands
            os.replace(temporary, target)
        except (OSError, SafetensorError) as problem:
            raise _unwritable(target, str(problem)) from None

    def digest(self, name: str) -> str:
        """SHA-256 of a file."""
        try:
            return file_digest(self.path / name)
        except OSError as problem:
            raise _unreadable(self.path / name, problem) from None

    def load_arrays(self, name: str) -> dict[str, np.ndarray]:
        """Arrays that `save_arrays` wrote."""
        try:
            return load_file(self.path / name)
        except (OSError, SafetensorError, ValueError) as problem:
            raise _unreadable(self.path / name, problem) from None


def environment() -> dict[str, Any]:
    """Versions and machine class of this process; needs JAX."""
    import jax

    return {
        "schema": SCHEMA,
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "device": jax.devices()[0].device_kind,
        "backend": jax.default_backend(),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
    }


def _unwritable(path: Path, reason: str | None) -> RunFolderError:
    return RunFolderError(
        f"the run folder must be writable, got {path} ({reason}). Name another with --out."
    )


def _unreadable(path: Path, problem: Exception) -> RunFolderError:
    return RunFolderError(
        f"the run's file must be readable, got {path}: {problem}. It is missing, damaged, or from "
        "another program."
    )
