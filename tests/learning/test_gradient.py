"""Oracle: the exact gradient of the settled cost, itself checked by finite differences."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import eqprop
from eqprop.learning import Batch, contrast, interior_units
from problems import KEY, TIGHT, blocks, descend, estimate, flat, settle, small_network

BETAS = 0.02 * 0.5 ** np.arange(6)


@pytest.fixture
def problem(x64):
    """A small rewired network with biases that keep a good part of its units inside (0, 1)."""
    network, x, y = small_network()
    states = settle(network, x)
    gradient = eqprop.implicit_gradient(network, x, y, states)
    for block, value in blocks(gradient).items():
        assert np.abs(value).max() > 1e-4, f"the exact gradient must not vanish in {block}"
    held = ~interior_units(network, x, states)
    assert 0 < held.sum() < held.size / 2, "some units must sit at a bound, most inside"
    return network, x, y, states, gradient


def test_implicit_gradient_is_the_slope_of_the_settled_cost(problem):
    network, x, y, states, gradient = problem

    def settled_cost(network):
        end = settle(network, x, states)
        return float(jnp.mean(jax.vmap(network.cost)(network.output(end), y)))

    step, checked = 1e-5, 0
    for block, mask in network.hopfield.masks.items():
        i, j = np.argwhere(np.asarray(mask))[len(np.argwhere(np.asarray(mask))) // 2]
        ends = []
        for sign in (1, -1):
            moved = network.hopfield.weights[block].at[i, j].add(sign * step)
            weights = network.hopfield.weights | {block: moved}
            ends.append(settled_cost(eqx.tree_at(lambda n: n.hopfield.weights, network, weights)))
        slope = (ends[0] - ends[1]) / (2 * step)
        assert gradient.hopfield.weights[block][i, j] == pytest.approx(slope, abs=1e-7)
        checked += abs(slope) > 1e-4
    assert checked >= 3


@pytest.mark.parametrize(
    ("nudging", "slope"),
    [(eqprop.OneSided, 1), (eqprop.Centered, 2)],
    ids=["one-sided", "centered"],
)
def test_gradient_error_falls_with_the_order_of_the_nudging(problem, nudging, slope):
    network, x, y, states, exact = problem
    inside = interior_units(network, x, states)
    errors = []
    for beta in BETAS:
        rule = eqprop.EquilibriumPropagation(nudging(float(beta)), TIGHT, TIGHT)
        found = estimate(rule, network, x, y, states, KEY)
        both = eqprop.EquilibriumPropagation(eqprop.Centered(float(beta)), TIGHT, TIGHT)
        for nudged in estimate(both, network, x, y, states, KEY).report.nudged:
            assert float(nudged.residual.max()) <= 1e-12
            assert (((nudged.state > 0) & (nudged.state < 1)) == inside).all()
        errors.append(np.linalg.norm(flat(found.gradient) - flat(exact)))
    fit = np.polyfit(np.log(BETAS), np.log(errors), 1)[0]
    assert errors[0] > 20 * errors[-1] > 0
    assert fit == pytest.approx(slope, abs=0.1)


def test_gradient_is_equations_7_and_8_with_the_sign_turned(problem):
    network, x, _, states, _ = problem
    rng = np.random.default_rng(0)
    beta, nudged = -0.7, jnp.asarray(rng.random(states.shape))
    slopes = ((1 / beta, nudged), (-1 / beta, states))
    found = contrast(network, x, slopes, jnp.full(4, 1 / 4))
    sizes = network.layer_sizes
    spans = np.cumsum([0, *sizes])
    u0, u1 = (np.concatenate([x, s], axis=1).clip(0, 1) for s in (states, nudged))
    correction = np.mean(
        [(np.outer(b, b) - np.outer(a, a)) / beta for a, b in zip(u0, u1, strict=True)], axis=0
    )
    assert np.abs(correction).max() > 0.1
    for (post, pre), mask in network.hopfield.masks.items():
        block = correction[spans[post] : spans[post + 1], spans[pre] : spans[pre + 1]]
        expected = np.where(mask, -block, 0)
        np.testing.assert_allclose(found.hopfield.weights[post, pre], expected, atol=1e-12)
    for layer, bias in found.hopfield.biases.items():
        expected = -np.mean((u1 - u0) / beta, axis=0)[spans[layer] : spans[layer + 1]]
        np.testing.assert_allclose(bias, expected, atol=1e-12)


def test_padded_examples_change_nothing(problem):
    network, x, y, states, _ = problem
    rule = eqprop.EquilibriumPropagation(eqprop.OneSided(0.1), TIGHT, TIGHT)
    whole = estimate(rule, network, x[:3], y[:3], states[:3], KEY).gradient
    weights = jnp.array([1.0, 1.0, 1.0, 0.0]) / 3
    padded = estimate(rule, network, x, y, states, KEY, weights).gradient
    np.testing.assert_allclose(flat(padded), flat(whole), atol=1e-12)
    assert np.abs(flat(whole)).max() > 1e-3


@pytest.mark.parametrize(
    "optimizer",
    [
        optax.sgd(0.1, momentum=0.9),
        optax.adam(0.01),
        optax.adamw(0.01, weight_decay=0.1),
        optax.chain(optax.add_noise(0.1, 0.5, KEY), optax.sgd(0.1)),
    ],
    ids=["momentum", "adam", "weight-decay", "noise"],
)
def test_no_optimiser_touches_a_missing_connection(problem, optimizer):
    network, x, y, states, _ = problem
    rule = eqprop.EquilibriumPropagation(eqprop.OneSided(0.1), TIGHT, TIGHT)
    before = network.hopfield.dense_weights()
    memory = optimizer.init(eqx.filter(network, eqx.is_inexact_array))
    for _ in range(3):
        gradient = estimate(rule, network, x, y, states, KEY).gradient
        parameters = eqx.filter(network, eqx.is_inexact_array)
        updates, memory = optimizer.update(gradient, memory, parameters)
        network = eqprop.apply_updates(network, updates)
    weights = network.hopfield.dense_weights()
    missing = ~network.hopfield.topology().adjacency().toarray()
    assert not weights[missing].any() and (weights == weights.T).all()
    assert np.abs(weights - before).max() > 0.01


def test_descending_lowers_the_settled_cost(problem):
    network, x, y, states, _ = problem
    rule = eqprop.EquilibriumPropagation(eqprop.Centered(0.05), TIGHT, TIGHT)
    _, costs = descend(rule, network, x, y, states, updates=5)
    assert (np.diff(costs) < 0).all() and costs[-1] < 0.95 * costs[0]


def test_random_sign_is_fair_and_follows_its_key():
    signs = [float(eqprop.RandomSign(0.5).pair(jax.random.key(i))[0]) for i in range(400)]
    assert set(signs) == {0.5, -0.5}
    assert abs(np.sum(signs)) < 3 * 0.5 * 400**0.5
    assert signs == [float(eqprop.RandomSign(0.5).pair(jax.random.key(i))[0]) for i in range(400)]


def test_block_nudging_needs_a_convex_output():
    network = eqprop.Network.initialize(eqprop.layered([4, 3, 2]), seed=0)
    block = eqprop.Phase(eqprop.BlockCoordinateDescent(), eqprop.FixedSteps(5))
    batch = Batch.of(jnp.ones((1, 4)), jnp.ones((1, 2)), network.cold_state(1), KEY)
    rule = eqprop.EquilibriumPropagation(eqprop.RandomSign(0.5), block, block)
    with pytest.raises(eqprop.ConfigError, match=r"`beta` must be above -0.5 .* got -0.5"):
        rule.estimate(network, batch)
    rule = eqprop.EquilibriumPropagation(eqprop.RandomSign(0.45), block, block)
    rule.estimate(network, batch)


@pytest.mark.parametrize("kind", [eqprop.OneSided, eqprop.RandomSign, eqprop.Centered])
@pytest.mark.parametrize("beta", [0.0, float("nan")])
def test_beta_without_meaning_is_refused(kind, beta):
    with pytest.raises(eqprop.ConfigError, match="`beta` must be a finite number other than 0"):
        kind(beta)


def test_rates_per_layer_reach_weights_and_biases():
    network = eqprop.Network.initialize(eqprop.layered([5, 4, 3, 2]), seed=0)
    expected = {"below": [0.1, 0.2, 0.3], "above": [0.2, 0.3, 0.3], "as_released": [1, 1, 1]}
    for name, biases in expected.items():
        rates = eqprop.learning_rates(network, [0.1, 0.2, 0.3], bias_rates=name).hopfield  # pyright: ignore[reportArgumentType]
        found = [float(rates.weights[k + 1, k]) for k in range(3)]
        np.testing.assert_allclose(found, [0.1, 0.2, 0.3], rtol=1e-6)
        np.testing.assert_allclose([float(rates.biases[k]) for k in (1, 2, 3)], biases, rtol=1e-6)


def test_rates_per_layer_are_refused_where_they_say_nothing():
    topology = eqprop.rewire(eqprop.with_intralayer(eqprop.layered([5, 4, 3, 2])), n=5, seed=0)
    network = eqprop.Network.initialize(topology, seed=0)
    with pytest.raises(eqprop.ConfigError, match="`intralayer_rate` must be given"):
        eqprop.learning_rates(network, [0.1, 0.2, 0.3])
    with pytest.raises(eqprop.ConfigError, match="`skip_rate` must be given"):
        eqprop.learning_rates(network, [0.1, 0.2, 0.3], intralayer_rate=0.1)
    with pytest.raises(eqprop.ConfigError, match="one entry per pair of adjacent layers, 3, got 2"):
        eqprop.learning_rates(network, [0.1, 0.2], intralayer_rate=0.1, skip_rate=0.1)
    rates = eqprop.learning_rates(network, [0.1, 0.2, 0.3], intralayer_rate=0.4, skip_rate=0.5)
    assert float(rates.hopfield.weights[1, 1]) == pytest.approx(0.4)
    assert float(rates.hopfield.weights[3, 0]) == pytest.approx(0.5)


def test_whole_numbers_are_inputs_and_targets_like_any_others(x64):
    network, x, _ = small_network()
    states = network.cold_state(len(x))
    whole_x, whole_y = jnp.round(x).astype(int), jnp.eye(3, dtype=int)[jnp.arange(len(x)) % 3]
    rule = eqprop.EquilibriumPropagation(eqprop.OneSided(0.3), TIGHT, TIGHT)
    found = [
        flat(rule.estimate(network, Batch.of(x.astype(kind), y.astype(kind), states)).gradient)
        for kind in (int, float)
        for x, y in [(whole_x, whole_y)]
    ]
    assert np.abs(found[1]).max() > 0.01
    np.testing.assert_array_equal(found[0], found[1])
