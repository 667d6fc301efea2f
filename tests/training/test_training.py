"""Oracles: a plain Python loop over the rule, and what each setting promises."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import eqprop
from eqprop.devices import Clip
from eqprop.errors import ConfigError
from eqprop.learning import Batch
from eqprop.training import Layout
from eqprop.training.train import COLD
from problems import BRIEF_RULE, rewired_problem, trainer_for

EVALUATION = eqprop.Phase(eqprop.BlockCoordinateDescent(), eqprop.Residual(1e-4, 300))


def run(trainer, network, epochs=2):
    state, logs = trainer.start(network), []
    for epoch in range(epochs):
        for chunk in trainer.epoch(state, BRIEF_RULE, epoch):
            state = chunk.state
            logs.append(chunk.log)
    return state, logs


@pytest.mark.parametrize("shuffle_seed, cold_share", [(None, 0.0), (4, 0.0), (None, 0.5)])
def test_compiled_training_is_the_plain_loop(shuffle_seed, cold_share):
    network, examples = rewired_problem()
    trainer = trainer_for(
        network, examples, shuffle_seed=shuffle_seed, chunk_batches=3, record_every=2,
        cold_share=cold_share,
    )  # fmt: skip
    state, logs = run(trainer, network)

    optimizer, rates = trainer.optimizer, trainer.rates
    plain, memory = network, trainer.start(network).optimizer_state
    particles = np.zeros((23, network.num_free), np.float32)
    seen, errors, cold = 0, [], []
    for epoch in range(2):
        for row in Layout(23, 5).table(epoch=epoch, shuffle_seed=shuffle_seed)[:, 0]:
            index = row[row < 23]
            key = jax.random.fold_in(trainer.key, seen)
            states = jnp.asarray(particles[index])
            cold.append(bool(jax.random.uniform(jax.random.fold_in(key, COLD)) < cold_share))
            if cold[-1]:
                states = jnp.zeros_like(states)
            batch = Batch.of(examples.x[index], examples.target[index], states, key)
            found = BRIEF_RULE.estimate(plain, batch)
            particles[index] = found.free_states
            output = np.asarray(plain.output(found.free_states))
            errors.append((output.argmax(1) != examples.target[index].argmax(1)).sum())
            updates, memory = optimizer.update(found.gradient, memory)
            plain = eqprop.apply_updates(plain, jax.tree.map(jnp.multiply, rates, updates))
            seen += 1
    assert int(state.batches_seen) == seen == 10
    # Of the second epoch: in the first a particle is a cold start anyway.
    assert 0 < sum(cold[5:]) < 5 if cold_share else not any(cold)
    assert np.abs(plain.hopfield.dense_weights() - network.hopfield.dense_weights()).max() > 0.01
    np.testing.assert_allclose(
        state.network.hopfield.dense_weights(), plain.hopfield.dense_weights(), atol=1e-5
    )
    np.testing.assert_allclose(trainer.layout.collect(state.particles), particles, atol=1e-4)
    assert (particles != 0).any(axis=1).all(), "every example has its particle"
    assert np.concatenate([log.errors for log in logs]).tolist() == errors
    assert np.concatenate([log.examples for log in logs]).tolist() == [5, 5, 5, 5, 3] * 2
    recorded = np.isfinite(np.concatenate([log.updates["1-0"] for log in logs]))
    assert recorded.tolist() == [True, False] * 5


def test_double_precision_trains_alike():
    network, examples = rewired_problem()
    single, _ = run(trainer_for(network, examples), network)
    x, labels = np.asarray(examples.x), np.argmax(examples.target, 1)
    with jax.enable_x64(True):  # JAX warns where 64-bit counts meet 32-bit records
        wide = network.astype(jnp.float64)
        double, _ = run(trainer_for(wide, eqprop.Examples.of(wide, x, labels)), wide)
        weights = double.network.hopfield.dense_weights()
    assert weights.dtype == np.float64
    # The signs of beta are drawn from other bits: the same amount of learning, not the same.
    start = network.hopfield.dense_weights()
    changes = [np.abs(w - start).mean() for w in (weights, single.network.hopfield.dense_weights())]
    assert changes[0] == pytest.approx(changes[1], rel=0.3)


def test_recorded_sizes_are_root_mean_squares_over_existing_connections():
    network, examples = rewired_problem()
    trainer = trainer_for(network, examples, optimizer=optax.sgd(1.0), record_every=1)
    state, logs = run(trainer, network, epochs=1)
    table = Layout(23, 5).table()[:, 0]
    found = BRIEF_RULE.estimate(
        network,
        Batch.of(
            examples.x[table[0]],
            examples.target[table[0]],
            network.cold_state(5),
            jax.random.fold_in(trainer.key, 0),
        ),
    )
    labels = {"biases 1": np.asarray(found.gradient.hopfield.biases[1])}
    for (post, pre), mask in network.hopfield.masks.items():
        weights = np.asarray(found.gradient.hopfield.weights[post, pre])
        labels[f"{post}-{pre}"] = weights[np.asarray(mask)]
    for label, entries in labels.items():
        if not entries.size:
            continue
        expected = np.sqrt(np.mean(np.asarray(entries) ** 2))
        assert logs[0].corrections[label][0] == pytest.approx(expected, rel=1e-4)
        assert logs[0].updates[label][0] == pytest.approx(0.05 * expected, rel=1e-4)
    assert max(logs[0].corrections[label][0] for label in labels) > 1e-3
    del state


def test_chunks_cut_a_run_without_changing_it():
    network, examples = rewired_problem()
    ends = [
        run(trainer_for(network, examples, chunk_batches=length), network)[0]
        for length in (1, 2, 250)
    ]
    for end in ends[1:]:
        np.testing.assert_allclose(end.particles, ends[0].particles, atol=1e-5)
        for a, b in zip(jax.tree.leaves(end), jax.tree.leaves(ends[0]), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


def test_without_particles_every_free_phase_starts_cold():
    network, examples = rewired_problem()
    state, _ = run(trainer_for(network, examples, persistent=False), network)
    assert not np.asarray(state.particles).any()


def test_evaluation_does_not_depend_on_the_batches():
    network, examples = rewired_problem()
    found = [eqprop.evaluate(network, examples, EVALUATION, batch_size=n) for n in (4, 23)]
    np.testing.assert_allclose(found[0].outputs, found[1].outputs, atol=2e-3)
    wrong = np.argmax(found[1].outputs, 1) != np.argmax(examples.target, 1)
    assert found[1].error == wrong.mean() > 0
    assert float(found[1].unsettled) == 0 and found[1].states is None
    short = eqprop.Phase(eqprop.BlockCoordinateDescent(), eqprop.Residual(1e-9, 2))
    assert float(eqprop.evaluate(network, examples, short).unsettled) == 1.0


def test_kept_states_start_where_the_last_look_ended():
    network, examples = rewired_problem()
    blank = network.cold_state(23)
    first = eqprop.evaluate(network, examples, EVALUATION, states=blank, batch_size=5)
    second = eqprop.evaluate(network, examples, EVALUATION, states=first.states, batch_size=5)
    assert float(second.steps) < float(first.steps)


@pytest.mark.parametrize(
    ("x", "target", "message"),
    [
        (np.full((2, 12), 1.5), [0, 1], r"`x` must lie in \[0, 1\], got values from 1.5"),
        (np.full((2, 12), np.nan), [0, 1], "`x` must be finite"),
        (np.zeros((2, 11)), [0, 1], "`x` must have 12 inputs per example"),
        (np.zeros((2, 12)), [0, 4], r"labels must lie in 0..3 .* got 4"),
        (np.zeros((2, 12)), [0, -1], "labels must lie in 0..3"),
        (np.zeros((2, 12)), [0], "same number of examples"),
        (np.zeros((2, 12)), np.zeros((2, 3)), "`target` must be labels"),
    ],
)
def test_examples_that_do_not_fit_are_named(x, target, message):
    network, _ = rewired_problem()
    with pytest.raises(eqprop.DataError, match=message):
        eqprop.Examples.of(network, x, np.asarray(target))


def test_compiling_trains_nothing():
    network, examples = rewired_problem()
    trainer = trainer_for(network, examples, chunk_batches=3)
    plain = run(trainer_for(network, examples, chunk_batches=3), network)[0]
    state = trainer.compile(trainer.start(network), BRIEF_RULE)
    assert int(state.batches_seen) == 0 and not np.asarray(state.particles).any()
    for epoch in range(2):
        for chunk in trainer.epoch(state, BRIEF_RULE, epoch):
            state = chunk.state
    for got, wanted in zip(jax.tree.leaves(state), jax.tree.leaves(plain), strict=True):
        assert np.array_equal(got, wanted)


class Levels(eqprop.AbstractTerm):
    """Draws each free unit to a level of its own."""

    levels: jax.Array

    def __call__(self, x, state):
        return 0.1 * jnp.sum((state - self.levels) ** 2)


def test_a_composed_energy_is_recorded_clipped_and_saved():
    plain, examples = rewired_problem()
    energy = eqprop.ComposedEnergy(plain.energy, (Levels(jnp.full(plain.num_free, 0.4)),))
    network = eqprop.Network(energy, plain.cost)
    steps = eqprop.Phase(eqprop.Euler(0.3), eqprop.FixedSteps(6))
    rule = eqprop.EquilibriumPropagation(eqprop.RandomSign(0.5), steps, steps)
    trainer = trainer_for(network, examples, record_every=2, device=Clip(0.1))
    [chunk] = trainer.epoch(trainer.start(network), rule, 0)
    trained = chunk.state.network
    assert (chunk.log.updates["1-0"][::2] > 0).all() and np.isnan(chunk.log.updates["1-0"][1])
    assert np.abs(trained.hopfield.dense_weights()).max() == pytest.approx(0.1, abs=1e-6)
    arrays = trained.to_arrays()
    assert np.abs(arrays["terms[0]_levels"] - 0.4).max() > 1e-4
    again = network.with_arrays(arrays)
    assert all((again.to_arrays()[name] == value).all() for name, value in arrays.items())
    with pytest.raises(ConfigError, match="`terms"):
        network.with_arrays({k: v for k, v in arrays.items() if not k.startswith("terms")})


def test_models_predict_with_any_activation():
    network = eqprop.Network.initialize(
        eqprop.layered([12, 10, 4]), seed=0, activation=eqprop.Tanh()
    )
    model = eqprop.Model(eqprop.layered([12, 10, 4]), network=network)
    x = np.random.default_rng(0).random((6, 12))
    states = eqprop.relax(
        network.energy.clamp(jnp.asarray(x, jnp.float32)), network.cold_state(6),
        eqprop.Euler(0.2), eqprop.Residual(1e-6, 2000),
    ).state  # fmt: skip
    np.testing.assert_allclose(model.outputs(x), network.output(states), atol=1e-2)
    assert model.predict(x).shape == (6,)


def test_an_example_counts_as_settled_at_the_same_residual_whatever_the_tolerance_is():
    from eqprop.training.logs import PhaseLog

    network = eqprop.Network.initialize(eqprop.layered([4, 6, 3]), seed=0)
    clamped = network.energy.clamp(jnp.ones((2, 4)))
    for tolerance, unsettled in ((0.5, 2), (1e-5, 0)):
        stop = eqprop.Residual(tolerance, max_steps=5000)
        found = eqprop.relax(clamped, network.cold_state(2) + 0.5, eqprop.Euler(0.05), stop)
        assert bool(found.settled.all())
        parts = jax.tree.map(lambda leaf: leaf[None], found)
        assert int(PhaseLog.of([parts], jnp.ones((1, 2), bool)).unsettled) == unsettled
