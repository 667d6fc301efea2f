"""The workers of a sweep: this process, processes on this machine, or a Dask cluster."""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
import signal
import sys
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eqprop.config.settings import load_recorded
from eqprop.errors import BusyError, ConfigError, EqpropError, Stopped
from eqprop.running.context import UNATTENDED, Context, Progress
from eqprop.running.machine import set_up
from eqprop.running.signals import SIGNALS, listening, name_of
from eqprop.sweeps.sweep import Cell, Sweep

if TYPE_CHECKING:
    from distributed import Client

_STOP = ".stop-"  # begins the name of a file that asks the workers of a launcher to save and stop
_TO_WORKERS = tuple(number for number in SIGNALS if number != signal.SIGINT)
_LOOK_SECONDS = 0.5
_PATIENCE_SECONDS = 10  # for a scheduler that does not answer
_DEATHS = 3  # of the worker under a cell, before the cell counts as failed
_NOT_BEGUN = "not begun"


def finish_here(sweep: Sweep, context: Context = UNATTENDED, objects: Any = None) -> dict[str, str]:
    """Brings every cell to its end in this process, one after the other.

    A cell that another process is working on waits until the others are done.

    **Arguments:** `objects`: of every cell (`eqprop.running.objects.Objects`).

    **Returns:** what went wrong, by cell; a cell that fails does not stop the others.

    **Raises:** `Stopped` if `stop` asked for it.
    """
    from eqprop.running.run import NOTHING, complete

    failures: dict[str, str] = {}
    waiting, busy = deque(sweep.cells), 0  # cells in a row that others are working on
    while waiting:
        cell = waiting.popleft()
        try:
            complete(sweep.config(cell), sweep.folder(cell), context, objects or NOTHING)
        except Stopped as stopped:
            raise _all_stopped(sweep, stopped) from None
        except BusyError as problem:
            waiting.append(cell)
            busy += 1
            if busy == len(waiting):
                context.tell(f"{problem} Waiting for it.")
            if (number := context.stop()) is not None:
                raise _stopped(sweep, number) from None
            time.sleep(_LOOK_SECONDS if busy >= len(waiting) else 0)
            continue
        except Exception as problem:  # such as too little memory
            failures[cell.name] = _told(problem)
            context.tell(f"{cell.name} failed: {failures[cell.name]}")
        busy = 0
    return failures


def finish_together(sweep: Sweep, count: int, context: Context = UNATTENDED) -> dict[str, str]:
    """`finish_here`, with up to `count` cells in one program, as far as one can train them.

    Pays on a GPU, which one network leaves half idle (`eqprop.training.Together`).
    """
    from eqprop.running.run import complete_together
    from eqprop.running.team import program_of

    failures: dict[str, str] = {}

    def failed(cell: Cell, problem: Exception) -> None:
        failures[cell.name] = _told(problem)
        context.tell(f"{cell.name} failed: {failures[cell.name]}")

    programs: dict[Any, list[Cell]] = {}
    for cell in sweep.cells:
        if sweep.is_finished(cell):
            continue
        try:
            program = program_of(sweep.config(cell))
        except Exception as problem:  # such as settings that do not fit
            failed(cell, problem)
        else:
            programs.setdefault(cell if program is None else program, []).append(cell)
    for cells in programs.values():
        for team in (cells[k : k + count] for k in range(0, len(cells), count)):
            cell_of = {sweep.folder(cell): cell for cell in team}
            try:
                complete_together(
                    {path: sweep.config(cell) for path, cell in cell_of.items()},
                    lambda path, problem, cell_of=cell_of: failed(cell_of[path], problem),
                    context,
                )
            except Stopped as stopped:
                raise _all_stopped(sweep, stopped) from None
    # Those that other processes were working on.
    left = [c for c in sweep.cells if not sweep.is_finished(c) and c.name not in failures]
    rest = dataclasses.replace(sweep, cells=tuple(left))
    return failures | finish_here(rest, context)


def _all_stopped(sweep: Sweep, stopped: Stopped) -> Stopped:
    return Stopped(
        f"{stopped}\nor all of it with:\n  eqprop resume {sweep.path}", stopped.signal_number
    )


def _stopped(sweep: Sweep, number: int) -> Stopped:
    return Stopped(
        f"the sweep was stopped by {name_of(number)}. Go on with:\n  eqprop resume {sweep.path}",
        number,
    )


def _told(problem: Exception) -> str:
    """An error in words; those that are not ours are named."""
    name = "" if isinstance(problem, EqpropError) else f"{type(problem).__name__}: "
    return f"{name}{problem}"


