"""Sweeps of anything: conditions as they are asked for, and numbers that NumPy agrees with."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.stats

import eqprop
from eqprop.analysis import varied
from eqprop.analysis.tables import Drawn, caption
from eqprop.cli import run as cli
from eqprop.errors import ConfigError
from eqprop.sweeps.sweep import create_sweep, extended, open_sweep
from eqprop.sweeps.vary import conditions_of, parsed, varied_cells
from eqprop.sweeps.workers import finish_here

SMALL = """
[topology]
layer_sizes = [20, 10, 9, 4]
[data]
dataset = "teacher"
num_train = 100
[training]
epochs = 2
data_shards = 1
[evaluation]
examples = 50
"""


@pytest.fixture
def toml(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(SMALL)
    return tmp_path / "mine.toml"


def test_conditions_are_every_value_with_every_other_or_zipped():
    asked = parsed(["topology.p=0.01, 0.3", "topology.layer_sizes=[6,4,2],[6,5,2]", "free.steps=7"])
    assert asked["topology.layer_sizes"] == [[6, 4, 2], [6, 5, 2]] and asked["free.steps"] == [7]
    every = conditions_of(asked)
    assert len(every) == 4
    name = "p=0.3, layer_sizes=[6, 4, 2], steps=7"
    assert every[name] == {"topology.p": 0.3, "topology.layer_sizes": [6, 4, 2], "free.steps": 7}
    zipped = conditions_of({k: asked[k] for k in list(asked)[:2]}, zipped=True)
    assert [c["topology.p"] for c in zipped.values()] == [0.01, 0.3]
    assert [c["topology.layer_sizes"][1] for c in zipped.values()] == [4, 5]
    words = parsed(["learning.rule=equilibrium-propagation,coupled-learning", "seed=1"])
    assert words["learning.rule"] == ["equilibrium-propagation", "coupled-learning"]


def test_cells_have_settings_of_their_own_and_names_that_folders_bear(toml):
    vary = {"topology.p": [0.1, 0.3], "topology.layer_sizes": [[20, 10, 9, 4], [20, 10, 4]]}
    cells = varied_cells(
        conditions_of(vary), range(2), given=toml, overrides=["topology.wiring=rewire"]
    )
    assert len(cells) == 8 and len({cell.name for cell in cells}) == 8
    for cell, config in cells.items():
        assert config.name == cell.name and config.seed == cell.seed
        assert f"p={config.flat()['topology.p']}" in cell.condition
    assert {tuple(c.topology.layer_sizes) for c in cells.values()} == {(20, 10, 9, 4), (20, 10, 4)}


def test_names_of_folders_are_no_longer_than_a_file_system_has_them(toml):
    long = [[20, *[9] * depth, 4] for depth in (150, 151)]
    cells = varied_cells(conditions_of({"topology.layer_sizes": long}), [0], given=toml)
    sweep = create_sweep(toml.parent, "s", "own", "own", cells, ["topology.layer_sizes"])
    assert len({cell.name for cell in sweep.cells}) == 2
    assert all(len(cell.name) < 200 < len(cell.condition) for cell in sweep.cells)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "must vary something"),
        (["--vary", "topology.intralayers=true,false"], "Did you mean `topology.intralayer`"),
        (["--vary", "training.epoch=1,2"], "`training.epochs`"),
        (["--vary", "seed=1,2"], "--seeds"),
        (["--vary", "free.steps=5,6", "--set", "seed=7"], "Say --first-seed 7"),
        (["--vary", "training.epochs"], "must look like section.key=value,value"),
        (["--vary", "free.steps=5,5"], "steps=5 twice"),
        (["--vary", "free.steps=5,6", "--vary", "nudged.steps=1,2,3", "--zip"], "2 of free.steps"),
        (["--vary", "free.steps=5,-6"], "free.steps"),
        (["--vary", "free.steps=5,6", "--workers", "0"], "`--workers` must be 1 or more"),
    ],
)
def test_what_cannot_be_swept_is_said_and_leaves_no_folder(arguments, words, toml, capsys):
    assert cli(["sweep", "mine.toml", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert not (toml.parent / "runs").exists()


def test_a_sweep_is_trained_told_extended_and_reported(toml, capsys):
    base = ["sweep", "mine.toml", "--seeds", "2"]
    assert cli([*base, "--vary", "learning.learning_rate=0.01,0.05,0.2"]) == 0
    printed = capsys.readouterr()
    assert "learning_rate=0.05" in printed.out and "minus first" in printed.out
    folder = toml.parent / "runs" / "mine"
    for name in ("mine.csv", "mine-conditions.csv", "mine.png", "caption.txt"):
        assert (folder / name).stat().st_size > 0, name
    sweep = open_sweep(folder)
    assert sweep is not None and sweep.varied == ("learning.learning_rate",)
    assert len(sweep.finished) == 6
    more = [*base, "--vary", "learning.learning_rate=0.01,0.4", "--into", str(folder)]
    written = (folder / "learning_rate-0.01-seed0" / "summary.json").stat().st_mtime_ns
    assert cli(more) == 0
    assert len(open_sweep(folder).finished) == 8  # type: ignore[union-attr]
    assert (folder / "learning_rate-0.01-seed0" / "summary.json").stat().st_mtime_ns == written
    capsys.readouterr()
    assert cli([*base, "--vary", "free.steps=5,6", "--into", str(folder)]) == 5
    assert "varies learning.learning_rate" in capsys.readouterr().err
    assert cli([*more, "--set", "free.steps=7"]) == 2
    assert "must keep its settings, got free.steps = 7" in capsys.readouterr().err
    for other in ("free.steps=7", "training.epochs=5", "evaluation.start=kept"):
        new = [*base, "--vary", "learning.learning_rate=0.7", "--into", str(folder)]
        is_fine = other.startswith("evaluation")
        begun = read_epochs(folder)
        assert cli([*new, "--set", other]) == (0 if is_fine else 2), other
        assert is_fine or f"got {other.replace('=', ' = ')}" in capsys.readouterr().err
        assert is_fine or read_epochs(folder) == begun
    third = ["sweep", "mine.toml", "--first-seed", "2", "--vary", "learning.learning_rate=0.01"]
    assert cli([*third, "--set", "training.epochs=5", "--into", str(folder)]) == 2
    assert "got training.epochs = 5 instead of 2" in capsys.readouterr().err
    named = ["--set", "name=other", "--vary", "learning.learning_rate=0.01"]
    assert cli(["sweep", "mine.toml", *named]) == 0
    assert (toml.parent / "runs" / "other" / "other.csv").is_file()
    page = toml.parent / "page.html"
    assert cli(["report", str(folder), "--out", str(page)]) == 0
    assert "learning_rate=0.4" in page.read_text() and "minus first" in page.read_text()
    # The same of some of its runs: conditions are found from what differs.
    runs = [str(folder / f"learning_rate-{r}-seed{s}") for r in (0.01, 0.2) for s in (0, 1)]
    assert cli(["report", *runs, "--out", str(page)]) == 0
    assert "learning_rate=0.2" in page.read_text() and "minus first" in page.read_text()


def read_epochs(folder):
    return {path.parent.name for path in folder.glob("*/config.toml")}


def test_a_seed_of_a_file_is_not_ignored(toml, capsys):
    toml.write_text("seed = 7\n" + SMALL)
    assert cli(["sweep", "mine.toml", "--vary", "free.steps=5,6"]) == 2
    assert "`seed` must be left to --seeds and --first-seed" in capsys.readouterr().err
    toml.write_text("seed = 0\n" + SMALL)  # as `eqprop config` prints it
    assert len(varied_cells({"a": {}}, range(2), given=toml)) == 2


def test_cells_that_launchers_add_at_once_are_all_there(toml):
    def cells(seed):
        return varied_cells({"steps=5": {"free.steps": 5}}, [seed], given=toml)

    sweep = create_sweep(toml.parent, "s", "own", "own", cells(0), ["free.steps"])
    together = threading.Barrier(8)

    def add(seed):
        together.wait()
        extended(sweep, cells(seed))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(1, 9)))
    found = open_sweep(sweep.path)
    assert found is not None and sorted(cell.seed for cell in found.cells) == list(range(9))


def test_captions_tell_all_the_data_there_are(toml, capsys):
    cells = varied_cells(
        {f"num_train={n}": {"data.num_train": n} for n in (40, 80)}, [0], given=toml
    )
    sweep = create_sweep(toml.parent, "s", "own", "own", cells, ["data.num_train"])
    assert finish_here(sweep) == {}
    assert caption(sweep).startswith("teacher, 40, 80 training examples, 2 epochs, seed 0")
    # A cell that was deleted is missing, and stops nobody.
    shutil.rmtree(sweep.folder(sweep.cells[0]))
    assert caption(sweep).startswith("teacher, 80 training examples")
    assert cli(["report", str(sweep.path), "--out", "page.html"]) == 0
    assert "Not finished, and not shown" in (toml.parent / "page.html").read_text()
    assert cli(["resume", str(sweep.path)]) == 5
    assert "with --into, begins it anew" in capsys.readouterr().err
    # It is begun anew by whoever asks for it, and does not stand in the way of others.
    more = varied_cells({"num_train=60": {"data.num_train": 60}}, [0], given=toml)
    grown = extended(sweep, more)
    assert len(grown.cells) == 3 and not grown.has(sweep.cells[0])
    assert finish_here(extended(grown, cells)) == {} and len(grown.finished) == 3


def test_means_intervals_and_pairs_are_those_of_numpy_and_scipy(toml):
    found = eqprop.sweep(
        str(toml), vary={"learning.learning_rate": [0.01, 0.3]}, seeds=3, out="runs"
    )
    rows = varied.ends(Drawn.of(open_sweep(found.folder)))  # type: ignore[arg-type]
    assert [row["learning.learning_rate"] for row in rows] == 3 * [0.01, 0.3]
    ends = np.array([run.summary["validation_error"] for run in found.runs]).reshape(3, 2)
    assert np.ptp(ends) > 0.05
    table = {(r["condition"], r["measure"]): r for r in varied.compared(rows)}
    second = table["learning_rate=0.3", "validation"]
    for name, values in (("", ends[:, 1]), ("difference", ends[:, 1] - ends[:, 0])):
        low, high = scipy.stats.t.interval(0.95, 2, values.mean(), scipy.stats.sem(values))
        assert second[name or "mean"] == pytest.approx(values.mean())
        keys = (f"{name}_low", f"{name}_high") if name else ("low", "high")
        assert (second[keys[0]], second[keys[1]]) == pytest.approx((low, high))
    assert "difference" not in table["learning_rate=0.01", "validation"]


def test_a_sweep_of_objects_stays_in_its_process_and_goes_on(toml):
    rng = np.random.default_rng(0)
    x = rng.random((120, 6)).astype(np.float32)
    y = np.where(x[:, 0] > x[:, 1], "left", "right")
    topology = eqprop.layered([6, 8, 2])
    settings = {"training": {"epochs": 2}}
    vary = {"learning.learning_rate": [0.02, 0.1]}
    made = eqprop.sweep(settings, vary=vary, data=(x, y), topology=topology, out="own")
    assert repr(made).endswith("2 of 2 runs)")
    assert [run.model.predict(x[:1]).shape for run in made.runs] == [(1,), (1,)]
    summary = made.folder / "learning_rate-0.1-seed0" / "summary.json"
    before = json.loads(summary.read_text())
    summary.unlink()
    assert made.resume().folder == made.folder and json.loads(summary.read_text()) == before
    with pytest.raises(ConfigError, match="objects stay in the process"):
        eqprop.sweep(settings, vary=vary, data=(x, y), topology=topology, out="no", workers=2)


def test_a_wiring_of_ones_own_is_swept(toml):
    (toml.parent / "net.csv").write_text(
        "".join(f"x{k},h{j}\n" for k in range(20) for j in range(6))
        + "".join(f"h{j},y{i}\n" for j in range(6) for i in range(4))
    )
    wiring = {"file": "net.csv", "layers": [["x*"], ["h*"], ["y*"]], "wiring": "rewire_each"}
    settings = {"topology": wiring, "data": {"dataset": "teacher"}, "training": {"epochs": 1}}
    vary = {"topology.p": [0.0, 0.5]}
    found = eqprop.sweep(settings, vary=vary, out="runs", workers=1)
    skips = [run.model.topology.accounting().skip for run in found.runs]
    assert skips[0] == 0 < skips[1] and len(found.runs) == 2


def test_workers_tell_every_epoch_and_a_killed_sweep_goes_on(toml):
    command = [
        sys.executable, "-m", "eqprop", "sweep", "mine.toml", "--vary", "free.steps=20,30",
        "--seeds", "2", "--workers", "2", "--set", "training.epochs=20",
        "--set", "checkpoint.every_minutes=0",
    ]  # fmt: skip
    file = toml.parent / "log.txt"
    with open(file, "w") as log:
        begun = subprocess.Popen(command, stderr=log, stdout=log, start_new_session=True)
        for _ in range(600):
            time.sleep(0.1)
            if "epoch 2/20" in file.read_text():
                break
        os.killpg(begun.pid, signal.SIGKILL)
        begun.wait()
    told = file.read_text()
    assert "seed0 epoch 1/20 training error" in told
    sweep = open_sweep(toml.parent / "runs" / "mine")
    assert sweep is not None and len(sweep.finished) < 4
    assert cli(["resume", "runs/mine"]) == 0
    assert len(sweep.finished) == 4
