"""A run's folder: everything a run leaves behind, in open formats."""

from __future__ import annotations

import json
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from eqprop.errors import RunFolderError

SCHEMA = 1
_PACKAGES = ("eqprop", "jax", "jaxlib", "equinox", "optax", "numpy", "scipy")


class RunFolder:
    """The files of one run.

    `config.toml`, `environment.json`, `metrics.jsonl` (no clock and no host in it),
    `timing.jsonl`, `network.safetensors` (weights, biases, wiring) and `summary.json`.
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

    def write_text(self, name: str, text: str) -> None:
        """Writes a small file whole: beside its place, then moved there."""
        target = self.path / name
        temporary = target.with_name(f".{name}.tmp")
        try:
            temporary.write_text(text, "utf-8")
            os.replace(temporary, target)
        except OSError as problem:
            raise _unwritable(target, problem.strerror) from None

    def write_json(self, name: str, value: Any) -> None:
        """As `write_text`, for JSON."""
        self.write_text(name, json.dumps(value, indent=2) + "\n")

    def append(self, name: str, entry: dict[str, Any]) -> None:
        """Adds one line to a `.jsonl` file."""
        try:
            with open(self.path / name, "a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError as problem:
            raise _unwritable(self.path / name, problem.strerror) from None

    def read_json(self, name: str) -> Any:
        """A JSON file of the run."""
        try:
            return json.loads((self.path / name).read_text("utf-8"))
        except (OSError, ValueError) as problem:
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

    def save_arrays(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        """Writes arrays as safetensors: beside its place, then moved there."""
        target = self.path / name
        temporary = target.with_name(f".{name}.tmp")
        try:
            contiguous = {key: np.ascontiguousarray(value) for key, value in arrays.items()}
            save_file(contiguous, temporary, metadata={"schema": str(SCHEMA)})
            os.replace(temporary, target)
        except (OSError, SafetensorError) as problem:
            raise _unwritable(target, str(problem)) from None

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