def finish_on(
    make_executor: Callable[[], contextlib.AbstractContextManager[Executor]],
    sweep: Sweep,
    context: Context = UNATTENDED,
    *,
    worker_cores: int | None = None,
    deserted: Callable[[], bool] = lambda: False,
) -> dict[str, str]:
    """Brings every cell to its end on an executor's workers, which must see the sweep's folder.

    **Arguments:**

    - `make_executor`: makes one; called again when a pool has lost a worker.
    - `worker_cores`: cores for each worker (default: those that it sees).
    - `context`: its `tell` gets a line for each cell that ends.
    - `deserted`: whether no worker is left that could still save what it does; asked when
      stopping, which does not wait then.

    **Returns and raises:** as `finish_here`.
    """
    worker = context.data_place, worker_cores
    launch = _Launch(make_executor, sweep, worker, context, deserted)
    deaths: Counter[Cell] = Counter()
    while waiting := launch.waiting():
        # A cell under which a worker died may be the reason: it waits for the others to end, and
        # then has a pool of its own.
        cells = [cell for cell in waiting if not deaths[cell]] or waiting[:1]
        deaths.update(launch.run(cells))
        number = context.stop()
        if number is not None:
            launch.flag.unlink(missing_ok=True)
            raise _stopped(sweep, number)
        for cell in cells:
            if deaths[cell] == _DEATHS:
                launch.ended(cell, "its worker died, three times")
    return launch.failures


class _Launch:
    """Cells on their way through executors, and what became of them."""

    def __init__(
        self,
        make_executor: Callable[[], contextlib.AbstractContextManager[Executor]],
        sweep: Sweep,
        worker: tuple[str | None, int | None],
        context: Context,
        deserted: Callable[[], bool],
    ) -> None:
        self.make_executor, self.sweep, self.worker = make_executor, sweep, worker
        self.context, self.deserted = context, deserted
        # Its own: another launcher may be at work on other cells of the sweep.
        self.flag = sweep.path / f"{_STOP}{uuid.uuid4().hex}"
        self.failures: dict[str, str] = {}
        # Not loaded with this module: it brings NumPy, which must not start in a worker before its
        # threads are set (`eqprop.running.machine`).
        from eqprop.running.overview import Follower, progress_of

        self.follower, self.progress_of = Follower(), progress_of

    def waiting(self) -> list[Cell]:
        """Cells that are neither finished nor failed."""
        cells = [cell for cell in self.sweep.cells if not self.sweep.is_finished(cell)]
        return [cell for cell in cells if cell.name not in self.failures]

    def run(self, cells: Sequence[Cell]) -> set[Cell]:
        """Runs cells side by side; returns those that ran when the pool lost a worker."""
        futures: dict[Future, Cell] = {}
        lost: set[Cell] = set()
        running: set[Cell] = set()
        try:
            with self.make_executor() as executor:
                self.follower.pass_over(map(self.sweep.folder, cells))
                for cell in cells:
                    path = os.path.abspath(self.sweep.folder(cell))  # workers may stand elsewhere
                    flag = os.path.abspath(self.flag)
                    futures[executor.submit(finish_cell, path, flag, *self.worker)] = cell
                for ended in self._as_they_end(futures, running):
                    cell = futures[ended]
                    try:
                        self.ended(cell, ended.result())
                    except BrokenExecutor:
                        lost.add(cell)
                    except Exception as raised:  # whatever a cluster raises
                        self.ended(cell, _told(raised))
        except BrokenExecutor:
            lost = lost or set(cells)
        return lost & running or lost

    def _as_they_end(self, futures: Mapping[Future, Cell], running: set[Cell]) -> Iterator[Future]:
        """Futures as they end; asks the workers to stop when the launcher is to.

        Nothing is cancelled while there are workers: a cluster would forget cells that they are
        still to save, and those that have not begun end at once. `running` is kept at the cells
        that run.
        """
        left = set(futures)
        while left:
            if (number := self.context.stop()) is not None:
                if not self.flag.exists():
                    self.flag.write_text(str(number), "utf-8")
                if self.deserted():
                    for future in left:
                        future.cancel()
                    return
            now = {futures[future] for future in left if future.running()}
            if now:  # none is left of a pool that has just lost a worker
                running.clear()
                running.update(now)
            done, left = wait(left, _LOOK_SECONDS, return_when=FIRST_COMPLETED)
            for one in self.follower.news(map(self.sweep.folder, futures.values())):
                self.context.report(self.progress_of(one))
            yield from done

    def ended(self, cell: Cell, problem: str | None) -> None:
        """Notes and tells how a cell ended."""
        if self.flag.exists():  # it was asked to stop
            if problem != _NOT_BEGUN:
                self.context.tell(f"{cell.name}: {problem or 'done'}")
            return
        if problem is None and not self.sweep.is_finished(cell):
            problem = "its folder has no summary.json. Does its worker see the same folder?"
        if problem is not None:
            self.failures[cell.name] = problem
        state = "done" if problem is None else f"failed: {problem}"
        done, cells = len(self.sweep.finished), len(self.sweep.cells)
        self.context.tell(f"{cell.name} {state} ({done} of {cells} cells)")


