"""Real processes, killed and signalled: what is resumed equals what was never interrupted.

`python -m pytest tests/running/test_kill.py --kills 200` is the long form.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from eqprop.config.settings import load
from eqprop.records import read_checkpoint

SETTINGS = load(
    Path(__file__).parent / "small.toml",
    ["name=run", "training.epochs=60", "checkpoint.keep_finished=true"],
)
CHUNKS_PER_EPOCH = 4


def start(arguments: list[str], cache: Path, before: str = "") -> subprocess.Popen:
    environment = os.environ | {
        # Compiled once for all the processes of this test.
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    code = f"{before}; from eqprop.cli import main; main()".removeprefix("; ")
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def begun(folder: Path, process: subprocess.Popen, times: int) -> bool:
    """Waits until the run has started or resumed for the n-th time; False if it ended first."""
    timing = folder / "timing.jsonl"
    while process.poll() is None:
        if timing.exists() and timing.read_text().count('"event"') >= times:
            return True
        time.sleep(0.005)
    return False


def finish(process: subprocess.Popen) -> str:
    error = process.communicate(timeout=300)[1].decode()
    assert process.returncode == 0, error
    return error


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("kills")


@pytest.fixture(scope="module")
def whole(place):
    """A run that nobody interrupts."""
    (place / "run.toml").write_text(SETTINGS.to_toml())
    arguments = ["train", str(place / "run.toml"), "--deterministic", "--out", str(place / "whole")]
    finish(start(arguments, place / "cache"))
    return place / "whole" / "run"


def assert_same_run(folder: Path, whole: Path) -> None:
    """Weights, biases, optimiser, particles and metrics, bit for bit."""
    assert (folder / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()
    ends = []
    for path in (folder, whole):
        run_id = json.loads((path / "run.json").read_text())["id"]
        last = sorted((path / "checkpoints").glob("step-*"))[-1]
        files = read_checkpoint(last, run_id).files
        arrays = files["training.safetensors"] | files["particles_0.safetensors"]
        ends.append(arrays | load_file(path / "network.safetensors"))
    mine, theirs = ends
    assert mine.keys() == theirs.keys() and len(mine) > 20
    assert theirs["particles"].std() > 0.1 and any("trace" in name for name in mine)
    for name, value in mine.items():
        assert value.tobytes() == theirs[name].tobytes(), name


def chunks_done(folder: Path) -> int:
    """Chunks whose records reached the disk: the last recorded batch says."""
    lines = (folder / "metrics.jsonl").read_text().split("\n")[:-1]
    batches = [json.loads(line)["batch"] for line in lines if '"updates"' in line]
    if not batches:
        return 0
    epoch, batch = divmod(batches[-1], 15)
    return CHUNKS_PER_EPOCH * epoch + batch // 4 + 1


def test_resume_after_kill_at_random_moments_is_exact(place, whole, request):
    wanted = request.config.getoption("--kills")
    rng = random.Random(0)
    kills = inside_writer = runs = lost = 0
    while kills < wanted:
        folder = place / f"kills-{runs}" / "run"
        arguments = ["train", str(place / "run.toml"), "--deterministic"]
        process = start([*arguments, "--out", str(folder.parent)], place / "cache")
        legs, before = 1, 0
        while True:
            if not begun(folder, process, legs):
                break
            if legs > 1:
                events = (folder / "timing.jsonl").read_text().splitlines()
                event = [json.loads(e) for e in events if '"event"' in e][-1]
                resumed = CHUNKS_PER_EPOCH * event["epoch"] + -(-event["batch"] // 4)
                lost = max(lost, before - resumed)
            if kills == wanted:
                break
            if kills % 4 == 0:  # inside the writer
                deadline = time.monotonic() + rng.uniform(0.0, 0.4)
                while time.monotonic() < deadline and process.poll() is None:
                    pass
                while process.poll() is None:
                    if any((folder / "checkpoints").glob(".writing*")):
                        break
            else:
                time.sleep(rng.uniform(0.0, 0.6))
            if process.poll() is not None:
                break
            process.kill()
            process.communicate()
            kills += 1
            inside_writer += any((folder / "checkpoints").glob(".writing*"))
            run_id = json.loads((folder / "run.json").read_text())["id"]
            for point in (folder / "checkpoints").glob("step-*"):
                read_checkpoint(point, run_id)  # raises if a kill left one unreadable
            before = chunks_done(folder) if (folder / "metrics.jsonl").exists() else 0
            process = start(["resume", str(folder)], place / "cache")
            legs += 1
        finish(process)
        assert_same_run(folder, whole)
        shutil.rmtree(folder.parent)
        runs += 1
    print(f"{kills} kills, {inside_writer} inside the writer, {runs} runs, {lost} intervals lost")
    assert lost <= 1
    if wanted >= 100:
        assert inside_writer >= wanted // 8


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGUSR1, 75)]
)
def test_resume_after_a_signal_is_exact(place, whole, number, code):
    folder = place / f"signal-{code}" / "run"
    arguments = ["train", str(place / "run.toml"), "--deterministic", "--out", str(folder.parent)]
    process = start(arguments, place / "cache")
    assert begun(folder, process, 1)
    time.sleep(0.3)
    process.send_signal(number)
    error = process.communicate(timeout=60)[1].decode()
    assert process.returncode == code, error
    assert "Traceback" not in error and f"eqprop resume {folder}" in error
    assert not (folder / "summary.json").exists()
    finish(start(["resume", str(folder)], place / "cache"))
    assert_same_run(folder, whole)


def test_a_second_interrupt_leaves_at_once_and_resume_is_exact(place, whole):
    folder = place / "twice" / "run"
    arguments = ["train", str(place / "run.toml"), "--deterministic", "--out", str(folder.parent)]
    process = start(arguments, place / "cache")
    assert begun(folder, process, 1)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 130
    if "left at once" not in error:  # it had already saved before the second one came
        assert "go on with" in error
    finish(start(["resume", str(folder)], place / "cache"))
    assert_same_run(folder, whole)


def test_the_settings_of_a_deterministic_run_say_so(whole):
    assert load(whole / "config.toml").deterministic
    environment = json.loads((whole / "environment.json").read_text())
    assert "xla_cpu_multi_thread_eigen=false" in environment["xla_flags"]


def test_resume_after_the_disk_refused_to_grow_a_file(place, whole):
    """A limit of the kernel stands for a full disk: writes beyond it fail with an error."""
    folder = place / "full" / "run"
    arguments = ["train", str(place / "run.toml"), "--deterministic", "--out", str(folder.parent)]
    size = (whole / "metrics.jsonl").stat().st_size
    largest = max(p.stat().st_size for p in (whole / "checkpoints").rglob("*.safetensors"))
    assert largest < size // 2, "the checkpoints must fit where the metrics do not"
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({size // 2},) * 2)"
    process = start(arguments, place / "cache", limit)
    error = process.communicate(timeout=120)[1].decode()
    assert process.returncode == 5, error
    assert str(folder / "metrics.jsonl") in error and "Traceback" not in error
    finish(start(["resume", str(folder)], place / "cache"))
    assert_same_run(folder, whole)
