"""Connections that are taken away during training stay away, and only those."""

from __future__ import annotations

import json
import signal
import tomllib
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import eqprop
from eqprop.config.settings import build
from eqprop.errors import ConfigError, Stopped
from eqprop.running.context import Context
from eqprop.running.finished import evaluate_run
from eqprop.running.run import resume, train
from eqprop.topology import Topology, prune
from eqprop.topology.work import Wires

SETTINGS = tomllib.loads((Path(__file__).parent / "small.toml").read_text("utf-8"))


def settings(epochs=4, **pruning):
    training = SETTINGS["training"] | {"epochs": epochs}
    return build(SETTINGS | {"training": training, "pruning": pruning})


def saved(folder):
    arrays = load_file(folder.path / "network.safetensors")
    return Topology.from_arrays(arrays), arrays


def told(folder):
    return [e for e in folder.read_lines("metrics.jsonl") if e["kind"] == "pruning"]


def skips_of(topology):
    return topology.accounting().skip


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    return train(settings(), tmp_path_factory.mktemp("untouched"))


@pytest.fixture(scope="module")
def at_once(tmp_path_factory):
    return train(settings(what="skips", after=2), tmp_path_factory.mktemp("once"))


def test_all_skips_go_and_nothing_else(untouched, at_once):
    before, _ = saved(untouched)
    after, arrays = saved(at_once)
    assert skips_of(before) > 20 and skips_of(after) == 0
    for block in before.masks:
        post, pre = block
        if post - pre >= 2:
            assert not arrays[f"weights_{post}_{pre}"].any()
        else:
            np.testing.assert_array_equal(after.masks[block], before.masks[block])
    [entry] = told(at_once)
    assert entry["epoch"] == 2 and entry["removed"] == skips_of(before)
    assert entry["connections"] == after.num_connections
    summary = json.loads((at_once.path / "summary.json").read_text())
    assert summary["connections"]["skip"] == 0
    # Until then both runs are one run; then the work is that of fewer connections.
    ours, theirs = ([e for e in f.epochs()] for f in (at_once, untouched))
    assert ours[:2] == theirs[:2] and ours[2]["training_error"] != theirs[2]["training_error"]
    assert entry["validation_error"] != ours[1]["validation_error"]


def test_work_is_counted_with_the_connections_that_are_left(at_once, untouched):
    def per_sweep(folder, topology):
        last, before = folder.epochs()[-1], folder.epochs()[-2]
        spent = last["multiply_adds"] - before["multiply_adds"]
        sweeps = 100 * (last["free_steps"] + last["nudged_steps"])
        return spent / sweeps / (2 * topology.num_connections)

    ratio = per_sweep(at_once, saved(at_once)[0]) / per_sweep(untouched, saved(untouched)[0])
    assert ratio == pytest.approx(1, abs=0.1)
    assert Wires.of(saved(at_once)[0]) != Wires.of(saved(untouched)[0])


@pytest.mark.parametrize("order", ["magnitude", "random"])
def test_parts_add_up_and_the_smallest_go_first(order, tmp_path, untouched):
    wanted = settings(5, what="skips", after=1, steps=3, every=2, order=order)
    folder = train(wanted, tmp_path)
    total = skips_of(saved(untouched)[0])
    parts = told(folder)
    assert [e["epoch"] for e in parts] == [1, 3, 5]
    assert sum(e["removed"] for e in parts) == total
    assert max(e["removed"] for e in parts) - min(e["removed"] for e in parts) <= 1
    assert skips_of(saved(folder)[0]) == 0


def test_others_go_in_the_same_number(tmp_path, untouched):
    folder = train(settings(what="others", after=2, order="random"), tmp_path)
    before, after = saved(untouched)[0], saved(folder)[0]
    assert before.num_connections - after.num_connections == skips_of(before) == skips_of(after)


class StopAfter:
    def __init__(self, count):
        self.left = count

    def __call__(self):
        self.left -= 1
        return signal.SIGTERM if self.left < 0 else None


@pytest.mark.parametrize("order", ["magnitude", "random"])
def test_a_resume_before_or_after_is_exact(order, tmp_path):
    wanted = settings(what="skips", after=1, steps=2, order=order)
    whole = train(wanted, tmp_path / "whole")
    stops = 0
    for count in range(1, 26, 3):
        try:
            folder = train(wanted, tmp_path / "parts", Context(stop=StopAfter(count)))
        except Stopped as stopped:
            stops += 1
            folder = resume(Path(str(stopped).rpartition("eqprop resume ")[2]))
        for name in ("metrics.jsonl", "network.safetensors"):
            assert (folder.path / name).read_bytes() == (whole.path / name).read_bytes(), count
    assert stops > 4


def test_the_best_network_is_that_of_its_look(tmp_path):
    folder = train(settings(1, what="skips", after=1), tmp_path)
    best = load_file(folder.path / "checkpoints" / "best" / "network.safetensors")
    assert skips_of(Topology.from_arrays(best)) > 20 and skips_of(saved(folder)[0]) == 0


@pytest.mark.parametrize("start", ["cold", "kept", "both"])
def test_what_is_pruned_last_is_looked_at_again(start, tmp_path):
    made = settings(3, what="skips", after=3)
    evaluation = made.evaluation.model_copy(update={"start": start})
    folder = train(made.model_copy(update={"evaluation": evaluation}), tmp_path)
    found, [cut] = folder.read_json("summary.json"), told(folder)
    assert cut["validation_cost"] != folder.epochs()[-1]["validation_cost"]
    for name in ("error", "cost", "start"):
        assert found[f"validation_{name}"] == cut[f"validation_{name}"], name
    assert found.get("validation_kept_error") is None
    again = evaluate_run(folder.path, "validation")
    assert again["validation_cost"] == pytest.approx(found["validation_cost"])


def test_a_pruned_run_is_loaded_as_it_is(at_once):
    model = eqprop.load(at_once.path)
    assert skips_of(model.topology) == 0
    x = np.linspace(0, 1, 40).reshape(2, 20)
    assert model.predict(x).shape == (2,)


def test_prune_takes_the_smallest_of_what_was_asked_for():
    topology = eqprop.rewire_each(eqprop.layered([8, 7, 6, 3]), p=0.3, seed=0)
    rng = np.random.default_rng(0)
    weights = {b: rng.normal(size=m.shape) for b, m in topology.masks.items()}
    kept = prune(topology, 10, weights=weights)
    gone, stays = [], []
    for block, mask in topology.masks.items():
        if block[0] - block[1] >= 2:
            sizes = np.abs(weights[block])
            gone += sizes[mask & ~kept.masks[block]].tolist()
            stays += sizes[kept.masks[block]].tolist()
        else:
            np.testing.assert_array_equal(kept.masks[block], mask)
    assert len(gone) == 10 and len(stays) > 5 and max(gone) < min(stays)
    with pytest.raises(ConfigError, match="`count` must be from 0 to"):
        prune(topology, 10_000)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pruning": {"what": "skips", "after": 9}}, "last part after epoch 9 of 3"),
        ({"pruning": {"what": "skips", "after": 2, "steps": 3}}, "after epoch 4 of 3"),
        (
            {"pruning": {"what": "skips", "after": 1}, "device": {"kind": "rounded"}},
            "with devices",
        ),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        build(SETTINGS | changes)
