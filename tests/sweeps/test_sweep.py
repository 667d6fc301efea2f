"""Sweeps: every cell once, wherever it runs and whatever is killed."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from eqprop.analysis import collect
from eqprop.cli import run
from eqprop.errors import ConfigError
from eqprop.experiments.catalogue import EXPERIMENTS
from eqprop.running.context import Context
from eqprop.sweeps.sweep import create_sweep, extended, open_sweep
from eqprop.sweeps.workers import (
    check_packages,
    dask_cluster,
    finish_here,
    finish_on,
    local_workers,
)
from faults import die_under

SMALL = ["training.epochs=2", "data.num_train=100", "evaluation.examples=50", "deterministic=true"]
COMMAND = [sys.executable, "-c", "from eqprop.cli import main; main()"]


def cells(seeds=2):
    chosen = EXPERIMENTS["figure3"].cells("smoke", range(seeds), overrides=SMALL)
    return {cell: config for cell, config in chosen.items() if cell.condition != "per-layer"}


def one_thread(monkeypatch):
    """This process counts as one with a single thread, so that cells compare bit for bit."""
    monkeypatch.setattr("eqprop.running.run.is_one_thread", lambda: True)


def table(sweep):
    return sorted(collect.epoch_rows(sweep), key=lambda r: (r["condition"], r["seed"], r["epoch"]))


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The table of a sweep on one worker."""
    sweep = create_sweep(tmp_path_factory.mktemp("one"), "s", "figure3", "smoke", cells())
    assert finish_on(lambda: local_workers(1), sweep, worker_cores=1) == {}
    found = table(sweep)
    assert len(found) == 8 and len({row["validation_cost"] for row in found}) == 8
    return found


def test_two_workers_make_the_same_table_and_later_seeds_run_alone(tmp_path, expected):
    sweep = create_sweep(tmp_path, "s", "figure3", "smoke", cells(seeds=1))
    assert finish_on(lambda: local_workers(2), sweep, worker_cores=1) == {}
    before = {c: (sweep.folder(c) / "summary.json").stat().st_mtime_ns for c in sweep.cells}
    sweep = extended(sweep, cells(seeds=2))
    assert len(sweep.cells) == 4 and open_sweep(tmp_path / "s") == sweep
    assert finish_on(lambda: local_workers(2), sweep, worker_cores=1) == {}
    assert table(sweep) == expected
    after = {c: (sweep.folder(c) / "summary.json").stat().st_mtime_ns for c in before}
    assert after == before
    other = EXPERIMENTS["figure3"].cells("smoke", [0], overrides=[*SMALL, "free.steps=7"])
    with pytest.raises(ConfigError, match=r"got free\.steps = 7 instead of \d+ for"):
        extended(sweep, other)
    # Another seed of the same condition, and another condition on other examples.
    third = EXPERIMENTS["figure3"].cells("smoke", [2], overrides=[*SMALL, "free.steps=7"])
    with pytest.raises(ConfigError, match=r"got free\.steps = 7 instead of \d+ for"):
        extended(sweep, third)
    bare = dataclasses.replace(sweep, cells=sweep.cells[:1])
    fewer = EXPERIMENTS["figure3"].cells("smoke", [2], overrides=[*SMALL, "data.num_train=50"])
    for cell in fewer:
        with pytest.raises(ConfigError, match=r"got data\.num_train = 50 instead of \d+ for"):
            extended(bare, {cell: fewer[cell]})
        assert not bare.folder(cell).exists()
    longer = EXPERIMENTS["figure3"].cells("smoke", [2], epochs=9, overrides=SMALL)
    assert len(extended(sweep, longer).cells) == len(sweep.cells) + len(longer)


