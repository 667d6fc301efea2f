"""A trained network put onto devices: against plain loops, and by what is left to be read."""

from __future__ import annotations

import csv
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop.cli import run as command
from eqprop.config.settings import build
from eqprop.data import load
from eqprop.devices import Added, Analog, Clip, Effects, Ideal, Mismatch, Range, Rounded, program
from eqprop.devices.settings import DEVICES
from eqprop.errors import ConfigError
from eqprop.running.finished import evaluate_run, programmed
from eqprop.training import Examples

KEY = jax.random.key(11)
ROOM = Range(jnp.float32(-0.8), jnp.float32(1.2))
WIDE = Range(jnp.float32(-10), jnp.float32(10))


def network_of(sizes=(100, 100, 2)):
    return eqprop.Network.initialize(eqprop.layered(list(sizes)), seed=0)


def weights(network):
    return np.asarray(network.energy.weights[1, 0])


@pytest.mark.parametrize("device", [Ideal(), Clip(5.0)])
def test_what_no_device_holds_is_that_of_the_network(device):
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


@pytest.mark.parametrize("writes", [3, 8, 40])
def test_corrections_are_those_of_a_loop(writes):
    """Devices whose steps are up to twice what was sent: many are sent too far, and back."""
    network = network_of((20, 10, 2))
    device = Analog(WIDE, Added(), Effects.of(spread=0.4, up_down_spread=0.3))
    held = program(device, KEY, network, writes=writes, tolerance=0.002)
    own = {name: np.asarray(value) for name, value in held.state["weights_1_0"].items()}
    alike, apart = 1 + 0.4 * own["unlike"][0], 0.3 * own["unlike"][1]
    factors = np.maximum([alike + apart, alike - apart], 0)
    values, counts = np.zeros((10, 20)), np.zeros((10, 20))
    for place, goal in np.ndenumerate(weights(network).astype(float)):
        size, way = 0.002 / 8, 0
        for _ in range(writes):
            off = goal - values[place]
            if abs(off) > 0.002:
                size *= {1: 2, -1: 0.25, 0: 1}[int(np.sign(off) * way)]
                way = np.sign(off)
                values[place] += factors[0 if off > 0 else 1][place] * way * min(size, abs(off))
                counts[place] += 1
    np.testing.assert_allclose(weights(held.network), values, atol=2e-6)
    np.testing.assert_array_equal(own["writes"], counts)
    assert factors.max() > 1.8 and np.ptp(counts) > 0


def test_a_device_is_written_until_a_read_of_it_is_good():
    network, device = network_of(), Analog(WIDE, Added(), Effects.of(write_noise=0.1, wires=0.3))
    shares = []
    for writes in (1, 100):
        held = program(device, KEY, network, writes=writes)
        off = np.abs(weights(device.read(KEY, held)) - weights(network))
        counts = np.asarray(held.state["weights_1_0"]["writes"])
        # Who was left alone before the last write had been read as good, and is.
        assert (off[counts < writes] <= 0.01 + 1e-6).all()
        shares.append((off > 0.01).mean())
    assert shares[0] > 0.5 and shares[1] < 0.02
    assert np.ptp(counts) > 10


@pytest.mark.parametrize("name", ["pcm", "reram-es", "ecram-mo", "capacitor"])
def test_devices_that_were_measured_can_be_programmed(name):
    network, device = network_of(), DEVICES.find(name)().build()
    held = program(device, KEY, network)
    off = weights(device.read(KEY, held)) - weights(network)
    assert np.sqrt((off**2).mean()) < 0.02 < np.sqrt((weights(network) ** 2).mean()) / 4
    if name == "pcm":  # of which no device shrinks: nothing is left of a pair that both grew whole
        minus = np.asarray(held.state["weights_1_0"]["minus"])
        assert minus.mean() < 0.5 and (weights(held.network) + minus).mean() < 0.5


def test_what_is_stuck_stays_and_units_are_not_made_up_for():
    network = network_of()
    stuck = Analog(ROOM, Added(), Effects.of(stuck_low=0.1))
    found = weights(program(stuck, KEY, network).network)
    is_stuck = np.isclose(found, -0.8)
    assert 0.06 < is_stuck.mean() < 0.14
    assert np.abs(found - weights(network))[~is_stuck].max() <= 0.01
    unlike = Analog(WIDE, Added(), mismatch=Mismatch.of(gain=0.3))
    held = program(unlike, KEY, network)
    assert np.abs(weights(held.network) - weights(network)).max() <= 0.01
    gains = weights(unlike.read(KEY, held)).sum(1) / weights(held.network).sum(1)
    assert 0.2 < np.std(gains) < 0.4


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
    assert '"device.kind": "rounded"' in capsys.readouterr().out


