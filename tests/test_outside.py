"""Things of every kind from a distribution outside this package, by name in a settings file.

`tests/outside` becomes an installed distribution: its module and a `dist-info` with entry points
lie on the path of the processes that run the commands, of spawned workers too.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ENTRIES = {
    "activation.soft-sign": "SoftSignSettings",
    "term.levels": "LevelsSettings",
    "relaxation.two-halves": "TwoHalvesSettings",
    "rule.between": "BetweenSettings",
    "dataset.stripes": "StripesSettings",
    "experiment.strength-question": "QUESTION",
}
SETTINGS = """
name = "outside"
[topology]
layer_sizes = [16, 10, 2]
[network]
activation = "soft-sign"
term = "levels"
strength = 0.3
[free]
method = "two-halves"
steps = 300
[nudged]
method = "two-halves"
steps = 30
[learning]
rule = "between"
most = 0.3
learning_rate = 0.2
max_weight = 0.9
own_rates = { "terms[0]_levels" = 0.05 }
[data]
dataset = "stripes"
noise = 0.1
[training]
epochs = 25
[checkpoint]
every_epochs = 0
every_minutes = 0
"""
STOPPED = """
import signal, sys
from pathlib import Path
from eqprop.config.settings import load
from eqprop.errors import Stopped
from eqprop.running.context import Context
from eqprop.running.run import train
left = 5
def stop():
    global left
    left -= 1
    return signal.SIGTERM if left < 0 else None
try:
    train(load(Path("outside.toml")), Path("stopped"), Context(stop=stop))
except Stopped as stopped:
    sys.exit(stopped.exit_code)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the settings, and the distribution in `site` beside them."""
    folder = tmp_path_factory.mktemp("outside")
    info = folder / "site" / "outside_parts-1.0.dist-info"
    info.mkdir(parents=True)
    shutil.copy(Path(__file__).parent / "outside" / "outside_parts.py", info.parent)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside-parts\nVersion: 1.0\n")
    lines = [f"{name} = outside_parts:{what}" for name, what in ENTRIES.items()]
    (info / "entry_points.txt").write_text("\n".join(["[eqprop]", *lines]) + "\n")
    (folder / "outside.toml").write_text(SETTINGS)
    return folder


def run(place: Path, *arguments: str, code: int = 0) -> str:
    path = os.pathsep.join([str(place / "site"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, *arguments], cwd=place, env=os.environ | {"PYTHONPATH": path},
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == code, done.stderr[-3000:]
    return done.stdout + done.stderr


def command(place: Path, *arguments: str, code: int = 0) -> str:
    return run(place, "-m", "eqprop", *arguments, code=code)


def test_a_run_of_outside_parts_trains_stops_resumes_and_is_looked_at(place):
    command(place, "train", "outside.toml", "--out", "whole")
    run(place, "-c", STOPPED, code=143)
    command(place, "resume", "stopped/outside")
    whole, resumed = (place / name / "outside" for name in ("whole", "stopped"))
    assert (whole / "metrics.jsonl").read_bytes() == (resumed / "metrics.jsonl").read_bytes()
    entries = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    errors = [entry["training_error"] for entry in entries if entry["kind"] == "epoch"]
    assert errors[-1] < 0.6 * errors[0]
    assert any("terms[0] levels" in e["updates"] for e in entries if e["kind"] == "updates")
    shown = command(place, "audit", "whole/outside", "--examples", "20")
    assert "others" in shown and "BROKEN" not in shown
    command(place, "report", "whole/outside", "--out", "page.html")
    assert "between" in (place / "page.html").read_text("utf-8")
    evaluated = json.loads(command(place, "evaluate", "whole/outside"))
    assert evaluated["dataset"] == "stripes" and evaluated["validation_error"] < 0.4


def test_an_experiment_from_outside_runs_in_workers_and_is_drawn_its_own_way(place):
    shown = command(
        place, "reproduce", "strength-question", "--preset", "smoke", "--workers", "2", "--out", "q"
    )
    assert "4 epochs of a question from outside" in shown
    folder = place / "q" / "strength-question-smoke"
    assert (folder / "strength-question.png").stat().st_size > 5_000
    assert "does the largest beta matter" in command(place, "reproduce", "--list")


def test_without_the_distribution_its_names_are_unknown(place):
    done = subprocess.run(
        [sys.executable, "-m", "eqprop", "train", "outside.toml"],
        cwd=place, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2 and "soft-sign" in done.stderr and "Traceback" not in done.stderr
