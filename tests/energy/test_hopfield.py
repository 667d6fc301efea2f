"""Oracles: autodiff of Eq. 2, and Eq. 2 itself written with one dense matrix."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop.energy import TotalEnergy

WIRINGS = {
    "layered": lambda: eqprop.layered([12, 10, 9, 4]),
    "rewired": lambda: eqprop.rewire(
        eqprop.with_intralayer(eqprop.layered([12, 10, 9, 4])), n=80, seed=0
    ),
    "graph": lambda: eqprop.from_adjacency(np.ones((9, 9)) - np.eye(9) - _corner(9, 3), [3, 4, 2]),
}


def _corner(units, inputs):
    corner = np.zeros((units, units))
    corner[:inputs, :inputs] = 1 - np.eye(inputs)
    return corner


def boundary_state(rng, units):
    """A third of the units exactly 0, a third exactly 1, the others inside or outside."""
    state = rng.uniform(-0.2, 1.2, units)
    order = rng.permutation(units)
    state[order[: units // 3]] = 0
    state[order[units // 3 : 2 * (units // 3)]] = 1
    return state


@pytest.mark.parametrize("name", WIRINGS)
def test_force_is_minus_the_gradient_of_the_energy(name, x64):
    rng = np.random.default_rng(1)
    network = eqprop.Network.initialize(WIRINGS[name](), seed=0, dtype=jnp.float64)
    biases = {k: jnp.asarray(rng.normal(size=b.shape)) for k, b in network.hopfield.biases.items()}
    energy = eqx.tree_at(lambda energy: energy.biases, network.hopfield, biases)
    x = jnp.asarray(rng.random((5, network.num_inputs)))
    states = jnp.asarray([boundary_state(rng, network.num_free) for _ in range(5)])
    oracle = -jax.vmap(jax.grad(energy.energy, argnums=1))(x, states)
    assert jnp.abs(oracle).max() > 0.5
    np.testing.assert_allclose(jax.vmap(energy.force)(x, states), oracle, atol=1e-10)
    clamped = energy.clamp(x)
    np.testing.assert_allclose(clamped.force(states), oracle, atol=1e-10)
    value = jax.vmap(energy.energy)(x, states)
    np.testing.assert_allclose(clamped.energy(states), value, atol=1e-10)

    target = jnp.asarray(rng.random((5, network.num_outputs)))
    network = eqprop.Network(energy, eqprop.SquaredError(0.7))
    total = TotalEnergy(clamped, network.cost, jnp.asarray(-0.3), target)
    slope = jax.vmap(jax.grad(network.total_energy, argnums=1), in_axes=(0, 0, 0, None))
    oracle = -slope(x, states, target, -0.3)
    np.testing.assert_allclose(total.force(states), oracle, atol=1e-10)


@pytest.mark.parametrize("name", WIRINGS)
def test_energy_is_equation_2(name, x64):
    rng = np.random.default_rng(2)
    network = eqprop.Network.initialize(WIRINGS[name](), seed=0, dtype=jnp.float64)
    x, state = rng.random(network.num_inputs), rng.uniform(-0.5, 1.5, network.num_free)
    weights = network.hopfield.dense_weights()
    u, rho = np.concatenate([x, state]), np.concatenate([x, state.clip(0, 1)])
    expected = 0.5 * u @ u - 0.5 * rho @ weights @ rho
    assert abs(expected) > 0.1
    found = network.energy.energy(jnp.asarray(x), jnp.asarray(state))
    assert float(found) == pytest.approx(expected, abs=1e-12)
    assert (weights == weights.T).all() and not weights.diagonal().any()


def test_the_derivative_is_1_on_the_closed_interval(x64):
    states = jnp.array([-0.1, 0.0, 0.3, 1.0, 1.1])
    by_autodiff = jax.vmap(jax.grad(eqprop.HardSigmoid()))(states)
    assert by_autodiff.tolist() == [0, 1, 1, 1, 0]
    assert eqprop.HardSigmoid().derivative(states).tolist() == [0, 1, 1, 1, 0]


def test_initial_weights_follow_section_2_3():
    topology = eqprop.rewire(
        eqprop.with_intralayer(eqprop.layered([60, 50, 40, 10])), n=900, seed=0
    )
    energy = eqprop.Network.initialize(topology, seed=0).hopfield
    for (post, pre), weight in energy.weights.items():
        values = np.asarray(weight)[topology.masks[post, pre]]
        sizes = topology.layer_sizes
        bound = (6 / (sizes[post] + sizes[pre])) ** 0.5 if post - pre == 1 else 0.05
        assert np.abs(values).max() <= bound
        assert values.std() == pytest.approx(bound / 3**0.5, rel=0.15)
        assert not np.asarray(weight)[~topology.masks[post, pre]].any()
    assert not any(np.asarray(b).any() for b in energy.biases.values())


def test_networks_share_the_weights_of_shared_connections():
    plain = eqprop.layered([12, 10, 9, 4])
    rewired = eqprop.rewire(eqprop.with_intralayer(plain), n=40, seed=5)
    a, b = (eqprop.Network.initialize(t, seed=7).hopfield for t in (plain, rewired))
    for block in plain.blocks:
        kept = rewired.masks[block]
        assert kept.sum() > 20
        assert (np.asarray(a.weights[block])[kept] == np.asarray(b.weights[block])[kept]).all()


def test_arrays_and_dense_matrix_round_trip():
    topology = WIRINGS["rewired"]()
    network = eqprop.Network.initialize(topology, seed=0)
    blank = eqprop.Network.initialize(topology, seed=1)
    back = blank.with_arrays(network.to_arrays())
    assert (back.hopfield.dense_weights() == network.hopfield.dense_weights()).all()
    dense = eqprop.HopfieldEnergy.from_dense(
        topology, network.hopfield.dense_weights(), np.zeros(topology.num_free, np.float32)
    )
    assert (dense.dense_weights() == network.hopfield.dense_weights()).all()
    with pytest.raises(eqprop.ConfigError, match="zero where `topology` has no connection"):
        eqprop.HopfieldEnergy.from_dense(
            WIRINGS["layered"](), network.hopfield.dense_weights(), np.zeros(35)
        )


@pytest.mark.parametrize("factor", [0, -1])
def test_a_cost_factor_that_is_not_positive_is_refused(factor):
    with pytest.raises(eqprop.ConfigError, match="`factor` must be above 0"):
        eqprop.SquaredError(factor)
