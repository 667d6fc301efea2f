"""A network once training has ended: it answers as the devices that hold it are read."""

import dataclasses
import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop.config.settings import build
from eqprop.devices import Added, Analog, Clip, Effects, Held, Ideal, Mismatch, Range, Rounded
from eqprop.learning.auditing.oracle import Oracle
from eqprop.running.auditing import audit_run
from eqprop.running.finished import evaluate_run
from eqprop.training.reading import Reading

EFFECTS = {
    "gain": 0.2, "offset": 0.05, "unequal": 0.3, "drift": 0.2, "write_noise": 0.05,
    "read_noise": 0.05, "wires": 0.5,
}  # fmt: skip


def settings(**device):
    return {
        "topology": {"layer_sizes": [20, 12, 10, 4]},
        "data": {"dataset": "teacher", "num_train": 200, "num_validation": 200},
        "device": {"kind": "analog", "low": -9.0, "high": 9.0, **device},
        "learning": {"learning_rate": 0.1},
        "training": {"epochs": 3},
        "evaluation": {"audit_every": 3, "audit_examples": 20},
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return eqprop.train(settings(**EFFECTS), out=tmp_path_factory.mktemp("runs"))


def test_a_run_answers_when_it_is_loaded_as_it_did_when_it_ended(run, tmp_path):
    model, cost = run.model, run.summary["validation_cost"]
    assert evaluate_run(run.folder, "validation")["validation_cost"] == pytest.approx(cost)
    # What is held alone answers otherwise, so that the devices have something to say.
    x = np.random.default_rng(0).random((50, 20)).astype(np.float32)
    without = eqprop.Model(model.topology, network=model.network, evaluation=model.evaluation)
    assert np.abs(model.outputs(x) - without.outputs(x)).max() > 1e-3
    assert run.best.devices is not None
    eqprop.save(model, tmp_path / "one.safetensors")
    again = eqprop.load(tmp_path / "one.safetensors")
    np.testing.assert_array_equal(model.outputs(x), again.outputs(x))


@pytest.mark.parametrize("effect", EFFECTS)
def test_no_effect_is_forgotten(effect, run):
    """Each of them alone changes what is read of a loaded network."""
    kind = run.config.device.kind.model_copy(update={effect: 0.0})
    reading = run.model.devices
    without = dataclasses.replace(reading, device=kind.build())
    network = run.model.network
    pairs = zip(jax.tree.leaves(reading(network)), jax.tree.leaves(without(network)), strict=True)
    assert max(float(jnp.abs(a * 1.0 - b).max()) for a, b in pairs) > 1e-3


def test_devices_that_read_what_they_hold_leave_nothing_behind(tmp_path):
    network = eqprop.Network.initialize(eqprop.layered([4, 3, 2]), seed=0)
    room, key = Range(jnp.float32(-1), jnp.float32(1)), jax.random.key(0)
    for device in (Ideal(), Clip(1.0), Analog(room, Rounded.to_levels(9, room, "nearest"))):
        assert Reading.of(device, key, device.hold(key, network)) is None
    model = eqprop.train(settings(kind="rounded", bits=5), out=tmp_path).model
    assert model.devices is None and model.seen is model.network


def test_partial_fits_read_their_devices_once():
    pytest.importorskip("sklearn")
    from eqprop.estimators.estimators import EqPropClassifier

    x = np.random.default_rng(0).random((60, 12))
    labels = (x[:, 0] > x[:, 1]).astype(int)
    device = {"kind": "analog", "low": -9.0, "high": 9.0, "wires": 0.5}
    # A rate of next to nothing: whatever moves is moved by the reads.
    settings = {"device": device, "learning": {"learning_rate": 1e-9}}
    found = EqPropClassifier((8,), settings=settings, random_state=0)
    found.partial_fit(x, labels, classes=[0, 1])
    before = np.asarray(found.model_.network.hopfield.weights[1, 0])
    seen = np.asarray(found.model_.seen.hopfield.weights[1, 0])
    found.partial_fit(x, labels)
    after = np.asarray(found.model_.network.hopfield.weights[1, 0])
    assert np.abs(seen - before).max() > 0.05
    np.testing.assert_allclose(after, before, atol=1e-6)


@functools.cache
def unlike(seed=1, scale=0.6):
    """A network of one equilibrium, devices whose directions differ, and examples."""
    network = eqprop.Network.initialize(
        eqprop.rewire(eqprop.layered([6, 7, 8, 3]), p=0.2, seed=0), seed=seed, dtype=jnp.float64
    )
    biases = {k: b + 0.3 for k, b in network.hopfield.biases.items()}
    small = {pair: scale * w for pair, w in network.hopfield.weights.items()}
    network = eqx.tree_at(
        lambda n: (n.hopfield.biases, n.hopfield.weights), network, (biases, small)
    )
    room = Range(jnp.float64(-1e6), jnp.float64(1e6))
    device = Analog(room, Added(), Effects.of(wires=0.3), mismatch=Mismatch.of(0.2, 0.05, 0.5))
    key = jax.random.key(2)
    reading = Reading.of(device, key, device.hold(key, network))
    assert reading is not None
    rng = np.random.default_rng(0)
    x, target = rng.random((5, 6)), np.eye(3)[rng.integers(0, 3, 5)]
    return network, reading, x, target


def settled_cost(reading, x, target):
    """Of a network that is held, the mean settled cost, by plain damped steps."""
    x, target = jnp.asarray(x), jnp.asarray(target)

    @jax.jit
    def cost(weights, network):
        seen = reading(eqx.tree_at(lambda n: n.hopfield.weights, network, weights))
        start = jnp.full((len(x), seen.num_free), 0.5)
        stop = eqprop.Residual(1e-12, 3_000)
        found = eqprop.relax(seen.energy.clamp(x), start, eqprop.Euler(0.5), stop)
        return jax.vmap(seen.cost)(seen.output(found.state), target).mean()

    return cost


def test_the_exact_gradient_without_an_energy_is_that_of_finite_differences():
    with jax.enable_x64(True):
        network, reading, x, target = unlike()
        states = np.full((len(x), network.num_free), 0.5)
        oracle = Oracle.of(reading(network), x, target, states).through(reading, network)
        cost, apart, told = settled_cost(reading, x, target), [], []
        weights = network.hopfield.weights
        for block in ((1, 0), (2, 1), (3, 2), (3, 1)):
            exact = np.asarray(oracle.gradient.hopfield.weights[block])
            for place in map(tuple, np.argwhere(network.hopfield.masks[block])[::9]):
                ends = [
                    float(cost(weights | {block: weights[block].at[place].add(step)}, network))
                    for step in (1e-5, -1e-5)
                ]
                apart.append(exact[place] - (ends[0] - ends[1]) / 2e-5)
                told.append(exact[place])
        np.testing.assert_allclose(apart, 0, atol=1e-7)
        assert (np.abs(told) > 1e-2).sum() > 5
        # The gradient in what is read is another one: the oracle has something to say.
        plain = Oracle.of(reading(network), x, target, states)
        assert np.abs(np.asarray(plain.gradient.hopfield.weights[1, 0])).max() > 0
        assert not np.allclose(
            plain.gradient.hopfield.weights[2, 1], oracle.gradient.hopfield.weights[2, 1], rtol=0.05
        )


def test_an_audit_tells_how_far_the_rule_is_from_a_gradient_where_no_energy_exists():
    with jax.enable_x64(True):
        network, reading, x, target = unlike()
        settle = eqprop.Residual(1e-10, max_steps=5_000)
        rule = eqprop.EquilibriumPropagation(
            eqprop.Centered(0.01),
            free=eqprop.Phase(eqprop.Euler(0.3), settle),
            nudged=eqprop.Phase(eqprop.Euler(0.3), settle),
        )
        states = np.full((len(x), network.num_free), 0.5)
        found = eqprop.audit(network, rule, x, target, states, read=reading)
        ideal = eqprop.audit(network, rule, x, target, states)
    assert ideal.overall.cosine > 0.999 and ideal.has_energy
    assert 0.3 < found.overall.cosine < 0.99 and not found.has_energy
    assert any("No energy exists" in said for said in found.verdict)
    assert not any("BROKEN" in said for said in found.verdict)


def test_runs_whose_directions_differ_are_audited_on_the_way_and_at_the_end(run):
    audits = run._records.recorded("audit")
    assert [entry["has_energy"] for entry in audits] == [False]
    found, _, _ = audit_run(run.folder, examples=20)
    assert not found.has_energy and np.isfinite(found.overall.cosine)


def test_what_is_read_of_a_device_is_what_is_held_with_its_memory():
    network = eqprop.Network.initialize(eqprop.layered([4, 3, 2]), seed=0)
    room, key = Range(jnp.float32(-1), jnp.float32(1)), jax.random.key(0)
    device = Analog(
        room, Added(), Effects.of(drift=0.1, write_noise=0.1), mismatch=Mismatch.of(0.2)
    )
    held = device.hold(key, network)
    for number in range(3):
        update = jax.tree.map(
            lambda leaf: 0.1 * jnp.ones_like(leaf), eqx.filter(network, eqx.is_inexact_array)
        )
        held = device.write(jax.random.fold_in(key, number), held, network.constrain(update))
    reading = Reading.of(device, key, held)
    assert reading is not None
    kept = Reading.from_arrays(device, network, reading.to_arrays())
    assert kept is not None
    wanted = eqx.filter_jit(device.read)(key, held)  # compiled, as ours is
    for ours, theirs in zip(
        jax.tree.leaves(kept(held.network)), jax.tree.leaves(wanted), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    fresh = device.read(key, Held(network, device.hold(key, network).state))
    assert not np.array_equal(fresh.hopfield.weights[1, 0], wanted.hopfield.weights[1, 0])


def test_an_export_holds_what_is_held_and_what_is_read(run, tmp_path):
    model = run.model
    files = {path.name: path for path in eqprop.export(model, tmp_path)}
    arrays = np.load(files["network.npz"])
    held, read = arrays["weights"], arrays["weights_read"]
    np.testing.assert_array_equal(held, held.T)
    assert np.abs(read - read.T).max() > 0.01 and np.abs(read - held).max() > 0.01
    np.testing.assert_array_equal(eqprop.load(tmp_path).seen.hopfield.dense_weights(), read)
    # Where units come to rest, from the arrays alone.
    x = np.random.default_rng(0).random((3, 20)).astype(np.float32)
    states = np.concatenate([x, np.zeros((3, 26))], axis=1)
    for _ in range(3_000):
        pull = states @ read[20:].T + arrays["biases_read"]
        states[:, 20:] += 0.2 * (np.clip(pull, 0, 1) - states[:, 20:])
    np.testing.assert_allclose(states[:, -4:], model.outputs(x), atol=2e-3)


def test_a_model_gives_its_inputs_through_the_converter():
    config = build(
        {"topology": {"layer_sizes": [20, 6, 4]}, "device": {"kind": "analog", "input_bits": 1}}
    )
    model = eqprop.Model(eqprop.layered([20, 6, 4]), seed=0, config=config)
    plain = eqprop.Model(eqprop.layered([20, 6, 4]), seed=0)
    x = np.random.default_rng(0).random((5, 20)).astype(np.float32)
    np.testing.assert_array_equal(model.outputs(x), plain.outputs(np.round(x)))
    assert np.abs(model.outputs(x) - plain.outputs(x)).max() > 0.01
