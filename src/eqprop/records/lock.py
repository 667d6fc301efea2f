"""One writer per run folder."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from eqprop.errors import BusyError, RunFolderError

_NAME = ".lock"
_HOLDER = ".holder"  # who has it; the lock itself cannot be read on every system


@contextmanager
def locked(folder: Path, *, patience: float = 0.0) -> Iterator[None]:
    """Holds a folder while a run writes to it.

    **Arguments:** `patience`: seconds to wait for another process that holds it.

    The system lets go of the lock when the process ends, however it ends, so none is ever stale.

    **Raises:** `BusyError` that names the process which holds it; `RunFolderError` where nothing
    can be written.
    """
    folder = Path(folder)
    lock = FileLock(folder / _NAME, timeout=patience)
    try:
        lock.acquire()
        me = {"pid": os.getpid(), "host": socket.gethostname()}
        (folder / _HOLDER).write_text(json.dumps(me), "utf-8")
    except Timeout:
        raise BusyError(
            f"the run in {folder} is being worked on by {_holder(folder)}. "
            "Wait for it, or stop that process first."
        ) from None
    except (OSError, NotImplementedError) as problem:
        lock.release()
        raise RunFolderError(
            f"the run folder must be writable, got {folder} "
            f"({getattr(problem, 'strerror', None) or problem}). "
            "Make it writable, or copy it to a place that is."
        ) from None
    try:
        yield
    finally:
        lock.release()


def _holder(folder: Path) -> str:
    try:
        holder = json.loads((folder / _HOLDER).read_text("utf-8"))
        return f"process {int(holder['pid'])} on {holder['host']}"
    except (ValueError, KeyError, TypeError, OSError):
        return "another process"


def is_held(folder: Path) -> bool:
    """Whether a process is working on a folder now."""
    path = Path(folder) / _NAME
    if not path.is_file():
        return False
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return True
    except (OSError, NotImplementedError):  # of somebody else, or in an archive
        return _is_held_read(path)
    lock.release()
    return False


def _is_held_read(path: Path) -> bool:
    """`is_held` for who may only read; False where that cannot be told."""
    try:
        import fcntl
    except ImportError:
        return False
    try:
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except BlockingIOError:
        return True
    except OSError:
        return False