def test_what_tells_runs_or_conditions_apart_is_not_set_for_all():
    def asked(*overrides, only=()):
        return EXPERIMENTS["figure3"].cells("smoke", range(2), only=only, overrides=overrides)

    with pytest.raises(ConfigError, match=r"got 5\. Say --first-seed 5"):
        asked("seed=5")
    with pytest.raises(ConfigError, match="must leave `name` to the conditions, got name=x"):
        asked("name=x")
    with pytest.raises(ConfigError, match=r"got topology\.wiring=layered, which is .* in '"):
        asked("topology.wiring=layered")
    alone = asked("topology.p=0.4", only=["rewired"])
    assert [config.flat()["topology.p"] for config in alone.values()] == [0.4, 0.4]
    assert [config.seed for config in alone.values()] == [0, 1]


def test_a_cell_that_fails_does_not_stop_the_rest(tmp_path, monkeypatch):
    one_thread(monkeypatch)
    sweep = create_sweep(tmp_path, "s", "figure3", "smoke", cells(seeds=1))
    first, second = sweep.cells
    config = sweep.folder(first) / "config.toml"
    config.write_text(config.read_text().replace("epochs = 2", "epochs = -2"))
    for failures in (finish_on(lambda: local_workers(1), sweep), finish_here(sweep)):
        assert list(failures) == [first.name] and "epochs" in failures[first.name]
    assert sweep.is_finished(second) and not sweep.is_finished(first)


def test_a_worker_that_dies_is_replaced(tmp_path, expected):
    sweep = create_sweep(tmp_path, "s", "figure3", "smoke", cells())
    killed = []

    def kill_once(line: str) -> None:
        if not killed:
            children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
            workers = [int(pid) for pid in children if "spawn_main" in command_of(pid)]
            assert workers
            killed.append(workers[-1])
            os.kill(workers[-1], signal.SIGKILL)

    assert finish_on(lambda: local_workers(2), sweep, Context(tell=kill_once), worker_cores=1) == {}
    assert killed and table(sweep) == expected


def test_a_cell_that_kills_its_worker_fails_alone(tmp_path):
    sweep = create_sweep(tmp_path, "s", "figure3", "smoke", cells())
    first, *others = sweep.cells
    context = multiprocessing.get_context("spawn")

    def pool():
        return ProcessPoolExecutor(
            1, mp_context=context, initializer=die_under, initargs=(first.name,)
        )

    said = []
    failures = finish_on(pool, sweep, Context(tell=said.append), worker_cores=1)
    assert list(failures) == [first.name] and "died, three times" in failures[first.name]
    assert [cell for cell in others if not sweep.is_finished(cell)] == []
    assert len(said) == len(sweep.cells)


def command_of(pid: str) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode()


def started(arguments: list[str], **options) -> subprocess.Popen:
    return subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.DEVNULL, **options)


def test_a_launcher_that_is_asked_to_stop_has_its_workers_save(tmp_path):
    arguments = ["reproduce", "figure3", "--preset", "smoke", "--epochs", "400", "--workers", "2"]
    launcher = started([*arguments, "--deterministic", "--out", str(tmp_path)])
    folder = tmp_path / "figure3-smoke"
    records = folder / "layered-seed0" / "metrics.jsonl"
    wait_until(lambda: records.exists() and '"epoch": 3,' in records.read_text())
    launcher.send_signal(signal.SIGTERM)
    assert launcher.wait(60) == 143
    assert list((folder / "layered-seed0" / "checkpoints").glob("step-*"))
    assert not list(folder.glob(".stop*"))


def test_a_signal_to_the_whole_group_has_the_workers_save(tmp_path):
    arguments = ["reproduce", "figure3", "--preset", "smoke", "--epochs", "400", "--workers", "1"]
    launcher = started([*arguments, "--out", str(tmp_path)], start_new_session=True)
    cell = tmp_path / "figure3-smoke" / "layered-seed0"
    records = cell / "metrics.jsonl"
    wait_until(lambda: records.exists() and '"epoch": 3,' in records.read_text())
    os.killpg(launcher.pid, signal.SIGTERM)
    assert launcher.wait(60) == 143
    assert list((cell / "checkpoints").glob("step-*"))
    assert not list(cell.parent.glob(".stop*"))


