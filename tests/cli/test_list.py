"""`eqprop list` and `eqprop watch`. Oracle: the records of the runs themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import eqprop
from eqprop.cli import run as eqprop_run
from eqprop.records import locked
from eqprop.records.lock import is_held
from eqprop.running.overview import standing, standings

RNG = np.random.default_rng(0)
X, Y = RNG.random((40, 3)), RNG.integers(0, 2, 40)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs")
    settings = {"topology": {"layer_sizes": [3, 4, 2]}, "training": {"epochs": 2}}
    finished = eqprop.train({**settings, "name": "done"}, data=(X, Y), out=place)
    stopped = eqprop.train({**settings, "name": "half"}, data=(X, Y), out=place)
    (stopped.folder / "summary.json").unlink()
    lines = (stopped.folder / "metrics.jsonl").read_text().splitlines(True)
    first = next(k for k, line in enumerate(lines) if '"epoch": 1,' in line)
    # The next line is being written just now.
    (stopped.folder / "metrics.jsonl").write_text("".join(lines[: first + 1]) + '{"kind": "ep')
    return place, finished, stopped


def test_a_list_says_where_each_run_stands(runs, capsys):
    place, finished, _ = runs
    found = {one.path.name: one for one in standings(place)}
    assert {name: (one.state, one.epoch) for name, one in found.items()} == {
        "done": ("finished", 2),
        "half": ("stopped", 1),
    }
    assert found["done"].entry["training_error"] == finished.entries()[-1]["training_error"]
    (place / "broken").mkdir()
    (place / "broken" / "config.toml").write_text("[")
    assert eqprop_run(["list", str(place)]) == 0
    told = capsys.readouterr().out
    (place / "broken" / "config.toml").unlink()
    assert "half" in told and "1/2" in told and "stopped" in told and "unreadable" in told
    assert f"{100 * finished.entries()[-1]['validation_error']:.2f} %" in told


def test_a_run_that_goes_on_is_seen_to(runs):
    _place, finished, stopped = runs
    assert not is_held(stopped.folder)
    hold = (
        "import sys, pathlib, time\nfrom eqprop.records import locked\n"
        "with locked(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", hold, str(stopped.folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    assert standing(stopped.folder).state == "running"
    assert standing(finished.folder).state == "finished"
    other.communicate("")
    assert standing(stopped.folder).state == "stopped"


def test_watching_ends_with_the_last_run(runs, capsys):
    place, _, stopped = runs
    watcher = threading.Thread(target=eqprop_run, args=(["watch", str(place), "--every", "0.1"],))
    with locked(stopped.folder):
        watcher.start()
        time.sleep(1)
        assert watcher.is_alive()
    watcher.join(10)
    assert not watcher.is_alive()
    told = capsys.readouterr().out.splitlines()
    assert [line.split(" training")[0] for line in told if "epoch" in line] == [
        "done epoch 2/2", "half epoch 1/2",
    ]  # fmt: skip
    assert told[-2:] == ["done: finished", "half: stopped"]


def test_a_folder_without_runs_is_said(tmp_path, capsys):
    assert eqprop_run(["list", str(tmp_path)]) == 5
    assert eqprop_run(["watch", str(tmp_path / "none")]) == 5
    assert "without any" in (told := capsys.readouterr().err) and "which is none" in told


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody with fewer rights")
def test_who_may_only_read_sees_whether_a_run_goes_on(runs):
    place, _, stopped = runs
    place.chmod(0o755)
    for parent in place.parents:
        if parent.name.startswith(("pytest-", "popen-")):  # those that pytest made, for root alone
            parent.chmod(0o755)
    look = (
        "import os, sys, pathlib\nfrom eqprop.records.lock import is_held\nos.seteuid(65534)\n"
        "print(is_held(pathlib.Path(sys.argv[1])))"
    )

    def seen():
        command = [sys.executable, "-c", look, str(stopped.folder)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    with locked(stopped.folder):
        assert seen() == "True"
    assert seen() == "False"


def test_names_are_told_whole_and_as_they_are(runs, capsys):
    place, _, stopped = runs
    name = "half [old] " + 8 * "of-a-name-that-is-long-"
    shutil.copytree(stopped.folder, place / name)
    assert eqprop_run(["list", str(place)]) == 0
    shutil.rmtree(place / name)
    assert name in capsys.readouterr().out
