"""The workers of a sweep: this process, processes on this machine, or a Dask cluster."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from pathlib import Path
from typing import Any

from eqprop.errors import BusyError, ConfigError, EqpropError, Stopped
from eqprop.experiments.config import load_recorded
from eqprop.experiments.machine import set_up
from eqprop.experiments.sweep import Cell, Sweep

_STOP = ".stop"  # a file that asks the workers to save and stop
_LOOK_SECONDS = 0.5
_PATIENCE_SECONDS = 10  # for a scheduler that does not answer
_TIMES_BROKEN = 3  # so often a pool may lose a worker before its cells count as failed


def finish_here(
    sweep: Sweep,
    *,
    data_dir: Path | None = None,
    report: Callable[[Any], None] = lambda _: None,
    stop: Callable[[], int | None] = lambda: None,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, str]:
    """Brings every cell to its end in this process, one after the other.

    **Returns:** what went wrong, by cell; a cell that fails does not stop the others.

    **Raises:** `Stopped` if `stop` asked for it.
    """
    from eqprop.experiments.run import complete

    failures = {}
    for cell in sweep.cells:
        try:
            complete(
                sweep.config(cell), sweep.folder(cell), data_dir=data_dir, report=report, stop=stop
            )
        except Stopped as stopped:
            raise Stopped(
                f"{stopped} or all of it with: eqprop resume {sweep.path}", stopped.signal_number
            ) from None
        except EqpropError as problem:
            failures[cell.name] = str(problem)
            tell(f"{cell.name} failed: {problem}")
    return failures


def finish_on(
    make_executor: Callable[[], contextlib.AbstractContextManager[Executor]],
    sweep: Sweep,
    *,
    worker_cores: int | None = None,
    data_dir: Path | None = None,
    stop: Callable[[], int | None] = lambda: None,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, str]:
    """Brings every cell to its end on an executor's workers, which must see the sweep's folder.

    **Arguments:**

    - `make_executor`: makes one; called again when a pool has lost a worker.
    - `worker_cores`: cores for each worker (default: those that it sees).
    - `tell`: gets a line for each cell that ends.

    **Returns and raises:** as `finish_here`.
    """
    data = data_dir or os.environ.get("EQPROP_DATA") or None
    data_text = None if data is None else os.path.abspath(data)
    flag = sweep.path / _STOP
    flag.unlink(missing_ok=True)
    failures: dict[str, str] = {}
    for time_broken in range(1, _TIMES_BROKEN + 1):
        waiting = [c for c in sweep.cells if not sweep.is_finished(c) and c.name not in failures]
        if not waiting:
            break
        broken = []
        try:
            with make_executor() as executor:
                futures = {
                    executor.submit(
                        finish_cell, str(sweep.folder(cell)), data_text, worker_cores
                    ): cell
                    for cell in waiting
                }
                for future, cell in _ended(futures, stop, flag):
                    try:
                        problem = future.result()
                    except BrokenExecutor:
                        broken.append(cell.name)
                        continue
                    except Exception as lost:  # whatever a cluster raises
                        problem = f"{type(lost).__name__}: {lost}"
                    if problem is not None:
                        failures[cell.name] = problem
                    done = len(sweep.finished)
                    state = "done" if problem is None else f"failed: {problem}"
                    tell(f"{cell.name} {state} ({done} of {len(sweep.cells)} cells)")
        except BrokenExecutor:
            pass
        number = stop()
        if number is not None:
            flag.unlink(missing_ok=True)
            raise Stopped(
                f"the sweep was stopped by signal {number}. Go on with: eqprop resume {sweep.path}",
                number,
            )
        if broken and time_broken == _TIMES_BROKEN:
            failures |= dict.fromkeys(broken, "its worker died, three times")
    return failures


def _ended(
    futures: Mapping[Future, Cell], stop: Callable[[], int | None], flag: Path
) -> Iterator[tuple[Future, Cell]]:
    """Futures as they end; asks the workers to stop when `stop` says so."""
    waiting = set(futures)
    while waiting:
        number = stop()
        if number is not None and not flag.exists():
            flag.write_text(str(number), "utf-8")
            for future in waiting:
                future.cancel()
        ended, waiting = wait(waiting, _LOOK_SECONDS, return_when=FIRST_COMPLETED)
        for future in ended:
            if not future.cancelled():
                yield future, futures[future]


def finish_cell(path: str, data_dir: str | None, cores: int | None = None) -> str | None:
    """Brings one cell to its end in a worker; returns what went wrong, if anything did.

    Waits while another process is working on the same cell: a launcher that was started again
    may meet a worker of the one before.
    """
    flag = Path(path).parent / _STOP

    def stop() -> int | None:
        try:
            return int(flag.read_text("utf-8"))
        except (OSError, ValueError):
            return None

    config = load_recorded(Path(path) / "config.toml")
    if "jax" not in sys.modules:  # else an earlier cell has set this worker up
        set_up(
            deterministic=config.deterministic,
            shards=config.training.data_shards,
            worker_cores=cores,
        )
    from eqprop.experiments.run import complete

    folder = None if data_dir is None else Path(data_dir)
    while True:
        try:
            complete(config, Path(path), data_dir=folder, stop=stop)
            return None
        except BusyError as problem:
            if stop() is not None:
                return str(problem)
            time.sleep(_LOOK_SECONDS)
        except EqpropError as problem:
            return str(problem)


@contextlib.contextmanager
def local_workers(count: int) -> Iterator[Executor]:
    """So many processes on this machine."""
    with ProcessPoolExecutor(
        count,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_leave_ctrl_c_to_the_launcher,
    ) as pool:
        yield pool


def _leave_ctrl_c_to_the_launcher() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextlib.contextmanager
def dask_workers(address: str) -> Iterator[Executor]:
    """The workers of a Dask cluster.

    **Raises:** `ConfigError` if Dask is not installed or no scheduler answers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise ConfigError(
            "`--scheduler` needs Dask, got an installation without it. Install it with: "
            "pip install 'eqprop[cluster]'"
        ) from None
    try:
        client = Client(address, timeout=_PATIENCE_SECONDS)
    except (OSError, ValueError, TypeError) as problem:
        raise ConfigError(
            f"`--scheduler` must be the address of a Dask scheduler that answers, got {address} "
            f"({problem}). Start one with `dask scheduler`."
        ) from None
    with client:
        yield client.get_executor(pure=False)