def test_workers_say_what_a_run_warns_of(tmp_path):
    arguments = ["reproduce", "figure3", "--preset", "smoke", "--epochs", "1", "--workers", "1"]
    options = ["--set", "free.steps=1", "--only", "layered", "--out", str(tmp_path)]
    told = subprocess.run(
        [*COMMAND, *arguments, *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True, check=True,
    ).stderr  # fmt: skip
    assert told.count("layered-seed0: free-unsettled, from epoch 1 on:") == 1


def test_workers_with_a_core_each_have_one_device_each(tmp_path):
    arguments = ["reproduce", "figure3", "--preset", "smoke", "--epochs", "1", "--workers", "2"]
    subprocess.run(
        [*COMMAND, *arguments, "--out", str(tmp_path)], check=True, stdout=subprocess.DEVNULL
    )
    facts = json.loads((tmp_path / "figure3-smoke/rewired-seed0/environment.json").read_text())
    if len(os.sched_getaffinity(0)) < 4:
        # Two devices on one core would wait for each other at every update.
        assert "host_platform_device_count" not in facts["xla_flags"]
        assert "multi_thread_eigen=false" in facts["xla_flags"]


def wait_until(true, seconds=120):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


@pytest.fixture
def cluster(tmp_path):
    """A Dask scheduler and two workers, processes of their own on loopback."""
    environment = os.environ | {"DASK_DISTRIBUTED__ADMIN__LOW_LEVEL_LOG_LENGTH": "0"}
    file = tmp_path / "scheduler.json"
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    processes = [
        subprocess.Popen(
            [*dask, *options, "--scheduler-file", str(file)],
            env=environment, stderr=subprocess.DEVNULL,
        )
    ]  # fmt: skip
    wait_until(file.exists)
    address = json.loads(file.read_text())["address"]
    for _ in range(2):
        worker = [sys.executable, "-m", "distributed.cli.dask_worker", address]
        where = ["--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--no-dashboard"]
        processes.append(
            subprocess.Popen(
                [*worker, *where, "--local-directory", str(tmp_path / "dask")],
                env=environment, stderr=subprocess.DEVNULL,
            )
        )  # fmt: skip
    yield address, processes
    for process in processes:
        if process.poll() is None:
            process.terminate()
    for process in processes:
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:  # a machine with much else to do
            process.kill()
            process.wait()


def test_a_cluster_survives_a_worker_and_the_launcher(tmp_path, expected, cluster):
    address, (_, worker, _) = cluster
    sweep = create_sweep(tmp_path, "s", "figure3", "smoke", cells())
    arguments = ["resume", str(sweep.path), "--scheduler", address]
    launcher = started(arguments)

    def begun():
        return sum((sweep.folder(cell) / "run.json").exists() for cell in sweep.cells)

    wait_until(lambda: begun() >= 2)  # a cell on each worker
    assert len(sweep.finished) == 0
    worker.kill()
    wait_until(lambda: len(sweep.finished) >= 2)  # by the other one, under the same launcher
    assert launcher.poll() is None and len(sweep.finished) < len(sweep.cells)
    launcher.kill()  # the worker goes on with what it has begun
    launcher.wait()
    again = started(arguments)
    assert again.wait(240) == 0
    assert table(sweep) == expected
    for cell in sweep.cells:
        lines = (sweep.folder(cell) / "metrics.jsonl").read_text().splitlines()
        epochs = [json.loads(line)["epoch"] for line in lines if '"kind": "epoch"' in line]
        assert epochs == [1, 2]


def test_a_launcher_that_is_asked_to_stop_has_a_clusters_workers_save(tmp_path, cluster):
    chosen = EXPERIMENTS["figure3"].cells("smoke", [0, 1], epochs=400)
    sweep = create_sweep(tmp_path, "s", "figure3", "smoke", chosen)
    launcher = started(["resume", str(sweep.path), "--scheduler", cluster[0]])
    wait_until(lambda: sum('"epoch": 3,' in records(sweep, cell) for cell in sweep.cells) == 2)
    launcher.send_signal(signal.SIGTERM)
    assert launcher.wait(60) == 143
    begun = [cell for cell in sweep.cells if records(sweep, cell)]
    assert len(begun) == 2
    for cell in begun:  # saved before the launcher ended
        assert list((sweep.folder(cell) / "checkpoints").glob("step-*"))
    assert not list(sweep.path.glob(".stop*"))


def test_a_launcher_on_a_cluster_without_workers_can_be_stopped(tmp_path, cluster):
    address, (_, *workers) = cluster
    for worker in workers:
        worker.terminate()
        worker.wait(30)
    sweep = create_sweep(tmp_path, "s", "figure3", "smoke", cells())
    launcher = started(
        ["resume", str(sweep.path), "--scheduler", address], stderr=subprocess.PIPE, text=True
    )
    assert launcher.stderr and "no worker yet" in launcher.stderr.readline()
    time.sleep(1)  # the cells are submitted
    launcher.send_signal(signal.SIGTERM)
    _, error = launcher.communicate(timeout=60)
    assert launcher.returncode == 143
    assert "stopped by SIGTERM. Go on with:\n  eqprop resume" in error
    assert not list(sweep.path.glob(".stop*"))
    assert not any((sweep.folder(cell) / "run.json").exists() for cell in sweep.cells)


def records(sweep, cell) -> str:
    path = sweep.folder(cell) / "metrics.jsonl"
    return path.read_text() if path.exists() else ""


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--scheduler", "tcp://127.0.0.1:9"], 2, "a Dask scheduler that answers"),
        (["--workers", "0"], 2, "`--workers` must be 1 or more"),
        (["--workers", "1", "--scheduler", "tcp://127.0.0.1:9"], 2, "exclude each other"),
        (["--together", "0"], 2, "`--together` must be 1 or more"),
        (["--together", "2", "--workers", "1"], 2, "`--together` trains in this process"),
        (["--into", "nowhere"], 5, "which is no sweep"),
        (["--seeds", "0"], 2, "`--seeds` must be 1 or more"),
    ],
)
def test_bad_input_ends_in_one_message(arguments, code, message, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("eqprop.sweeps.workers._PATIENCE_SECONDS", 1)
    base = ["reproduce", "figure3", "--preset", "smoke", "--out", str(tmp_path)]
    assert run([*base, *arguments]) == code
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error and error.count("eqprop:") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_says_nothing_is_no_scheduler(monkeypatch):
    monkeypatch.setattr("eqprop.sweeps.workers._PATIENCE_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(ConfigError, match=f"{address} .it says nothing"), dask_cluster(address):
            pass
        assert time.monotonic() - began < 30


def test_a_cell_that_another_process_holds_is_waited_for(tmp_path, monkeypatch):
    one_thread(monkeypatch)
    sweep = create_sweep(tmp_path, "s", "figure3", "smoke", cells(seeds=1))
    first, second = sweep.cells
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from eqprop.records.lock import locked\n"
        "with locked(Path(sys.argv[1])):\n"
        "    print(flush=True)\n"
        "    sys.stdin.readline()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(sweep.folder(first))],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdin and holder.stdout and holder.stdout.readline()
    said = []

    def tell(line):
        assert sweep.finished == [second]
        said.append(line)
        holder.communicate("\n")

    assert finish_here(sweep, Context(tell=tell)) == {}
    assert len(said) == 1 and "Waiting for it" in said[0]
    assert sweep.finished == [first, second]


def test_dask_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match=r"eqprop\[cluster\]"), dask_cluster("x"):
        pass


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (PackageNotFoundError("eqprop"), "must have eqprop installed, got tcp://here without it"),
        ("0.0.1", r"must have eqprop .*, as this process, got 0\.0\.1 at tcp://here"),
    ],
    ids=["none", "another"],
)
def test_a_worker_that_could_not_take_a_cell_is_named(version, message):
    class Client:
        def run(self, function, name, on_error):
            assert function.__module__.startswith("importlib") and on_error == "return"
            return {"tcp://there": function(name), "tcp://here": version}

    with pytest.raises(ConfigError, match=message):
        check_packages(Client())
