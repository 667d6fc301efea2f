"""Checkpoints: safetensors files and a manifest that vouches for every byte of them.

A checkpoint is a folder. It is written under a temporary name, synced, and renamed, so that a
folder with a checkpoint's name is either whole or damaged from outside; the digests tell which.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from eqprop.errors import RunFolderError

SCHEMA = 1
_MANIFEST = "manifest.json"
_MANIFEST_LIMIT = 4 << 20
_FILE_NAME = re.compile(r"[a-z][a-z_]*[0-9]{0,4}\.safetensors")
_STEP_NAME = re.compile(r"step-(\d{9})")

Files = Mapping[str, Mapping[str, np.ndarray]]
"""Arrays by name, by file name."""


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """What was read: `meta` as it was given to `write_checkpoint`, and the arrays by file."""

    path: Path
    meta: dict[str, Any]
    files: dict[str, dict[str, np.ndarray]]


def write_arrays(path: Path, arrays: dict[str, np.ndarray], told: dict[str, str]) -> None:
    """Arrays as safetensors, for all who can read the folder: that library asks for its owner."""
    save_file(arrays, path, metadata=told)
    with contextlib.suppress(OSError):  # some file systems have no modes
        path.chmod(path.parent.stat().st_mode & 0o644)


def write_checkpoint(path: Path, run_id: str, meta: Mapping[str, Any], files: Files) -> None:
    """Writes a checkpoint folder whole or not at all, replacing one of the same name.

    **Raises:** `RunFolderError`, which names the path, when the disk is full, read-only or
    failing; nothing is left behind then and an earlier checkpoint stays as it was.
    """
    path = Path(path)
    temporary = path.with_name(f".writing-{path.name}")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        described = {}
        for name, arrays in files.items():
            contiguous = {key: np.asarray(value, order="C") for key, value in arrays.items()}
            write_arrays(temporary / name, contiguous, {"schema": str(SCHEMA)})
            described[name] = {
                "bytes": (temporary / name).stat().st_size,
                "sha256": file_digest(temporary / name),
                "arrays": {
                    key: {"dtype": str(value.dtype), "shape": list(value.shape)}
                    for key, value in contiguous.items()
                },
            }
            _sync(temporary / name)
        manifest = {"schema": SCHEMA, "run": run_id, "meta": dict(meta), "files": described}
        manifest["sha256"] = _digest_of(manifest)
        (temporary / _MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")
        _sync(temporary / _MANIFEST)
        _sync(temporary)
        if path.exists():
            discarded = path.with_name(f".discarded-{path.name}")
            shutil.rmtree(discarded, ignore_errors=True)
            os.replace(path, discarded)
            os.replace(temporary, path)
            shutil.rmtree(discarded, ignore_errors=True)
        else:
            os.replace(temporary, path)
        _sync(path.parent)
    except (OSError, SafetensorError) as problem:
        shutil.rmtree(temporary, ignore_errors=True)
        raise RunFolderError(
            f"the checkpoint must be writable, got {path} ({problem}). Free some space or make "
            "the folder writable, then resume the run."
        ) from None


def read_checkpoint(path: Path, run_id: str, limit_bytes: int | None = None) -> Checkpoint:
    """Reads a checkpoint after checking its manifest, sizes and digests.

    **Arguments:**

    - `run_id`: of the run that it must belong to.
    - `limit_bytes`: refuse larger files before reading them.

    **Raises:** `RunFolderError` that says what is wrong, before anything is used.
    """
    path = Path(path)

    def refuse(reason: str) -> RunFolderError:
        return RunFolderError(f"the checkpoint must be whole and of this run, got {path}: {reason}")

    try:
        if (path / _MANIFEST).stat().st_size > _MANIFEST_LIMIT:
            raise refuse(f"its manifest is larger than {_MANIFEST_LIMIT} bytes.")
        manifest = json.loads((path / _MANIFEST).read_text("utf-8"))
        claimed = manifest.pop("sha256")
        if claimed != _digest_of(manifest):
            raise refuse("its manifest does not match its own digest.")
        if manifest["schema"] != SCHEMA:
            raise refuse(
                f"it has schema {manifest['schema']} and this version reads {SCHEMA}. "
                "Use the version of eqprop that wrote it."
            )
        if manifest["run"] != run_id:
            raise refuse(f"it belongs to run {manifest['run']}, not {run_id}.")
        files = {}
        for name, described in manifest["files"].items():
            if not _FILE_NAME.fullmatch(name):
                raise refuse(f"'{name}' is no name of one of its files.")
            file = path / name
            if file.is_symlink() or file.stat().st_size != described["bytes"]:
                raise refuse(f"{name} does not have its {described['bytes']} bytes.")
            if limit_bytes is not None and described["bytes"] > limit_bytes:
                raise refuse(f"{name} is larger than this run can need, {limit_bytes} bytes.")
            if file_digest(file) != described["sha256"]:
                raise refuse(f"{name} does not match its digest.")
            arrays = load_file(file)
            for key, wanted in described["arrays"].items():
                if [str(arrays[key].dtype), list(arrays[key].shape)] != [
                    wanted["dtype"],
                    wanted["shape"],
                ]:
                    raise refuse(f"array {key} of {name} has another shape or type.")
            files[name] = arrays
        return Checkpoint(path, manifest["meta"], files)
    except RunFolderError:
        raise
    except (
        OSError,
        ValueError,
        SafetensorError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as problem:
        raise refuse(f"{type(problem).__name__}: {problem}.") from None


@dataclasses.dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run: its newest resume points, and the best network.

    **Attributes:** `folder` that holds them; `run_id`; `keep`, how many resume points.
    """

    folder: Path
    run_id: str
    keep: int = 2

    def save(self, step: int, meta: Mapping[str, Any], files: Files) -> Path:
        """Writes a resume point, then removes those that are no longer kept."""
        path = self.folder / f"step-{step:09d}"
        write_checkpoint(path, self.run_id, meta, files)
        for old in self.resume_points()[self.keep :]:
            self._discard(old)
        return path

    def save_best(self, meta: Mapping[str, Any], files: Files) -> None:
        """Replaces the best network."""
        write_checkpoint(self.folder / "best", self.run_id, meta, files)

    def best(self) -> Checkpoint | None:
        """The best network so far; None where there is none that can be read."""
        try:
            return read_checkpoint(self.folder / "best", self.run_id)
        except RunFolderError:
            return None

    def resume_points(self) -> list[Path]:
        """Their folders, newest first."""
        if not self.folder.is_dir():
            return []
        found = (path for path in self.folder.iterdir() if _STEP_NAME.fullmatch(path.name))
        return sorted(found, key=lambda path: path.name, reverse=True)

    def newest(
        self,
        accept: Callable[[Checkpoint], None],
        warn: Callable[[str], None],
        limit_bytes: int | None = None,
    ) -> Checkpoint | None:
        """The newest resume point that is whole and that `accept` does not refuse.

        None if the run has none. `accept` raises `RunFolderError` to pass one over; any other
        error of its ends the search. A damaged one is set aside under a hidden name, and `warn`
        is told of both.

        **Raises:** `RunFolderError` when there are some and none is good.
        """
        points = self.resume_points()
        for path in points:
            try:
                found = read_checkpoint(path, self.run_id, limit_bytes)
            except RunFolderError as problem:
                warn(f"{problem} Falling back to the one before.")
                self._set_aside(path)
                continue
            try:
                accept(found)
            except RunFolderError as problem:
                warn(f"{problem} Falling back to the one before.")
            else:
                return found
        if points:
            raise RunFolderError(
                f"a checkpoint of {self.folder.parent} must be usable, got {len(points)} that are "
                f"not. They are still in {self.folder}, damaged ones under names that begin with "
                "'.damaged'. Remove that folder to start the run from its beginning."
            )
        return None

    def clean(self) -> None:
        """Removes what an interrupted writer left behind."""
        if self.folder.is_dir():
            for path in self.folder.iterdir():
                if path.name.startswith((".writing-", ".discarded-")):
                    self._restore_or_remove(path)

    def discard_resume_points(self) -> None:
        """Removes every resume point; the best network stays."""
        for path in self.resume_points():
            self._discard(path)

    def _discard(self, path: Path) -> None:
        # Renamed first, so that a kill half-way leaves no folder that looks like a checkpoint.
        hidden = path.with_name(f".discarded-{path.name}")
        shutil.rmtree(hidden, ignore_errors=True)
        try:
            os.replace(path, hidden)
        except OSError:
            return  # a checkpoint too many does no harm
        shutil.rmtree(hidden, ignore_errors=True)

    def _set_aside(self, path: Path) -> None:
        aside = path.with_name(f".damaged-{path.name}")
        shutil.rmtree(aside, ignore_errors=True)
        try:
            os.replace(path, aside)
        except OSError as problem:
            raise RunFolderError(
                f"a damaged checkpoint must be movable, got {path} ({problem.strerror}). "
                "Make the folder writable."
            ) from None

    def _restore_or_remove(self, path: Path) -> None:
        # A kill between the two renames of a replacement leaves the old one under this name.
        original = path.with_name(path.name.removeprefix(".discarded-"))
        if path.name == ".discarded-best" and not original.exists():
            os.replace(path, original)
        else:
            shutil.rmtree(path, ignore_errors=True)


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_of(manifest: Mapping[str, Any]) -> str:
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as problem:
        # Many network and FUSE file systems cannot sync a folder; its files are synced anyway.
        if not (path.is_dir() and problem.errno in (errno.EINVAL, errno.ENOTSUP, errno.EBADF)):
            raise
    finally:
        os.close(descriptor)
