"""A trained network put onto devices: against plain NumPy, and against the law of trying again."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop.cli import run as command
from eqprop.data import load
from eqprop.devices import Added, Analog, Clip, Effects, Ideal, Mismatch, Range, Rounded, program
from eqprop.errors import ConfigError
from eqprop.running.finished import evaluate_run
from eqprop.training import Examples

KEY = jax.random.key(11)
ROOM = Range(jnp.float32(-0.8), jnp.float32(1.2))
WIDE = Range(jnp.float32(-10), jnp.float32(10))


def network_of(sizes=(100, 100, 2)):
    return eqprop.Network.initialize(eqprop.layered(list(sizes)), seed=0)


def weights(network):
    return np.asarray(network.energy.weights[1, 0])


@pytest.mark.parametrize("device", [Ideal(), Clip(5.0), Analog(WIDE, Added())])
def test_what_can_be_held_is_held_to_the_bit(device):
    network = network_of()
    held = program(device, KEY, network)
    for name, value in network.to_arrays().items():
        np.testing.assert_array_equal(held.network.to_arrays()[name], value)
        assert np.ptp(value) > 0 or "bias" in name


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
def test_levels_are_the_nearest_ones_however_updates_are_rounded(rounding):
    network = network_of()
    device = Clip(5.0, Analog(ROOM, Rounded.to_levels(31, ROOM, rounding)))
    found, levels = weights(program(device, KEY, network).network), np.linspace(-0.8, 1.2, 31)
    wanted = levels[np.abs(weights(network)[..., None] - levels).argmin(-1)]
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert 3 < len(np.unique(found)) < 31


@pytest.mark.parametrize("writes", [1, 4, 12])
def test_trying_again_leaves_as_many_as_chance_does(writes):
    """A write is good with one probability, and a device that is good is left alone."""
    sigma, tolerance = 0.1, 0.04
    network, device = network_of(), Analog(WIDE, Added(), Effects.of(write_noise=sigma))
    # So small a share corrects nothing: each write is another draw around the same value.
    held = program(device, KEY, network, writes=writes, tolerance=tolerance, share=1e-6)
    off = np.abs(weights(device.read(KEY, held)) - weights(network))
    left = (1 - math.erf(tolerance / sigma / math.sqrt(2))) ** writes
    assert abs((off > tolerance).mean() - left) < 4 * np.sqrt(left * (1 - left) / off.size)
    counts = np.asarray(held.state["weights_1_0"]["writes"])
    assert counts.max() <= writes
    assert (counts[off > tolerance] == writes).all()
    expected = sum((left ** (1 / writes)) ** k for k in range(writes))
    assert abs(counts.mean() - expected) < 4 * max(counts.std(), 1e-9) / np.sqrt(counts.size) + 1e-6


def test_what_is_stuck_stays_and_units_are_not_made_up_for():
    network = network_of()
    stuck = Analog(ROOM, Added(), Effects.of(stuck_low=0.1))
    found = weights(program(stuck, KEY, network).network)
    is_stuck = np.isclose(found, -0.8)
    assert 0.06 < is_stuck.mean() < 0.14
    np.testing.assert_array_equal(found[~is_stuck], weights(network)[~is_stuck])
    unlike = Analog(WIDE, Added(), mismatch=Mismatch.of(gain=0.3))
    held = program(unlike, KEY, network)
    np.testing.assert_array_equal(weights(held.network), weights(network))
    seen = weights(unlike.read(KEY, held))
    gains = seen / weights(network)
    np.testing.assert_allclose(gains, np.broadcast_to(gains[:, :1], gains.shape), rtol=1e-5)
    assert 0.2 < np.std(gains[:, 0]) < 0.4


RUN = {
    "topology": {"layer_sizes": [20, 12, 4]},
    "data": {"dataset": "teacher", "num_train": 200},
    "learning": {"learning_rate": 0.1},
    "training": {"epochs": 2},
}


def test_a_finished_run_is_measured_on_a_device_that_it_never_had(tmp_path, capsys):
    done = eqprop.train(RUN, out=tmp_path)
    levels = np.linspace(-1, 1, 7)
    arrays = done.model.network.to_arrays()
    rounded = {
        name: levels[np.abs(value[..., None] - levels).argmin(-1)].astype(value.dtype)
        if name.startswith("weights")
        else value
        for name, value in arrays.items()
    }
    off = np.concatenate([(rounded[n] - arrays[n]).ravel() for n in arrays if n[:7] == "weights"])
    network, split = done.model.network.with_arrays(rounded), load("teacher").split("validation")
    examples = Examples.of(network, split.x, split.target, learned=False)
    by_hand = eqprop.evaluate(network, examples, done.model.evaluation)
    found = evaluate_run(
        done.folder, "validation", overrides={"device.kind": "rounded", "device.bits": 3}
    )
    plain = evaluate_run(done.folder, "validation")
    assert found["validation_cost"] == pytest.approx(by_hand.cost, rel=1e-4)
    assert found["weights_off"] == pytest.approx(np.sqrt((off**2).mean()), rel=1e-4)
    assert abs(plain["validation_cost"] - by_hand.cost) > 1e-3
    folder = str(done.folder)
    assert command(["evaluate", folder, "--set", "device.kind=rounded"]) == 0
    assert '"device": "rounded"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("overrides", "device", "words"),
    [
        ({"training.epochs": 3}, {}, "must name a setting of a device here, got 'training.epochs'"),
        ({"device.kind": "ecram"}, {"kind": "rounded"}, "without a device, got one with 'rounded'"),
        ({"device.kind": "ekram"}, {}, "ecram"),
    ],
)
def test_what_cannot_be_programmed_is_refused(tmp_path, overrides, device, words):
    done = eqprop.train({**RUN, "device": device, "training": {"epochs": 1}}, out=tmp_path)
    with pytest.raises(ConfigError, match=words):
        evaluate_run(done.folder, "validation", overrides=overrides)


@pytest.mark.parametrize("wrong", [{"writes": 0}, {"tolerance": -1.0}, {"share": 0.0}])
def test_numbers_outside_are_refused(wrong):
    [name] = wrong
    with pytest.raises(ConfigError, match=f"`{name}` must"):
        program(Ideal(), KEY, network_of((4, 3, 2)), **wrong)
