"""`eqprop.train`. Oracle: the command line's engine on the same arrays in a file, bit for bit."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import numpy as np
import pytest

import eqprop
from eqprop.config.recipes import cook
from eqprop.errors import ConfigError, DataError, Stopped
from eqprop.python.run import configured, handed_over
from eqprop.running.run import train as train_by_settings

RNG = np.random.default_rng(0)
X = RNG.random((90, 5)).astype(np.float32)
Y = np.array(["ash", "elm", "oak"])[np.argmax(X[:, :3], axis=1)]
FEW = {
    "topology": {"layer_sizes": [5, 8, 3]},
    "training": {"epochs": 3},
    "data": {"batch_size": 10},
}


def weights(run) -> np.ndarray:
    return run.model.network.hopfield.dense_weights()


def best(run) -> dict[str, Any]:
    """Where the run stood when its best network was saved."""
    manifest = (run.folder / "checkpoints" / "best" / "manifest.json").read_text("utf-8")
    return json.loads(manifest)["meta"]["cursor"]


def test_arrays_learn_as_the_same_arrays_in_a_file_do(tmp_path):
    np.savez(tmp_path / "trees.npz", x=X, y=Y)
    config = cook(None, {**FEW, "data": {**FEW["data"], "dataset": str(tmp_path / "trees.npz")}},
                  ["training.data_shards=1"])  # fmt: skip
    folder = train_by_settings(config, tmp_path)
    wanted = eqprop.load(folder.path)
    run = eqprop.train(FEW, data=(X, Y), out=tmp_path)
    np.testing.assert_array_equal(weights(run), wanted.network.hopfield.dense_weights())
    assert np.abs(weights(run)).max() > 0.01
    assert run.model.predict(X).tolist() == wanted.predict(X).tolist()
    assert set(run.model.predict(X)) <= {"ash", "elm", "oak"}
    assert {p.name for p in run.folder.iterdir()} >= {
        "config.toml",
        "metrics.jsonl",
        "objects.json",
    }


def test_layers_follow_data_and_a_recipe(tmp_path):
    run = eqprop.train({"training": {"epochs": 1}}, recipe="small", data=(X, Y), out=tmp_path)
    assert run.config.topology.layer_sizes == (5, 64)
    hidden = {"topology": {"intralayer": True}, "training": {"epochs": 1}}
    config = configured(hidden, None, handed_over((X, Y)), None)
    assert config.topology.layer_sizes == (5, 500, 500, 500, 3)


def test_a_run_without_a_folder_leaves_none():
    run = eqprop.train(FEW, data=(X, Y))
    folder = run.folder
    assert folder.is_dir() and len(run.metrics()) == 3
    del run
    assert not folder.exists()


def test_objects_of_every_kind_and_what_it_takes_to_go_on(tmp_path):
    topology = eqprop.rewire(eqprop.layered([5, 8, 8, 3]), p=0.2, seed=1)
    network = eqprop.Network.initialize(topology, seed=3, activation=eqprop.Tanh())
    settle = eqprop.Phase(eqprop.Euler(0.3), eqprop.Residual(1e-4, max_steps=200))
    rule = eqprop.EquilibriumPropagation(eqprop.Centered(0.2), settle, settle)
    objects: dict[str, Any] = {
        "data": (X, Y),
        "topology": topology,
        "network": network,
        "rule": rule,
    }
    settings: dict[str, Any] = {
        "training": {"epochs": 4}, "data": {"batch_size": 10}, "network": {"activation": "tanh"},
        "free": {"method": "euler"}, "nudged": {"method": "euler"},
    }  # fmt: skip
    whole = eqprop.train(settings, **objects, out=tmp_path)
    assert isinstance(whole._records.epochs(), list)

    def stop_after(progress):
        if progress.epoch_done and progress.epoch == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Stopped) as stopped:
        eqprop.train(settings, **objects, out=tmp_path, progress=stop_after)
    run = stopped.value.run
    assert 2 <= len(run.entries()) < 4 and run.has_saved
    assert run.saved.network.layer_sizes == (5, 8, 8, 3)
    with pytest.raises(ConfigError, match="began with data and topology and network and rule"):
        eqprop.resume(run.folder)
    with pytest.raises(DataError, match="`data` must be what"):
        eqprop.resume(run.folder, **{**objects, "data": (X + 0.001, Y)})
    other = eqprop.rewire(eqprop.layered([5, 8, 8, 3]), p=0.2, seed=2)
    with pytest.raises(ConfigError, match="`topology` must be what"):
        eqprop.resume(run.folder, **{**objects, "topology": other})
    slower = eqprop.EquilibriumPropagation(eqprop.Centered(0.1), settle, settle)
    with pytest.raises(ConfigError, match="`rule` must be what"):
        eqprop.resume(run.folder, **{**objects, "rule": slower})
    again = eqprop.resume(run.folder, **objects)
    np.testing.assert_array_equal(weights(again), weights(whole))
    with pytest.raises(ConfigError, match="network=network"):
        eqprop.load(run.folder)
    assert isinstance(eqprop.load(run.folder, network=network), eqprop.Model)


def test_objects_of_a_run_by_settings_are_refused(tmp_path):
    by_name = {"data": {"dataset": "teacher"}, "training": {"epochs": 1}}
    named = eqprop.train(by_name | {"topology": {"layer_sizes": [20, 4, 4]}}, out=tmp_path)
    with pytest.raises(ConfigError, match="Leave out `data`"):
        eqprop.resume(named.folder, data=(X, Y))
    run = eqprop.train(FEW, data=(X, Y), out=tmp_path)
    with pytest.raises(ConfigError, match="Leave out `rule`"):
        eqprop.resume(run.folder, data=(X, Y), rule=eqprop.default_rule())


@pytest.mark.parametrize("kept", [True, False])
def test_a_finished_run_goes_on_to_more_epochs(tmp_path, kept, capsys):
    keeping = {"checkpoint": {"keep_finished": kept}}
    long = eqprop.train({**FEW, "training": {"epochs": 6}}, data=(X, Y), out=tmp_path)
    run = eqprop.train({**FEW, **keeping}, data=(X, Y), out=tmp_path)
    told = []
    more = eqprop.resume(run.folder, data=(X, Y), epochs=6, progress=told.append)
    assert [e["epoch"] for e in more.entries()] == [1, 2, 3, 4, 5, 6]
    assert more.summary["epoch"] == 6
    # Particles, where they were kept, make it the run that it would have been.
    assert np.array_equal(weights(more), weights(long)) == kept
    said = [p.notice for p in told if p.notice]
    assert any("from its network alone" in text for text in said) != kept
    with pytest.raises(ConfigError, match="`epochs` must be 6 or more"):
        eqprop.resume(run.folder, data=(X, Y), epochs=2)


def test_a_longer_run_that_is_killed_before_it_is_saved_trains_every_epoch(tmp_path):
    class Killed(BaseException):
        pass

    def kill_in_the_fifth(now):
        if now.epoch == 5:
            raise Killed

    runs = [eqprop.train(FEW, data=(X, Y), out=tmp_path) for _ in range(2)]
    whole = eqprop.resume(runs[0].folder, data=(X, Y), epochs=6)
    with pytest.raises(Killed):
        eqprop.resume(runs[1].folder, data=(X, Y), epochs=6, progress=kill_in_the_fifth)
    lines = (runs[1].folder / "metrics.jsonl").read_text("utf-8")
    assert '"epoch":4' in lines.replace(" ", "")  # more than the network had seen
    again = eqprop.resume(runs[1].folder, data=(X, Y))
    assert [e["epoch"] for e in again.entries()] == [1, 2, 3, 4, 5, 6]
    np.testing.assert_array_equal(weights(again), weights(whole))


def test_the_best_network_stays_the_best_in_a_longer_run(tmp_path):
    hard = np.random.default_rng(1).integers(
        0, 3, 90
    )  # nothing to learn: a later look is better by chance alone
    run = eqprop.train(FEW, data=(X, hard), out=tmp_path)
    before = best(run)
    more = eqprop.resume(run.folder, data=(X, hard), epochs=12)
    errors = [e["validation_error"] for e in more.entries()]
    assert min(errors[:3]) == before["best_error"] <= min(errors[3:])
    assert best(more) == before


def test_what_is_best_is_judged_by_the_same_examples_at_every_look(tmp_path):
    hard = np.random.default_rng(4).integers(0, 3, 90)
    wanted = {"training": {"epochs": 6}, "evaluation": {"examples": 6, "full_every": 2}}
    run = eqprop.train({**FEW, **wanted}, data=(X, hard), out=tmp_path)
    looked = [e["validation_examples"] for e in run.entries()]
    assert looked[0] < looked[1]
    lowest = min(run.entries(), key=lambda entry: entry["validation_error"])
    assert lowest["validation_examples"] == looked[1]
    assert best(run)["best_error"] in [wrong / looked[0] for wrong in range(looked[0] + 1)]


def test_patience_ends_a_run(tmp_path):
    hard = RNG.integers(0, 3, 90)
    run = eqprop.train(
        {**FEW, "training": {"epochs": 60, "patience": 3}}, data=(X, hard), out=tmp_path
    )
    errors = [e["validation_error"] for e in run.entries()]
    best = int(np.argmin(errors))
    assert len(errors) == best + 4 < 60
    assert run.best.evaluate(*_looked_at(run, hard)).error == errors[best]
    with pytest.raises(ConfigError, match=r"`training.patience` = 3 ended after \d+ of 60"):
        run.resume(epochs=90)
    assert run.config.training.epochs == 60 and run.summary["epoch"] == len(errors)


def _looked_at(run, labels):
    from eqprop.data.preparing import given

    split = given((X, labels), run.config.data.dataset).split("validation")
    return split.x, split.target


def test_a_picture_and_a_repr(tmp_path):
    run = eqprop.train(FEW, data=(X, Y), out=tmp_path)
    assert run.plot().stat().st_size > 10_000
    assert repr(run) == f"Run({str(run.folder)!r}, 3 of 3 epochs)"


BAD = [
    ({"data": (X, Y[:3])}, DataError, "an input and a target per example"),
    ({"data": X}, DataError, r"must be \(x, y\)"),
    ({"data": {"training": (X, Y)}}, DataError, "train"),
    ({"settings": {"trainig": {}}, "data": (X, Y)}, ConfigError, "training"),
    ({"settings": {"training": 3}, "data": (X, Y)}, ConfigError, "must be a section"),
    ({"network": eqprop.Network.initialize(eqprop.layered([5, 4, 3]), seed=0)}, ConfigError,
     "`topology` must be given"),
    ({"settings": {"data": {"dataset": "given"}}}, ConfigError, "must be handed over"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "error", "message"), BAD)
def test_bad_input_leaves_nothing_behind(tmp_path, what, error, message):
    with pytest.raises(error, match=message):
        eqprop.train(**what, out=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_settings_of_data_hold_for_data_handed_over(tmp_path):
    few = {**FEW, "data": {"batch_size": 10, "num_train": 40, "num_validation": 4}}
    run = eqprop.train(few, data=(X, Y), out=tmp_path)
    assert run.summary["training_examples"] == 40
    assert run.summary["validation_examples"] == 4
    with pytest.raises(DataError, match="num_train"):
        eqprop.train({**FEW, "data": {"num_train": 4000}}, data=(X, Y), out=tmp_path)


def test_a_converter_of_inputs_acts_once_and_the_raw_data_go_on(tmp_path):
    coarse = {**FEW, "device": {"kind": "analog", "input_bits": 2}}
    run = eqprop.train(coarse, data=(X, Y), out=tmp_path)
    again = eqprop.resume(run.folder, data=(X, Y))
    assert again.summary == run.summary
    np.savez(tmp_path / "trees.npz", x=X, y=Y)
    named = {**coarse, "data": {**FEW["data"], "dataset": str(tmp_path / "trees.npz")}}
    np.testing.assert_array_equal(weights(eqprop.train(named, out=tmp_path)), weights(run))
    assert np.any(weights(eqprop.train(FEW, data=(X, Y), out=tmp_path)) != weights(run))
    found = eqprop.sweep(coarse, vary={"learning.learning_rate": [0.02]}, data=(X, Y), out=tmp_path)
    np.testing.assert_array_equal(weights(found.runs[0]), weights(run))
    other = eqprop.load(run.folder)
    rounded = np.round(other.preparation.inputs(X) * 3) / 3
    plain = eqprop.Model(other.topology, network=other.network, seed=other.seed)
    numbers = np.unique(Y, return_inverse=True)[1]
    assert other.fit(other.preparation.inputs(X), numbers, epochs=2) == plain.fit(
        rounded.astype(np.float32), numbers, epochs=2
    )


def test_a_sweep_prepares_data_handed_over_as_each_condition_says(tmp_path):
    found = eqprop.sweep(FEW, vary={"data.validation_share": [0.1, 0.5]}, data=(X, Y), out=tmp_path)
    seen = [run.summary["training_examples"] for run in found.runs]
    assert seen[0] > 70 and seen[1] < 50
    assert len(found.resume().runs) == 2


def test_a_rule_handed_over_is_the_one_that_is_audited(tmp_path):
    settle = eqprop.Phase(eqprop.Euler(0.3), eqprop.Residual(1e-5, max_steps=800))
    exact = eqprop.EquilibriumPropagation(eqprop.Centered(0.01), settle, settle)
    wanted = {**FEW, "evaluation": {"audit_every": 3, "audit_examples": 20}}
    smooth = {**wanted, "network": {"activation": "sigmoid"}, "free": {"method": "euler"}}
    smooth["learning"] = {"beta": 0.4}
    lines = []
    for rule in (exact, None):
        run = eqprop.train(smooth, data=(X, Y), rule=rule, out=tmp_path)
        text = (run.folder / "metrics.jsonl").read_text("utf-8").splitlines()
        [found] = [line for line in map(json.loads, text) if line["kind"] == "audit"]
        lines.append(found)
    assert lines[0]["betas"] == pytest.approx([0.01, -0.01]) and lines[1]["betas"] == pytest.approx(
        [0.4, -0.4]
    )
    assert lines[0]["overall"]["cosine"] > 0.999 > lines[1]["overall"]["cosine"]


def test_a_run_whose_rule_was_handed_over_is_not_audited_by_another(tmp_path):
    from eqprop.running.auditing import audit_run

    run = eqprop.train(FEW, data=(X, Y), rule=eqprop.default_rule(), out=tmp_path)
    with pytest.raises(ConfigError, match=r"handed over in Python. Audit it there: eqprop.audit"):
        audit_run(run.folder, examples=5)


def test_backpropagation_handed_over_is_looked_at_forwards(tmp_path):
    whole = {**FEW, "evaluation": {"start": "cold"}}
    by_name = eqprop.train({**whole, "learning": {"rule": "backpropagation"}}, data=(X, Y))
    handed = eqprop.train(whole, data=(X, Y), rule=eqprop.Backpropagation())
    assert by_name.summary == handed.summary
    np.testing.assert_array_equal(by_name.model.outputs(X), handed.model.outputs(X))


def test_data_handed_over_are_prepared_once_for_all_runs_of_a_sweep(tmp_path, monkeypatch):
    from eqprop.running import objects

    asked, prepare = [], objects.given

    def counted(data, wanted):
        asked.append(wanted)
        return prepare(data, wanted)

    monkeypatch.setattr(objects, "given", counted)
    found = eqprop.sweep(
        FEW, vary={"learning.learning_rate": [0.02, 0.1]}, data=(X, Y), out=tmp_path
    )
    assert len(found.runs) == 2 and len(asked) == 1


@pytest.mark.parametrize("kept", [True, False])
def test_the_schedule_of_a_longer_run_goes_on_where_it_would_be(tmp_path, kept):
    """Half-way through a cosine from .1 to .01 the rate is .055; anew it would be .1."""
    cosine = {"learning_rate": 0.1, "schedule": "cosine", "final_rate": 0.1}
    wanted = {
        **FEW,
        "learning": cosine,
        "training": {"epochs": 2, "record_every": 1},
        "checkpoint": {"keep_finished": kept},
    }
    run = eqprop.train(wanted, data=(X, Y), out=tmp_path)
    longer = eqprop.resume(run.folder, data=(X, Y), epochs=4)
    lines = map(json.loads, (longer.folder / "metrics.jsonl").read_text("utf-8").splitlines())
    sizes = [line for line in lines if line["kind"] == "updates"]
    rates = [line["updates"]["1-0"] / line["corrections"]["1-0"] for line in sizes]
    assert len(rates) % 4 == 0
    first = len(rates) // 2
    assert rates[0] == pytest.approx(0.1) and rates[first] == pytest.approx(0.055)
    assert rates[-1] < 0.02


def test_a_regression_is_predicted_in_its_own_units(tmp_path):
    numbers = 40 + 30 * X[:, 0]
    run = eqprop.train(
        {**FEW, "topology": {"layer_sizes": [5, 8, 1]}}, data=(X, numbers), out=tmp_path
    )
    found = run.model.predict(X)
    np.testing.assert_array_equal(found, run.model.outputs(X))
    assert len(np.unique(found)) > 10 and 30 < found.min() < found.max() < 80


@pytest.mark.parametrize("is_forwards", [True, False])
def test_how_a_model_is_evaluated_is_saved_or_said_to_be_lost(tmp_path, is_forwards):
    method = eqprop.ForwardPass() if is_forwards else eqprop.Euler(0.5)
    phase = eqprop.Phase(method, eqprop.FixedSteps(1 if is_forwards else 2))
    model = eqprop.Model(eqprop.layered([5, 8, 3]), evaluation=phase)
    path = tmp_path / "model.safetensors"
    if is_forwards:
        eqprop.save(model, path)
        np.testing.assert_array_equal(eqprop.load(path).outputs(X), model.outputs(X))
        settled = eqprop.Model(model.topology, network=model.network)
        assert np.abs(settled.outputs(X) - model.outputs(X)).max() > 0.01
    else:
        with pytest.warns(UserWarning, match="the `evaluation` of this model is not saved"):
            eqprop.save(model, path)


def test_a_run_that_patience_ends_is_told_by_all_validation_examples(tmp_path):
    hard = RNG.integers(0, 3, len(X))
    wanted = {**FEW, "training": {"epochs": 60, "patience": 2}, "evaluation": {"examples": 6}}
    run = eqprop.train(wanted, data=(X, hard), out=tmp_path)
    last, every = run.entries()[-1], run.config.evaluation.full_every
    assert last["epoch"] < 60 and last["epoch"] % every and last["validation_examples"] == 6
    handed = handed_over((X, hard))
    assert handed is not None
    rows = handed.prepared(run.config).split("validation")
    assert run.summary["validation_examples"] == len(rows) > 6
    found = run.model.evaluate(rows.x, rows.target)
    assert run.summary["validation_error"] == found.error
    assert run.summary["validation_cost"] == pytest.approx(found.cost, 1e-5)
    assert run.summary["validation_cost"] != pytest.approx(last["validation_cost"], 1e-3)
