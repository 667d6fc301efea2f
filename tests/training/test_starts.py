"""Predictions from several starts, against energies and equilibria found one by one."""

import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop.training import Examples, evaluate_starts, starts_of
from eqprop.training.starts import APART

FEW = eqprop.Phase(eqprop.BlockCoordinateDescent(1.0), eqprop.Residual(1e-6, 3000))


@pytest.fixture(scope="module")
def bistable():
    """Ten hidden units that excite each other: all on or all off, and an output that shows it."""
    network = eqprop.Network.initialize(
        eqprop.with_intralayer(eqprop.layered([3, 10, 2])), seed=0, intralayer_scale=0.01
    )
    inside = network.hopfield.weights[1, 1]
    lower = np.tril(np.full(inside.shape, 0.3, np.float32), -1)
    arrays: dict[str, np.ndarray] = network.to_arrays() | {"weights_1_1": lower}
    arrays |= {"weights_2_1": np.stack([np.full(10, 0.1), np.full(10, -0.1)]).astype(np.float32)}
    arrays |= {
        "biases_1": np.full(10, -0.8, np.float32),
        "biases_2": np.asarray([0, 0.5], np.float32),
    }
    network = network.with_arrays(arrays)
    x = np.random.default_rng(0).random((6, 3), np.float32) * 0.1
    return network, Examples.of(network, x, np.zeros(6, int))


def test_the_equilibrium_of_lowest_energy_is_taken(bistable):
    network, examples = bistable
    found = evaluate_starts(network, examples, FEW, ("zeros", "ones", "halves"))
    assert found.several == 1.0  # there is something to choose
    clamped = network.energy.clamp(jnp.asarray(examples.x))
    ends = []
    for place in (0.0, 1.0):
        state = jnp.full((6, network.num_free), place)
        ends.append(eqprop.relax(clamped, state, FEW.method, FEW.termination))
    assert float(jnp.abs(ends[0].state - ends[1].state).max(axis=1).min()) > APART
    lowest = int(jnp.argmin(jnp.stack([end.energy for end in ends])[:, 0]))
    np.testing.assert_allclose(
        np.asarray(found.lowest.states), np.asarray(ends[lowest].state), atol=1e-5
    )
    np.testing.assert_allclose(found.energies[0], ends[0].energy, rtol=1e-5)
    cold = eqprop.evaluate(network, examples, FEW)
    assert cold.error != found.lowest.error  # and what is chosen changes what is said
    assert found.each[0].error == cold.error
    assert (found.equilibria == 2).all()
    assert found.lowest.steps == sum(one.steps for one in found.each)


def test_equal_energies_count_for_the_first_start(bistable):
    network, examples = bistable
    once = evaluate_starts(network, examples, FEW, ("ones",))
    twice = evaluate_starts(network, examples, FEW, ("ones", "ones", "ones"))
    assert (once.equilibria == 1).all()
    assert (twice.equilibria == 1).all()
    np.testing.assert_array_equal(once.lowest.states, twice.lowest.states)


def test_what_did_not_settle_is_not_chosen(bistable):
    network, examples = bistable
    one_step = eqprop.Phase(eqprop.Euler(1e-3), eqprop.Residual(1e-6, 3))
    found = evaluate_starts(network, examples, one_step, 4)
    assert np.isinf(found.energies).all()
    assert found.lowest.unsettled == 1.0
    assert (found.equilibria == 0).all()


def test_random_starts_follow_their_seed_alone(bistable):
    network, examples = bistable
    short = eqprop.Phase(eqprop.Euler(1e-3), eqprop.Residual(1e-6, 1))
    first, again, other = (
        evaluate_starts(network, examples, short, ("random",), seed=seed, batch_size=size)
        for seed, size in ((0, 6), (0, 2), (1, 6))
    )
    np.testing.assert_array_equal(first.lowest.states, again.lowest.states)
    a, b = (np.asarray(one.lowest.states) for one in (first, other))
    assert np.abs(a - b).max() > 1e-2


def test_a_loose_phase_is_settled_further(bistable):
    network, examples = bistable
    loose = eqprop.Phase(eqprop.BlockCoordinateDescent(1.0), eqprop.Residual(0.5, 300))
    found = evaluate_starts(network, examples, loose, 3)
    clamped = network.energy.clamp(jnp.asarray(examples.x))
    states = jnp.asarray(found.lowest.states)
    off = jnp.abs(clamped.project(states + clamped.force(states)) - states)
    assert float(off.max()) <= 1e-3


def test_the_parts_of_many_examples_are_put_together(bistable, monkeypatch):
    network, examples = bistable
    whole = evaluate_starts(network, examples, FEW, 3)
    monkeypatch.setattr("eqprop.training.starts._PART", 4)
    parts = evaluate_starts(network, examples, FEW, 3)
    np.testing.assert_array_equal(whole.lowest.states, parts.lowest.states)
    np.testing.assert_array_equal(whole.energies, parts.energies)
    assert [len(one.wrong) for one in parts.each] == [6, 6, 6]


def test_a_model_predicts_from_several_starts(bistable):
    network, examples = bistable
    model = eqprop.Model(network.hopfield.topology(), network=network, evaluation=FEW)
    cold, lowest = model.predict(examples.x), model.predict(examples.x, starts=3)
    assert (cold != lowest).any()
    found = evaluate_starts(network, examples, FEW, 3).lowest
    np.testing.assert_array_equal(lowest, found.scores.argmax(axis=1))
    np.testing.assert_array_equal(model.outputs(examples.x, starts=3), found.outputs)
    assert model.evaluate(examples.x, np.zeros(6, int), starts=3).error == found.error


@pytest.mark.parametrize("wrong", [0, (), ("zeros", "twos")])
def test_starts_that_are_none(wrong):
    with pytest.raises(eqprop.ConfigError, match="starts"):
        starts_of(wrong)


def test_the_command_line_evaluates_from_several_starts(tmp_path):
    program = [sys.executable, "-m", "eqprop"]
    settings = ["data.dataset=teacher", "topology.layer_sizes=[20, 8, 8, 4]", "training.epochs=1"]
    config = tmp_path / "run.toml"
    config.write_text("")
    changes = [part for s in settings for part in ("--set", s)]
    done = subprocess.run(
        [*program, "train", str(config), *changes, "--out", str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (run,) = [path for path in tmp_path.iterdir() if path.is_dir()]
    asked = ["--starts", "zeros,ones,random", "--seed", "3", "--first", "50"]
    done = subprocess.run([*program, "evaluate", str(run), *asked], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["starts"] == ["zeros", "ones", "random"]
    assert said["validation_examples"] == 50
    assert len(said["error_of_each_start"]) == 3
    assert 0 <= said["several_equilibria"] <= 1
    model = eqprop.load(run)
    from eqprop import data

    split = data.load("teacher").split("validation").first(50)
    found = evaluate_starts(
        model.network,
        Examples.of(model.network, split.x, split.target),
        model.evaluation,
        ("zeros", "ones", "random"),
        seed=3,
    )
    assert said["validation_error"] == found.lowest.error
    assert jax.tree.leaves(said["error_of_each_start"]) == [one.error for one in found.each]
    done = subprocess.run(
        [*program, "evaluate", str(run), "--starts", "zeroes"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "zeros" in done.stderr
