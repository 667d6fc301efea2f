"""Exports hold numbers that other programs can read, and networks that come back the same."""

from __future__ import annotations

import csv

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop.errors import ConfigError, DataError

X = np.random.default_rng(0).random((40, 6)).astype(np.float32)


def test_a_half_precision_network_exports_numbers(tmp_path):
    network = eqprop.Network.initialize(eqprop.layered([6, 8, 2]), seed=0)
    half = network.astype(jnp.bfloat16)
    found = np.load(eqprop.export(half, tmp_path / "half")[0])["weights"]
    whole = np.load(eqprop.export(network, tmp_path / "whole")[0])["weights"]
    assert found.dtype.kind == "f" and whole.any()
    np.testing.assert_allclose(found, whole, rtol=2**-7, atol=1e-6)


@pytest.mark.parametrize(
    ("activation", "cost", "feedback"),
    [
        (eqprop.HardSigmoid(), eqprop.SquaredError(0.5), 1.0),
        (eqprop.Tanh(), eqprop.SquaredError(), 1.0),
        (eqprop.Activities(eqprop.Tanh()), None, 0.1),
    ],
)
def test_a_model_comes_back_from_a_file_and_from_an_export(activation, cost, feedback, tmp_path):
    topology = eqprop.rewire(eqprop.layered([6, 8, 7, 3]), p=0.2, seed=0)
    cost = cost or eqprop.CrossEntropy.initialize(3, 4, jax.random.key(1))
    network = eqprop.Network.initialize(
        topology, seed=3, cost=cost, activation=activation, feedback=feedback
    )
    model = eqprop.Model(topology, network=network)
    eqprop.save(model, tmp_path / "one.safetensors")
    eqprop.export(model, tmp_path / "all")
    wanted = model.scores(X)
    assert np.ptp(wanted) > 0.01
    for path in ("one.safetensors", "all"):
        again = eqprop.load(tmp_path / path)
        assert type(again) is eqprop.Model and again.topology == topology
        assert repr(again) == repr(model)
        np.testing.assert_array_equal(again.scores(X), wanted)
        assert again.network.hopfield.feedback == feedback


def test_names_are_exported_and_the_wiring_read_back(tmp_path):
    names = (*"abcdef", "h1", "h2", "left", "right")
    plain = eqprop.layered([6, 2, 2])
    topology = eqprop.Topology(plain.layer_sizes, plain.masks, names=names)
    model = eqprop.Model(topology, seed=1)
    eqprop.export(model, tmp_path)
    units = list(csv.DictReader((tmp_path / "units.csv").read_text().splitlines()))
    assert [row["name"] for row in units] == list(names)
    assert np.load(tmp_path / "network.npz")["names"].tolist() == list(names)
    for file in ("connections.csv", "network.npz"):
        assert eqprop.read_topology(tmp_path / file) == topology, file
    assert eqprop.load(tmp_path).topology.names == names


def test_what_nobody_else_knows_is_exported_without_a_file_to_load(tmp_path):
    class Mine(eqprop.Tanh):
        pass

    topology = eqprop.layered([6, 4, 2])
    network = eqprop.Network.initialize(topology, seed=0, activation=Mine())
    model = eqprop.Model(topology, network=network)
    assert [path.suffix for path in eqprop.export(model, tmp_path)] == [".npz", ".csv", ".csv"]
    with pytest.raises(ConfigError, match="activation must be one that a settings file can name"):
        eqprop.save(model, tmp_path / "no.safetensors")


def test_files_can_be_read_by_all_who_can_read_their_folder(tmp_path):
    for mode in (0o755, 0o700, 0o777):
        tmp_path.chmod(mode)
        eqprop.save(eqprop.Model(eqprop.layered([4, 2])), tmp_path / "a.safetensors")
        assert (tmp_path / "a.safetensors").stat().st_mode & 0o777 == mode & 0o644


def test_a_file_of_something_else_is_refused_in_words(tmp_path):
    eqprop.train({"data": {"dataset": "teacher"}, "topology": {"layer_sizes": [20, 4, 4]},
                  "training": {"epochs": 1}}, out=tmp_path)  # fmt: skip
    with pytest.raises(DataError, match="it has no settings of a network"):
        eqprop.load(tmp_path / "run" / "network.safetensors")


def test_things_say_what_they_are_on_a_line():
    topology = eqprop.rewire(eqprop.layered([6, 8, 7, 2]), p=0.2, seed=0)
    model = eqprop.Model(topology)
    found = model.evaluate(X, np.zeros((40, 2), np.float32))
    for thing in (topology, model, model.network, found, eqprop.data.load("teacher")):
        text = repr(thing)
        assert "\n" not in text and len(text) < 110, text
    assert "6-8-7-2" in repr(model) and "HardSigmoid" in repr(model.network)