def finish_cell(path: str, flag: str, data_dir: str | None, cores: int | None = None) -> str | None:
    """Brings one cell to its end in a worker; returns what went wrong, if anything did.

    Waits while another process is working on the same cell: a launcher that was started again
    may meet a worker of the one before. Does nothing where the launcher has asked to stop.

    A process of a pool that gets a signal itself, such as one to its whole group, saves its cell
    and ends, as one that died.

    **Arguments:** `flag`: the file by which the launcher asks.
    """
    by_launcher = Path(flag)

    def asked() -> int | None:
        try:
            return int(by_launcher.read_text("utf-8"))
        except (OSError, ValueError):
            return None

    with listening(_TO_WORKERS, say=lambda _: None) as signalled:

        def stop() -> int | None:
            number = asked()
            return signalled() if number is None else number

        problem = _finish_cell(Path(path), stop, data_dir, cores)
        if signalled() is not None:
            os._exit(1)  # an exception would be taken for one of the cell
        return problem


def _finish_cell(
    path: Path, stop: Callable[[], int | None], data_dir: str | None, cores: int | None
) -> str | None:
    """`finish_cell`, given how to tell whether it is to stop."""
    if stop() is not None:
        return _NOT_BEGUN
    config = load_recorded(path / "config.toml")
    if "jax" not in sys.modules:  # else an earlier cell has set this worker up
        set_up(
            deterministic=config.deterministic,
            shards=config.training.data_shards,
            worker_cores=cores,
        )
    from eqprop.running.run import complete

    folder = None if data_dir is None else Path(data_dir)
    while True:
        try:
            complete(config, path, Context(folder, stop=stop, report=_say_notices))
            return None
        except BusyError as problem:
            if stop() is not None:
                return str(problem)
            time.sleep(_LOOK_SECONDS)
        except EqpropError as problem:
            return str(problem)


def _say_notices(progress: Progress) -> None:
    """What a run has to say that no table of epochs tells: warnings, and what was not saved."""
    if progress.notice:
        print(f"{progress.name}: {progress.notice}", file=sys.stderr, flush=True)


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
def dask_cluster(address: str) -> Iterator[Client]:
    """A connection to the scheduler of a Dask cluster.

    **Raises:** `ConfigError` if Dask is not installed, if no scheduler answers, or if a worker
    lacks this package.
    """
    try:
        from distributed import Client
    except ImportError:
        raise ConfigError(
            "`--scheduler` needs Dask, got an installation without it. Install it with: "
            "pip install 'eqprop[cluster]'"
        ) from None
    answer: Future[Any] = Future()

    def connect() -> None:
        try:
            answer.set_result(Client(address, timeout=_PATIENCE_SECONDS))
        except Exception as problem:
            answer.set_exception(problem)

    # In a thread that can be left behind: a port that takes the connection and then says nothing
    # holds Dask for longer than its timeout.
    threading.Thread(target=connect, daemon=True).start()
    try:
        client = answer.result(2 * _PATIENCE_SECONDS)
    except (OSError, ValueError, TypeError) as problem:
        raise ConfigError(
            f"`--scheduler` must be the address of a Dask scheduler that answers, got {address} "
            f"({str(problem) or 'it says nothing'}). Start one with `dask scheduler`."
        ) from None
    with client:
        check_packages(client)
        yield client


def check_packages(client: Any) -> None:
    """Refuses workers without this package: the scheduler would wait for them and say nothing.

    **Arguments:** `client`: a `distributed.Client`.

    **Raises:** `ConfigError` that names one.
    """
    # A function of the standard library: one of ours could not even be sent to them.
    found = client.run(metadata.version, "eqprop", on_error="return")
    own = metadata.version("eqprop")
    for worker, version in found.items():
        if isinstance(version, Exception):
            raise ConfigError(
                f"the workers must have eqprop installed, got {worker} without it. Install it in "
                f"their environment: pip install eqprop=={own}"
            )
        if version != own:
            raise ConfigError(
                f"the workers must have eqprop {own}, as this process, got {version} at {worker}. "
                "Install the same version in both environments."
            )


def finish_on_cluster(
    address: str,
    sweep: Sweep,
    context: Context = UNATTENDED,
) -> dict[str, str]:
    """`finish_on` the workers of a Dask cluster; tells where there are none yet."""
    with dask_cluster(address) as client:

        def deserted() -> bool:
            return not client.nthreads()

        if deserted():
            context.tell(f"The scheduler at {address} has no worker yet: waiting for one.")
        return finish_on(lambda: client.get_executor(pure=False), sweep, context, deserted=deserted)
