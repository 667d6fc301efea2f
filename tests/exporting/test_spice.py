"""Circuits settle where the network settles: by a plain solver of the netlist, and by ngspice."""

from __future__ import annotations

import json
import re
import shutil
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_digits

import eqprop
from eqprop.cli import run as cli
from eqprop.errors import ConfigError, DataError
from eqprop.exporting.ngspice import solved, verify
from eqprop.exporting.spice import Circuit, netlist, write_netlists

needs_ngspice = pytest.mark.skipif(
    shutil.which("ngspice") is None, reason="ngspice is not installed (apt install ngspice)"
)
LOADED: Any = load_digits(return_X_y=True)
DIGITS, LABELS = (LOADED[0] / 16).astype(np.float32), LOADED[1]
RESISTOR = re.compile(r"(?m)^R\d+ ([smxn])(\d+) g(\d+) (\S+)$")
SOURCE = re.compile(r"(?m)^Bu(\d+) \S+ 0 V=.*?\+\((\S+?)\)")


def trained(topology, **settings):
    model = eqprop.Model(topology, seed=0, **settings)
    model.fit(DIGITS, LABELS, epochs=6, learning_rate=0.1)
    return model


@pytest.fixture(scope="module")
def layered():
    return trained(eqprop.layered([64, 30, 30, 10]))


@pytest.fixture(scope="module")
def rewired():
    base = eqprop.with_intralayer(eqprop.layered([64, 30, 30, 10]))
    return trained(eqprop.rewire(base, p=0.1, seed=0))


def by_hand(text, x, free, shape=lambda pull: np.clip(pull, 0, 1)):
    """Where the circuit of a netlist comes to rest, read off its lines."""
    weights, drive = np.zeros((free, free)), np.zeros(free)
    for kind, frm, to, ohms in RESISTOR.findall(text):
        value = (1 if kind in "sx" else -1) * 1e5 / float(ohms)
        if kind in "xn":
            drive[int(to)] += value * x[int(frm)]
        else:
            weights[int(to), int(frm)] += value
    for unit, bias in SOURCE.findall(text):
        drive[int(unit)] += float(bias)
    state = np.zeros(free)
    for _ in range(20_000):
        state += 0.2 * (shape(weights @ state + drive) - state)
    assert np.abs(shape(weights @ state + drive) - state).max() < 1e-9
    return state


def ours(model, x):
    energy = model.network.energy.clamp(jnp.asarray(x[None]))
    method = eqprop.BlockCoordinateDescent(1.0)
    stop = eqprop.Residual(2e-7, max_steps=20_000)
    return np.asarray(eqprop.relax(energy, model.network.cold_state(1), method, stop).state[0])


@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize("name", ["layered", "rewired"])
def test_the_netlist_is_the_network(name, fold, request):
    model = request.getfixturevalue(name)
    wanted = ours(model, DIGITS[0])
    assert ((wanted > 0.01) & (wanted < 0.99)).sum() > 10
    text = netlist(model, DIGITS[0], Circuit(fold=fold))
    inside = sum(int(m.sum()) * (1 if pre == 0 else 2) for (_, pre), m in
                 model.topology.masks.items() if pre or not fold)  # fmt: skip
    assert len(RESISTOR.findall(text)) == inside
    np.testing.assert_allclose(by_hand(text, DIGITS[0], 70), wanted, atol=3e-6)


def test_weakened_feedback_is_weaker_resistors():
    topology = eqprop.layered([64, 12, 12, 10])
    network = eqprop.Network.initialize(
        topology, seed=0, activation=eqprop.Activities(eqprop.Tanh()), feedback=0.2
    )
    model = eqprop.Model(topology, network=network)
    wanted = ours(model, DIGITS[1])
    found = by_hand(netlist(model, DIGITS[1]), DIGITS[1], 34, np.tanh)
    np.testing.assert_allclose(found, wanted, atol=3e-6)
    assert np.abs(wanted).max() > 0.2


def test_what_has_no_circuit_is_refused(layered):
    tanh = eqprop.Network.initialize(layered.topology, seed=0, activation=eqprop.Tanh())
    with pytest.raises(ConfigError, match=r"a circuit needs an activation out of .*got Tanh"):
        netlist(eqprop.Model(layered.topology, network=tanh), DIGITS[0])
    with pytest.raises(ConfigError, match="one example of 64 inputs, got shape"):
        netlist(layered, DIGITS[:2])
    wide = eqprop.Model(eqprop.layered([4, 400, 400, 2]), seed=0)
    with pytest.raises(ConfigError, match="200,000 resistors at most, got 321,600"):
        netlist(wide, np.zeros(4))


def test_resistors_scatter_as_asked(layered):
    exact, uneven = (
        np.array([float(r[3]) for r in RESISTOR.findall(netlist(layered, DIGITS[0], c))])
        for c in (Circuit(), Circuit(spread=0.1, seed=1))
    )
    ratio = exact / uneven - 1
    assert abs(ratio.std() / 0.1 - 1) < 4 / np.sqrt(2 * len(ratio))
    stuck = RESISTOR.findall(netlist(layered, DIGITS[0], Circuit(stuck=0.25)))
    assert abs(len(stuck) / len(exact) - 0.75) < 4 * np.sqrt(0.25 * 0.75 / len(exact))


@needs_ngspice
@pytest.mark.parametrize("name", ["layered", "rewired"])
def test_ngspice_settles_where_we_do(name, request):
    model = request.getfixturevalue(name)
    found = verify(model, DIGITS[:4])
    told = found.told()
    assert np.ptp(found.ours, axis=0).max() > 0.5
    assert told["largest_difference_from_our_start"] < 1e-6
    assert told["same_class_from_our_start"] == 4


