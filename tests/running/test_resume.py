"""A run that was stopped and resumed is the run that was not."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import tomllib
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import eqprop
from eqprop import data
from eqprop.cli import run as command
from eqprop.config.settings import build
from eqprop.errors import ConfigError, DataError, DivergedError, RunFolderError, Stopped
from eqprop.records import RunFolder, locked
from eqprop.running import in_progress
from eqprop.running.build import load_data
from eqprop.running.context import Context
from eqprop.running.finished import look
from eqprop.running.objects import Objects
from eqprop.running.run import complete, resume, train
from eqprop.training import Examples

# Rewired, with momentum, shuffling and a short last batch: whatever a resume could get wrong.
SETTINGS = tomllib.loads((Path(__file__).parent / "small.toml").read_text("utf-8"))


def settings(**changes):
    return build(
        {k: v | changes.get(k, {}) if isinstance(v, dict) else v for k, v in SETTINGS.items()}
        | {k: v for k, v in changes.items() if not isinstance(SETTINGS.get(k), dict)}
    )


class StopAfter:
    """Asks to stop when it has been asked so many times itself."""

    def __init__(self, count: int) -> None:
        self.left = count

    def __call__(self) -> int | None:
        self.left -= 1
        return signal.SIGTERM if self.left < 0 else None


def files_of(folder: RunFolder) -> dict[str, bytes]:
    return {
        name: (folder.path / name).read_bytes()
        for name in ("metrics.jsonl", "network.safetensors", "config.toml")
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return train(settings(), tmp_path_factory.mktemp("whole"))


def test_resume_after_a_stop_at_any_point_gives_the_same_files(tmp_path, whole):
    wanted = files_of(whole)
    assert wanted["metrics.jsonl"].count(b'"updates"') > 10  # the oracle has something to say
    weights = load_file(whole.path / "network.safetensors")
    assert np.std(weights["weights_2_1"]) > 0.05
    stops = 0
    for count in range(0, 30, 2):
        try:
            folder = train(settings(), tmp_path, Context(stop=StopAfter(count)))
        except Stopped as stopped:
            assert stopped.exit_code == 143
            path = Path(str(stopped).rpartition("eqprop resume ")[2])
            stops += 1
            resumed = json.loads((path / "timing.jsonl").read_text().splitlines()[-1])
            folder = resume(path)
            resumed = folder.read_lines("timing.jsonl")
            assert [e["event"] for e in resumed if "event" in e] == ["started", "resumed"]
        assert files_of(folder) == wanted, count
        shutil.rmtree(folder.path)
    assert stops >= 12


@pytest.mark.parametrize("start", ["kept", "both"])
def test_resume_stopped_at_every_chunk_with_kept_evaluation_states(tmp_path, start):
    config = settings(evaluation={"start": start}, training={"persistent": False})
    wanted = files_of(train(config, tmp_path))
    path = tmp_path / "hops"
    for _ in range(100):
        try:
            folder = complete(config, path_made(path), Context(stop=StopAfter(14)))
            break
        except Stopped:
            continue
    assert files_of(folder) == wanted


def test_errors_from_kept_states_stand_beside_the_cold_ones(tmp_path):
    both = train(settings(evaluation={"start": "both"}), tmp_path / "both").epochs()
    cold = train(settings(), tmp_path / "cold").epochs()
    kept = train(settings(evaluation={"start": "kept"}), tmp_path / "kept").epochs()
    assert len(both) > 1
    for one, two, three in zip(both, cold, kept, strict=True):
        assert one["validation_error"] == two["validation_error"]
        if one["epoch"] > 1:
            assert one["validation_kept_cost"] == three["validation_cost"]
            assert one["validation_kept_cost"] != one["validation_cost"]
            assert one["validation_kept_start"] == three["validation_start"] == "kept"
    # The first look has no states of an earlier one: its error is a cold one, under that name.
    assert both[0]["validation_kept_error"] is None and both[0]["validation_kept_cost"] is None
    assert kept[0]["validation_start"] == both[0]["validation_start"] == "cold"
    assert kept[0]["validation_examples"] == 200


def test_kept_errors_are_those_of_the_states_that_the_look_before_left(tmp_path):
    # A part of the examples is looked at cold; kept errors are those of all of them all the same.
    wanted = {"start": "both", "examples": 40, "full_every": 10, "every": 1}
    looks = train(settings(evaluation=wanted, training={"epochs": 3}), tmp_path).epochs()
    config = settings(evaluation=wanted, training={"epochs": 3})
    split = load_data(config).split("validation")
    states, found = None, []
    for epochs in (1, 2, 3):
        folder = train(settings(training={"epochs": epochs}), tmp_path / str(epochs))
        network = eqprop.load(folder.path).network
        examples = Examples.of(network, split.x, split.target)
        if states is None:
            states = np.zeros((len(split), network.num_free), np.float32)
        found.append(look(config, network, examples, states=states))
        states = found[-1].states
    assert [entry["validation_examples"] for entry in looks] == [40, 40, 200]
    for entry, oracle in zip(looks[1:], found[1:], strict=True):
        assert entry["validation_kept_examples"] == 200
        assert entry["validation_kept_error"] == oracle.error > 0
        assert entry["validation_kept_cost"] == oracle.cost
    # What the states before it were matters.
    assert found[-1].cost != look(config, network, examples).cost


def path_made(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    return path


def test_resume_after_the_folder_was_moved(tmp_path, whole):
    with pytest.raises(Stopped):
        train(settings(), tmp_path / "here", Context(stop=StopAfter(3)))
    (tmp_path / "there").mkdir()
    shutil.move(tmp_path / "here" / "small", tmp_path / "there" / "renamed")
    assert command(["resume", str(tmp_path / "there" / "renamed")]) == 0
    assert files_of(RunFolder(tmp_path / "there" / "renamed")) == files_of(whole)


def test_resume_of_a_finished_run_changes_nothing(tmp_path, whole, capsys):
    shutil.copytree(whole.path, tmp_path / "copy")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "copy").rglob("*")}
    assert command(["resume", str(tmp_path / "copy")]) == 0
    assert "training error" in capsys.readouterr().out
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "copy").rglob("*")} == before


def test_resume_falls_back_when_the_newest_checkpoint_is_damaged(tmp_path, whole, capsys):
    with pytest.raises(Stopped):
        train(settings(), tmp_path, Context(stop=StopAfter(9)))
    newest = sorted((tmp_path / "small" / "checkpoints").glob("step-*"))[-1]
    with open(newest / "training.safetensors", "r+b") as file:
        file.seek(500)
        file.write(b"\xff\xff")
    assert command(["resume", str(tmp_path / "small")]) == 0
    assert "Falling back" in capsys.readouterr().err
    assert files_of(RunFolder(tmp_path / "small")) == files_of(whole)


def test_resume_of_metrics_that_were_cut_falls_back_or_refuses(tmp_path, capsys):
    with pytest.raises(Stopped):
        train(settings(), tmp_path, Context(stop=StopAfter(9)))
    (tmp_path / "small" / "metrics.jsonl").write_text("")
    assert command(["resume", str(tmp_path / "small")]) == 5
    error = capsys.readouterr().err
    assert "metrics.jsonl must reach as far" in error and "must be usable" in error


def test_resume_refuses_a_live_run_and_names_it(tmp_path, capsys):
    with pytest.raises(Stopped):
        train(settings(), tmp_path, Context(stop=StopAfter(3)))
    with locked(tmp_path / "small"):
        assert command(["resume", str(tmp_path / "small")]) == 5
    assert f"process {os.getpid()}" in capsys.readouterr().err
    assert command(["resume", str(tmp_path / "small")]) == 0


def test_resume_refuses_other_settings_and_other_data(tmp_path):
    with pytest.raises(Stopped):
        train(settings(), tmp_path, Context(stop=StopAfter(3)))
    with pytest.raises(ConfigError, match="settings must be those"):
        complete(settings(seed=1), tmp_path / "small")
    config = (tmp_path / "small" / "config.toml").read_text()
    (tmp_path / "small" / "config.toml").write_text(
        config.replace("momentum = 0.5", "momentum = 0.6")
    )
    with pytest.raises(ConfigError, match="settings of the run's config"):
        resume(tmp_path / "small")
    (tmp_path / "small" / "config.toml").write_text(config)
    other = data.teacher()
    train_split = other.splits["train"]
    changed = data.Split(train_split.x * 0.5, train_split.target)
    other = data.Dataset("teacher", {**other.splits, "train": changed}, other.num_outputs)
    with pytest.raises(DataError, match="those that the run began with"):
        complete(settings(), tmp_path / "small", objects=Objects(other.limited(num_train=100)))
    resume(tmp_path / "small")  # nothing was harmed


def test_resume_of_a_figure_goes_on_with_what_is_missing(tmp_path, capsys, monkeypatch):
    arguments = ["reproduce", "figure3", "--preset", "smoke", "--epochs", "1"]
    assert command([*arguments, "--out", str(tmp_path)]) == 0
    folder = tmp_path / "figure3-smoke"
    wanted = (folder / "figure3.csv").read_bytes()
    before = (folder / "layered-seed0" / "summary.json").stat().st_mtime_ns
    for name in ("summary.json", "network.safetensors"):
        (folder / "rewired-seed0" / name).unlink()
    (folder / "figure3.csv").unlink()
    assert command(["resume", str(folder)]) == 0
    assert (folder / "figure3.csv").read_bytes() == wanted
    assert (folder / "layered-seed0" / "summary.json").stat().st_mtime_ns == before
    record = json.loads((folder / "sweep.json").read_text())
    record["cells"][0]["name"] = "../x"
    (folder / "sweep.json").write_text(json.dumps(record))
    assert command(["resume", str(folder)]) == 5


def test_the_best_network_is_kept_and_loads(whole):
    epochs = [e for e in whole.read_lines("metrics.jsonl") if e["kind"] == "epoch"]
    best = min(e["validation_error"] for e in epochs)
    model = eqprop.load(whole.path, best=True)
    split = data.load("teacher").split("validation")
    assert model.evaluate(split.x, split.target).error == best
    final = eqprop.load(whole.path)
    assert not (final.network.hopfield.dense_weights() == 0).all()
    names = {path.name for path in (whole.path / "checkpoints").iterdir()}
    assert names == {"best"}  # resume points go when the run is finished


def test_a_changed_network_file_is_refused(tmp_path, whole):
    shutil.copytree(whole.path, tmp_path / "copy")
    path = tmp_path / "copy" / "network.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(RunFolderError, match="does not match its digest"):
        eqprop.load(tmp_path / "copy")


def test_nan_stops_before_anything_is_written(tmp_path, monkeypatch):
    build_network = in_progress.initial_network

    def with_nan(config, topology, *rest):
        network = build_network(config, topology, *rest)
        arrays = network.to_arrays()
        arrays["weights_2_1"] = arrays["weights_2_1"].copy()
        arrays["weights_2_1"][3, 3] = np.nan
        return network.with_arrays(arrays)

    monkeypatch.setattr(in_progress, "initial_network", with_nan)
    with pytest.raises(
        DivergedError, match=r"state of layer \d .* free phase of update 1\b"
    ) as caught:
        train(settings(), tmp_path)
    assert caught.value.exit_code == 3
    assert not (tmp_path / "small" / "metrics.jsonl").exists()
    assert not list((tmp_path / "small").glob("checkpoints/*"))


@pytest.mark.parametrize("policy", ["stop", "continue"])
def test_a_disk_that_fails_for_a_while(tmp_path, monkeypatch, whole, policy):
    import errno

    from eqprop.records import checkpoint

    calls = []
    save_file = checkpoint.save_file

    def failing(*arguments, **options):
        calls.append(1)
        if 8 < len(calls) < 14:
            raise OSError(errno.ENOSPC, "No space left on device")
        save_file(*arguments, **options)

    monkeypatch.setattr(checkpoint, "save_file", failing)
    config = settings(checkpoint={"on_failure": policy})
    said = []
    if policy == "continue":
        folder = train(config, tmp_path, Context(report=lambda p: said.append(p.notice)))
        assert any(text and "No space left" in text for text in said)
        assert (folder.path / "metrics.jsonl").read_bytes() == files_of(whole)["metrics.jsonl"]
        return
    with pytest.raises(RunFolderError, match="No space left") as caught:
        train(config, tmp_path)
    assert str(tmp_path / "small" / "checkpoints") in str(caught.value)
    calls += [1] * 100
    folder = resume(tmp_path / "small")
    assert (folder.path / "metrics.jsonl").read_bytes() == files_of(whole)["metrics.jsonl"]


def test_fifty_runs_started_together_get_fifty_folders(tmp_path):
    barrier, made = threading.Barrier(50), []

    def start():
        barrier.wait()
        made.append(RunFolder.create(tmp_path, "run").path)

    threads = [threading.Thread(target=start) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 50 == len(list(tmp_path.iterdir()))


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        (
            {
                "free": {"method": "euler", "step_size": 1.9, "steps": 40},
                "network": {"intralayer_scale": 3.0},
            },
            "two-cycle",
        ),
        ({"learning": {"learning_rate": 0.0, "momentum": 0.0}}, "at-chance"),
        (
            {"free": {"steps": 1, "cold_steps": 1}, "network": {"intralayer_scale": 1.0}},
            "free-unsettled",
        ),
        ({"learning": {"learning_rate": 50.0}}, "saturated-layer"),
    ],
)
def test_a_sick_run_is_warned_of_once(tmp_path, changes, warning):
    said = []
    folder = train(
        settings(**changes), tmp_path, Context(report=lambda p: said.append(p.notice or ""))
    )
    assert sum(text.startswith(warning) for text in said) == 1
    entries = [e for e in folder.read_lines("metrics.jsonl") if e["kind"] == "epoch"]
    named = [e["epoch"] for e in entries if warning in e["warnings"]]
    assert named and folder.read_json("summary.json")["warnings"][warning] == named


def test_dead_outputs_are_warned_of(tmp_path, monkeypatch):
    build_network = in_progress.initial_network

    def with_dead_outputs(config, topology, *rest):
        network = build_network(config, topology, *rest)
        biases = {"biases_3": np.full(4, -50, np.float32)}
        return network.with_arrays(network.to_arrays() | biases)

    monkeypatch.setattr(in_progress, "initial_network", with_dead_outputs)
    folder = train(settings(learning={"learning_rate": 0.0}), tmp_path)
    assert folder.read_json("summary.json")["warnings"]["dead-outputs"] == [1, 2, 3]


@pytest.mark.parametrize("policy", ["stop", "continue"])
def test_a_folder_that_became_read_only(tmp_path, policy):
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody with fewer rights")
    said, done = [], []

    def forbid(progress):
        said.append(progress.notice)
        if progress.epoch_done:
            done.append(progress.epoch)
        if progress.epoch_done and progress.epoch == 1:
            os.seteuid(65534)

    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent.name.startswith(("pytest-", "popen-")):  # those that pytest made, for root alone
            parent.chmod(0o755)
    try:
        with pytest.raises(RunFolderError, match="must be writable") as caught:
            train(settings(checkpoint={"on_failure": policy}), tmp_path, Context(report=forbid))
    finally:
        os.seteuid(0)
    assert str(tmp_path / "small") in str(caught.value)
    if policy == "continue":  # it went on to the end, where the results could not be written
        assert any("not saved, going on" in text for text in said if text)
        assert done == [1, 2, 3] and "timing.jsonl" not in str(caught.value)
    resume(tmp_path / "small")


def test_resume_after_a_stop_at_any_point_of_a_run_with_a_budget(tmp_path):
    """A budget that ends in the middle of an epoch: that epoch is evaluated and written once."""
    whole = train(settings(), tmp_path / "unlimited").epochs()
    spent = [entry["multiply_adds"] for entry in whole]
    config = settings(training={"budget": (spent[0] + spent[1]) / 2})
    wanted = files_of(train(config, tmp_path / "whole"))
    lines = [json.loads(line) for line in wanted["metrics.jsonl"].splitlines()]
    entries = [line for line in lines if line["kind"] == "epoch"]
    assert [entry["epoch"] for entry in entries] == [1, 2]
    assert spent[0] < entries[1]["multiply_adds"] < spent[1]
    stops = 0
    for count in range(40):
        try:
            folder = train(config, tmp_path / str(count), Context(stop=StopAfter(count)))
        except Stopped as stopped:
            folder = resume(Path(str(stopped).rpartition("eqprop resume ")[2]))
            stops += 1
        assert files_of(folder) == wanted, count
    assert 6 <= stops < 40
