"""One writer per run folder."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eqprop.errors import BusyError, RunFolderError

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None

_NAME = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a folder while a run writes to it.

    The system lets go of the lock when the process ends, however it ends, so none is ever
    stale. On systems without `fcntl` nothing is locked.

    **Raises:** `BusyError` that names the process which holds it.
    """
    if fcntl is None:
        yield
        return
    path = Path(folder) / _NAME
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as problem:
        raise RunFolderError(
            f"the run folder must be writable, got {folder} ({problem.strerror}). "
            "Make it writable, or copy it to a place that is."
        ) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BusyError(
                f"the run in {folder} is being worked on by {_holder(descriptor)}. "
                "Wait for it, or stop that process first."
            ) from None
        os.truncate(descriptor, 0)
        os.pwrite(
            descriptor,
            json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode(),
            0,
        )
        yield
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> str:
    try:
        holder = json.loads(os.pread(descriptor, 1000, 0))
        return f"process {int(holder['pid'])} on {holder['host']}"
    except (ValueError, KeyError, TypeError, OSError):
        return "another process"