def test_a_circuit_without_an_end_is_counted(layered, monkeypatch):
    states = iter([ours(layered, DIGITS[0]), ours(layered, DIGITS[1])])

    def one_end(file):
        if "nodeset" in file.read_text():
            return next(states)
        raise DataError("no convergence")

    monkeypatch.setattr("eqprop.exporting.ngspice.solved", one_end)
    told = verify(layered, DIGITS[:2]).told()
    assert told["no_end_found_from_its_own_start"] == 2
    assert told["no_end_found_from_our_start"] == 0
    assert told["same_class_from_our_start"] == 2 and told["same_class_from_its_own_start"] == 0
    assert told["largest_difference_from_our_start"] < 1e-5


@needs_ngspice
def test_a_circuit_with_capacitors_comes_to_the_same_rest(layered, tmp_path):
    started = netlist(layered, DIGITS[0], Circuit(analysis="tran"), start=np.full(70, 0.25))
    assert re.findall(r"(?m)^Cp\d+ .* IC=(\S+)$", started) == ["0.25"] * 70
    [file] = write_netlists(layered, DIGITS[:1], tmp_path, Circuit(analysis="tran"))
    np.testing.assert_allclose(solved(file), ours(layered, DIGITS[0]), atol=1e-4)
    brief = Circuit(analysis="tran", duration=1.0)
    [file] = write_netlists(layered, DIGITS[:1], tmp_path, brief)
    assert np.abs(solved(file) - ours(layered, DIGITS[0])).max() > 0.05  # not at rest yet


@needs_ngspice
def test_a_run_is_exported_and_verified_at_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    settings = {"topology": {"layer_sizes": [20, 10, 9, 4]}, "data": {"dataset": "teacher"}}
    eqprop.train({**settings, "training": {"epochs": 2}}, out="runs")
    capsys.readouterr()
    assert cli(["export", "runs/run", "--to", "spice", "--examples", "2", "--out", "chip"]) == 0
    assert capsys.readouterr().out.split() == ["chip/example-0.cir", "chip/example-1.cir"]
    assert cli(["verify", "runs/run", "--examples", "3"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["largest_difference_from_our_start"] < 1e-6 and told["examples"] == 3
    assert cli(["export", "runs/run", "--out", "arrays"]) == 0
    assert (tmp_path / "arrays" / "connections.csv").is_file()
    for target, wrong, value in (
        ("arrays", "--examples", ["3"]), ("arrays", "--examples", ["0"]),
        ("arrays", "--transient", []), ("spice", "--lossy", []), ("nir", "--inputs", []),
    ):  # fmt: skip
        capsys.readouterr()
        assert cli(["export", "runs/run", "--to", target, wrong, *value, "--out", "no"]) == 2
        said = capsys.readouterr().err
        assert f"`{wrong}`" in said and f"got --to {target}" in said
        assert not (tmp_path / "no").exists()
    (tmp_path / "runs" / "run").rename(tmp_path / "runs" / "p0.40-seed0")
    assert cli(["export", "runs/p0.40-seed0"]) == 0
    assert (tmp_path / "exported-p0.40-seed0" / "connections.csv").is_file()


def test_what_is_read_forwards_is_no_circuit(tmp_path):
    nir = pytest.importorskip("nir")
    from eqprop.exporting import neuromorphic

    assert nir
    settings = {
        "topology": {"layer_sizes": [20, 10, 9, 4]}, "data": {"dataset": "teacher"},
        "learning": {"rule": "backpropagation"}, "training": {"epochs": 1},
    }  # fmt: skip
    model = eqprop.train(settings, out=tmp_path).model
    x = np.zeros((1, 20))
    refusals: Any = (
        lambda: netlist(model, x[0]),
        lambda: verify(model, x),
        lambda: neuromorphic.graph(model, lossy=True),
    )
    for refused in refusals:
        with pytest.raises(ConfigError, match="got a network of backpropagation"):
            refused()


def test_units_of_a_circuit_answer_as_those_of_the_network():
    from eqprop.energy import Activities
    from eqprop.energy.settings import ACTIVATIONS
    from eqprop.exporting.parts import unit_of

    pulls = np.linspace(-3, 3, 41)
    seen = set()
    for name, choice in ACTIVATIONS.each():
        if name == "activities":
            continue
        made = Activities(choice().build())
        network = eqprop.Network.initialize(eqprop.layered([2, 2]), seed=0, activation=made)
        answer = unit_of(network.hopfield, "it").rho(pulls)
        np.testing.assert_allclose(answer, made.forwards(jnp.asarray(pulls)), atol=1e-6)
        seen.add(name)
    assert len(seen) >= 4 and np.ptp(answer) > 0.5


@needs_ngspice
def test_a_single_output_says_two_classes():
    topology = eqprop.layered([64, 12, 1])
    model = eqprop.Model(topology, seed=0)
    model.fit(DIGITS, (LABELS > 4).astype(int)[:, None], epochs=6, learning_rate=0.1)
    found = verify(model, DIGITS[:8])
    wanted = model.predict(DIGITS[:8]).tolist()
    assert found.labels[:, 0].tolist() == found.labels[:, 1].tolist() == wanted
    assert set(wanted) == {0, 1}


def test_what_does_not_settle_here_is_counted(monkeypatch):
    from eqprop.exporting import parts

    model = eqprop.Model(eqprop.layered([64, 12, 10]), seed=0)
    assert parts.settled_exactly(model.network, DIGITS[:3])[1] == 0
    monkeypatch.setattr(parts, "MOST_STEPS", 1)
    assert parts.settled_exactly(model.network, DIGITS[:3])[1] == 3