def test_the_tolerance_that_leaves_the_smallest_error_counts(tmp_path):
    done = eqprop.train({**RUN, "training": {"epochs": 1}}, out=tmp_path)
    found = {}
    for kind in ("reram-es", "reram-hfo2"):  # of fine steps, and of coarse ones
        model, told = programmed(done.folder, [f"device.kind={kind}"])
        found[kind] = told["tolerance"]
        here, there = (n.to_arrays() for n in (model.seen, done.model.network))
        by_hand = np.concatenate([(here[n] - there[n]).ravel() for n in here if n[0] == "w"])
        assert told["weights_off"] == pytest.approx(np.sqrt((by_hand**2).mean()), rel=1e-4)
        assert 1 <= told["ledger"]["1-0"]["writes"]["mean"] <= 100
    assert found["reram-es"] < found["reram-hfo2"]


def test_a_network_on_a_device_is_exported_as_it_is_there(tmp_path, capsys):
    done = eqprop.train({**RUN, "training": {"epochs": 1}}, out=tmp_path)
    folder, device = str(done.folder), ["--set", "device.kind=pcm", "--set", "device.unequal=0.2"]
    wanted, told = programmed(done.folder, {"device.kind": "pcm", "device.unequal": 0.2}, seed=3)
    out = str(tmp_path / "chip")
    assert command(["export", folder, *device, "--seed", "3", "--out", out]) == 0
    assert f"off by {told['weights_off']:.4f}" in capsys.readouterr().err
    arrays = np.load(tmp_path / "chip" / "network.npz")
    read, held = arrays["weights_read"], arrays["weights"]
    np.testing.assert_array_equal(read, wanted.seen.hopfield.dense_weights())
    assert np.abs(read - read.T).max() > 0.01 and np.abs(read - held).max() > 0.01
    with open(tmp_path / "chip" / "connections.csv") as file:
        rows = list(csv.DictReader(file))
    for row in rows[:: len(rows) // 50]:
        a, b = int(row["unit_a"]), int(row["unit_b"])
        assert float(row["weight"]) == held[a, b] == held[b, a]
        assert float(row["weight_read_ab"]) == read[b, a]  # `[to, from]`
        assert float(row["weight_read_ba"]) == read[a, b]
    again = eqprop.load(tmp_path / "chip")
    x = load("teacher").split("test").x[:5]
    np.testing.assert_allclose(again.outputs(x), wanted.outputs(x), atol=1e-6)
    assert np.abs(wanted.outputs(x) - done.model.outputs(x)).max() > 1e-3
    # Its converter stands before inputs here as in training, and in `evaluate`.
    coarse = [*device, "--set", "device.input_bits=1"]
    spice = ["export", folder, "--to", "spice", "--inputs", "--out", out]
    assert command([*spice, *coarse]) == 0
    sources = re.findall(r"(?m)^Vx\d+ \S+ 0 (\S+)$", (tmp_path / "chip/example-0.cir").read_text())
    assert len(sources) == 20 and set(sources) == {"0.0", "1.0"}
    used = tmp_path / "file"
    used.touch()
    for kind in ("arrays", "spice"):
        assert command(["export", folder, "--to", kind, "--out", str(used)]) == 2
        assert "`folder` must be a folder that can be written to" in capsys.readouterr().err


def test_what_is_no_device_is_refused():
    network = eqprop.Network.initialize(eqprop.layered([4, 3, 2]), seed=0)
    with pytest.raises(ConfigError, match="`device` must be a device, got 'ecram'"):
        program("ecram", jax.random.key(0), network)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="`levels` must be 2 or more, got 1"):
        Rounded.to_levels(1, Range(-1, 1), "nearest")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="`rounding` must be one of nearest, stochastic"):
        Rounded.to_levels(9, Range(-1, 1), "floor")  # pyright: ignore[reportArgumentType]
    for low, high in ((1, -1), (0.5, 1), (0, 0)):
        with pytest.raises(ConfigError, match="`room` must be a range around 0"):
            Analog(Range(low, high), Added())  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match=r"device.bits.*24"):
        build({"device": {"kind": "rounded", "bits": 32}})


def test_starts_are_not_ranked_where_no_energy_exists(tmp_path):
    done = eqprop.train({**RUN, "training": {"epochs": 1}}, out=tmp_path)
    unequal = {"device.kind": "analog", "device.unequal": 0.1}
    assert evaluate_run(done.folder, "validation", overrides=unequal)["validation_cost"] > 0
    with pytest.raises(ConfigError, match="zeros where no energy exists"):
        evaluate_run(done.folder, "validation", overrides=unequal, starts=3)


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


@pytest.mark.parametrize("wrong", [{"writes": 0}, {"tolerance": 0.0}])
def test_numbers_outside_are_refused(wrong):
    [name] = wrong
    with pytest.raises(ConfigError, match=f"`{name}` must"):
        program(Ideal(), KEY, network_of((4, 3, 2)), **wrong)
