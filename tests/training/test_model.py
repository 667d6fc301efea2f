"""`Model` on what users pass to it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import sparse

import eqprop
from eqprop.errors import DivergedError, EqpropError
from eqprop.training.model import evaluation_phase

RNG = np.random.default_rng(0)
X = RNG.random((60, 6))
LABELS = (X[:, 0] > X[:, 1]).astype(int)
SMALL = eqprop.layered([6, 8, 2])
NUMBER = np.nextafter(1, 2)


def fit(x: Any = X, target: Any = LABELS, **settings):
    return eqprop.Model(SMALL, seed=0).fit(x, target, epochs=1, **settings)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fit(np.array([["one"] * 6] * 60)), "`x` must be numbers"),
        (lambda: fit(batch_size=7.0), "`batch_size` must be a whole number, got 7.0"),
        (lambda: fit(x=X * 2), r"`x` .*\[0, 1\]"),
        (
            lambda: eqprop.Model(SMALL, network=eqprop.Model(eqprop.layered([6, 7, 2])).network),
            "`network` must have the layers",
        ),
    ],
    ids=["text", "batch size", "range", "sizes"],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(EqpropError, match=message):
        call()


def test_a_sparse_matrix_is_the_array_it_stands_for():
    assert fit(sparse.csr_array(X)) == fit(X)


def test_what_a_scaler_leaves_above_one_is_taken_for_one():
    x = X.copy()
    x[0, 0] = NUMBER
    assert NUMBER > 1 and fit(x) == fit(np.minimum(x, 1))


def test_whole_numbers_are_parameters_that_move():
    weights = eqprop.Network.initialize(SMALL, seed=0).hopfield.dense_weights()
    energy = eqprop.HopfieldEnergy.from_dense(SMALL, weights, np.zeros(10, int))
    model = eqprop.Model(SMALL, network=eqprop.Network(energy, eqprop.SquaredError()))
    model.fit(X, LABELS, epochs=2, learning_rate=0.05)
    assert np.asarray(model.network.hopfield.biases[2]).any()


def test_a_rate_that_is_too_high_is_an_error_which_keeps_the_last_good_network():
    network = eqprop.Network.initialize(SMALL, seed=0, activation=eqprop.Tanh())
    settle = eqprop.Phase(eqprop.Euler(0.3), eqprop.Residual(1e-4, max_steps=50))
    rule = eqprop.EquilibriumPropagation(eqprop.Centered(0.1), settle, settle)
    model = eqprop.Model(SMALL, network=network)
    with pytest.raises(DivergedError, match="NaN or infinite"):
        model.fit(X, LABELS, epochs=60, learning_rate=50.0, rule=rule)
    assert np.isfinite(model.network.hopfield.dense_weights()).all()


def test_looking_for_nan_stops_no_healthy_training():
    with jax.debug_nans(True):
        model = eqprop.Model(SMALL, seed=0)
        assert model.fit(X, LABELS, epochs=1)[0] >= 0
        assert jnp.isfinite(model.network.hopfield.biases[1]).all()


def test_examples_in_order_of_class_are_shuffled():
    rng = np.random.default_rng(0)
    x = np.sort(rng.random((200, 4)), axis=0)
    labels = (x[:, 0] > 0.5).astype(int)
    told = {}
    for shuffle in (True, False):
        model = eqprop.Model(eqprop.layered([4, 16, 2]), seed=0)
        told[shuffle] = model.fit(x, labels, epochs=8, learning_rate=0.05, shuffle=shuffle)[-1]
        true = float(np.mean(model.predict(x) != labels))
        assert (abs(told[shuffle] - true) < 0.1) == shuffle, (shuffle, told[shuffle], true)


def test_a_fit_that_cannot_learn_is_warned_of():
    x = np.repeat(X, 3, axis=0)
    labels = np.repeat(LABELS, 3)
    with pytest.warns(UserWarning, match="at-chance: .*try another|at-chance: .*Try another"):
        eqprop.Model(SMALL, seed=0).fit(x, labels, epochs=3, learning_rate=1e-7)
    few = eqprop.Phase(eqprop.Euler(0.05), eqprop.Residual(1e-6, max_steps=2))
    rule = eqprop.EquilibriumPropagation(eqprop.RandomSign(1.0), few, few)
    with pytest.warns(UserWarning, match="free-unsettled: .*`FixedSteps` more steps"):
        eqprop.Model(SMALL, seed=0).fit(x, labels, epochs=1, rule=rule)


def test_weak_feedback_is_evaluated_in_few_sweeps_and_settles():
    topology = eqprop.rewire(eqprop.layered([6, 20, 20, 20, 2]), n=60, seed=1)
    activation = eqprop.Activities(eqprop.Tanh())

    def taken(g):
        network = eqprop.Network.initialize(topology, seed=2, activation=activation, feedback=g)
        # Weaker than at random, so that there is one equilibrium alone.
        halves = {name: 0.5 * value for name, value in network.to_arrays().items()}
        network = network.with_arrays(halves)
        phase = evaluation_phase(network)
        found = eqprop.evaluate(network, eqprop.Examples.of(network, X, LABELS), phase)
        assert found.settled.all()
        states = np.zeros((60, 62), np.float32)
        plain = eqprop.Phase(eqprop.Euler(0.3), eqprop.Residual(1e-6, max_steps=3000))
        exact = eqprop.evaluate(
            network, eqprop.Examples.of(network, X, LABELS), plain, states=states
        )
        np.testing.assert_allclose(found.outputs, exact.outputs, atol=2e-3)
        return found.steps

    assert taken(0.01) <= 8 < taken(0.5)


def test_an_interrupted_fit_leaves_a_model_that_goes_on():
    class Interrupted(Exception):
        pass

    model = eqprop.Model(SMALL, seed=0)
    model.fit(X, LABELS, epochs=1)
    epoch = eqprop.Trainer.epoch

    def interrupted(*arguments):  # the program has taken the memory of the state by then
        next(epoch(*arguments))
        raise Interrupted

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(eqprop.Trainer, "epoch", interrupted)
        with pytest.raises(Interrupted):
            model.fit(X, LABELS, epochs=1)
    before = model.network.to_arrays()
    model.fit(X, LABELS, epochs=1)
    assert (model.network.to_arrays()["weights_1_0"] != before["weights_1_0"]).any()


@pytest.mark.filterwarnings("ignore:free-unsettled")
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_rules_of_a_single_phase_train_in_every_precision(dtype):
    network = eqprop.Network.initialize(SMALL, seed=0, dtype=jnp.dtype(dtype))
    phase = eqprop.Phase(eqprop.Euler(np.float64(0.3)), eqprop.FixedSteps(10))
    model = eqprop.Model(SMALL, network=network, evaluation=phase)
    before = model.network.to_arrays()
    model.fit(X, LABELS, epochs=1, rule=eqprop.BackpropagationThroughTime(phase, 5))
    assert (model.network.to_arrays()["weights_1_0"] != before["weights_1_0"]).any()
