"""The command line in the places where people run it."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eqprop import compiler
from eqprop.cli import run

SETTINGS = """\
[topology]
layer_sizes = [20, 12, 4]
[data]
dataset = "teacher"
num_train = 100
[training]
epochs = 1
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with a small run's settings."""
    (tmp_path / "small.toml").write_text(SETTINGS, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def started(*arguments, **settings):
    """The command line in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "eqprop", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **settings,
    )  # fmt: skip


def test_a_path_that_the_terminal_cannot_spell(folder):
    process = started(
        "train", "small.toml", "--out", "実験", env=os.environ | {"PYTHONIOENCODING": "cp1252"}
    )
    out, problem = process.communicate()
    assert process.returncode == 0, problem
    assert "\\u5b9f" in out and (folder / "実験" / "run" / "summary.json").is_file()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM], ids=["hang-up", "terminate"])
def test_a_closed_terminal_saves_as_a_stop_does(folder, number):
    text = SETTINGS.replace("epochs = 1", "epochs = 100000")
    (folder / "long.toml").write_text(text, "utf-8")
    process = started("train", "long.toml")
    try:
        while not (metrics := folder / "runs" / "run" / "metrics.jsonl").is_file():
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.1)
        assert metrics.is_file()
        process.send_signal(number)
        _, problem = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 128 + number and "Saved" in problem
    assert list((folder / "runs" / "run" / "checkpoints").glob("step-*"))


def test_a_closed_pipe_ends_a_listing_quietly(folder):
    process = subprocess.run(
        f"'{sys.executable}' -m eqprop reproduce --list | head -n 1",
        shell=True, capture_output=True, text=True,
    )  # fmt: skip
    assert process.stdout.count("\n") == 1 and process.stderr == ""


def test_folders_that_cannot_be_synced_end_no_run(folder, monkeypatch):
    real, refused = os.fsync, []

    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            refused.append(descriptor)
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    assert run(["train", "small.toml", "--set", "checkpoint.every_epochs=0",
                "--set", "checkpoint.every_minutes=0"]) == 0  # fmt: skip
    assert refused and (folder / "runs" / "run" / "summary.json").is_file()


def test_settings_with_a_byte_order_mark_are_read(folder):
    (folder / "marked.toml").write_text("\ufeffseed = 1\n" + SETTINGS, "utf-8")
    assert run(["train", "marked.toml"]) == 0


@pytest.mark.parametrize(
    "changes",
    [
        ["training.data_shards=3", "data.batch_size=20"],
        ["topology.layer_sizes=[21, 12, 4]"],
        ["learning.rule=recurrent-backpropagation", "network.activation=hard-sigmoid",
         "free.method=euler", "learning.nudging=random-sign"],
    ],
    ids=["shards", "sizes", "what the rule has not"],
)  # fmt: skip
def test_a_run_that_cannot_start_leaves_no_folder(folder, changes, capsys):
    arguments = [part for change in changes for part in ("--set", change)]
    assert run(["train", "small.toml", *arguments]) in (2, 4)
    assert capsys.readouterr().err.startswith("eqprop: ")
    assert not (folder / "runs").exists()


def test_other_layers_have_a_share_of_the_replacements(capsys):
    assert run(["topology", "--set", "topology.layer_sizes=[6,5,5,2]"]) == 0
    assert '"originals_drawn": 1.0' not in capsys.readouterr().out


def test_the_doctor_says_what_is_there_and_what_to_do(folder, capsys, monkeypatch):
    assert run(["doctor", "--data-dir", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "jaxlib:" in out and "compiled arithmetic:   right" in out
    assert "data: mnist:           not here\n" in out and "-> eqprop data fetch mnist" in out
    monkeypatch.setattr(compiler, "is_right", lambda: False)
    assert run(["doctor"]) == 2
    found = capsys.readouterr()
    assert "wrong: runs are refused" in found.out and "pip install" in found.out
    assert "compiled arithmetic wrong" in found.err


def test_mnist_as_others_name_it_is_found(tmp_path):
    from eqprop.data.idx import MNIST, folder_of

    for spelled in ("{0}", "{0}.gz", "{1}", "{0}/{0}", "{1}/{1}.gz"):
        place = tmp_path / spelled.replace("/", "-")
        for name in MNIST.digests:
            file = place / spelled.format(name, name.replace("-idx", ".idx"))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"")
        assert folder_of(MNIST, place) is not None, spelled
        next(path for path in sorted(place.rglob("*")) if path.is_file()).unlink()
        assert folder_of(MNIST, place) is None, spelled
    assert folder_of(MNIST, Path(tmp_path / "nowhere")) is None
