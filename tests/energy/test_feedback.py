"""Weakened feedback. Oracles: autodiff of the energy, and the fixed point by a loop in NumPy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop.energy import Activities, Feedback

SIZES, G = [6, 5, 4, 5, 3], 0.3
ACTIVATIONS = [
    eqprop.HardSigmoid(),
    Activities(eqprop.Tanh()),
    Activities(eqprop.Sigmoid()),
    Activities(eqprop.ShiftedSigmoid()),
]


def wired():
    base = eqprop.with_intralayer(eqprop.layered(SIZES))
    return eqprop.rewire(base, n=30, seed=1)


def network_of(activation, g=G, seed=0):
    rng = np.random.default_rng(seed)
    network = eqprop.Network.initialize(
        wired(), seed=2, activation=activation, feedback=g, dtype=jnp.float64
    )
    arrays = {
        name: value + (rng.uniform(0, 0.4, value.shape) if name.startswith("biases") else 0)
        for name, value in network.to_arrays().items()
    }
    return network.with_arrays(arrays), jnp.asarray(rng.random((4, 6)))


def weights_of(g):
    """g^(k - L) at every free unit."""
    return np.concatenate([np.full(n, g ** (k - 4.0)) for k, n in enumerate(SIZES) if k])


def pulls(network, x, state, g):
    """What each free unit receives, unit by unit of the dense matrix."""
    layer = np.repeat(np.arange(5), SIZES)
    dense = network.hopfield.dense_weights()
    back = g ** np.maximum(0, layer[None, :] - layer[:, None])
    biases = np.concatenate([np.asarray(b) for b in network.hopfield.biases.values()])
    whole = np.concatenate([x, state], axis=1)
    return (whole @ (dense * back).T)[:, SIZES[0] :] + biases


@pytest.mark.parametrize("activation", [*ACTIVATIONS, eqprop.Tanh()], ids=repr)
def test_force_is_the_slope_of_the_energy_over_the_weight_of_the_layer(x64, activation):
    network, x = network_of(activation)
    state = jnp.asarray(np.random.default_rng(1).uniform(0.1, 0.9, (4, 17)))
    clamped = network.energy.clamp(x)
    np.testing.assert_allclose(
        clamped.energy(state), jax.vmap(network.energy.energy)(x, state), rtol=1e-12
    )
    slope = -jax.vmap(jax.grad(network.energy.energy, argnums=1))(x, state)
    assert np.abs(slope).min() > 1e-4
    np.testing.assert_allclose(clamped.force(state), slope / weights_of(G), atol=1e-12)


@pytest.mark.parametrize(
    ("activation", "order"),
    [*((activation, "forwards") for activation in ACTIVATIONS), (ACTIVATIONS[1], "alternating")],
)
def test_equilibrium_is_the_fixed_point_of_weakened_pulls(x64, activation, order):
    network, x = network_of(activation)
    found = eqprop.relax(
        network.energy.clamp(x),
        network.cold_state(4),
        eqprop.BlockCoordinateDescent(1.0, block_size=2, order=order),
        eqprop.Residual(1e-13, max_steps=3000),
    )
    assert bool(found.settled.all())
    rho = activation.forwards
    state = np.zeros((4, 17))
    for _ in range(4000):  # damped, so that it cannot fall into a cycle
        state += 0.2 * (np.asarray(rho(pulls(network, x, state, G))) - state)
    assert state.std() > 0.05
    np.testing.assert_allclose(found.state, state, atol=1e-10)
    whole = pulls(network, x, state, 1.0)
    assert np.abs(np.asarray(rho(whole)) - state).max() > 1e-2, "feedback must matter here"


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
def test_a_sweep_never_raises_the_energy_where_its_blocks_are_exact(x64, activation):
    network, x = network_of(activation)
    method = eqprop.BlockCoordinateDescent(1.0, block_size=1)
    clamped = method.prepare(network.energy.clamp(x))
    state = clamped.project(jnp.asarray(np.random.default_rng(3).uniform(0, 1, (4, 17))))
    energies = []
    for _ in range(8):
        energies.append(np.asarray(clamped.energy(state)))
        state = method.step(clamped, state, None, None)[0]
    changes = np.diff(energies, axis=0)
    assert changes[0].max() < -1e-2
    assert changes.max() <= 1e-9


def test_whole_feedback_multiplies_by_nothing():
    assert Feedback(1.0, (3, 2, 1)).per_unit(Feedback(1.0, (3, 2, 1)).weight, np.float32) == 1.0


@pytest.mark.parametrize("order", ["forwards", "backwards", "alternating"])
def test_blocks_are_swept_in_the_order_that_was_asked_for(x64, order):
    network, x = network_of(Activities(eqprop.Tanh()))
    method = eqprop.BlockCoordinateDescent(1.0, order=order)
    found = eqprop.relax(
        network.energy.clamp(x), network.cold_state(4), method, eqprop.FixedSteps(3)
    )
    ends = np.cumsum([0, *SIZES[1:]])
    state = np.zeros((4, 17))
    layers = list(range(4))
    for sweep in range(3):
        backwards = order == "backwards" or (order == "alternating" and sweep % 2)
        for k in layers[::-1] if backwards else layers:
            span = slice(ends[k], ends[k + 1])
            state[:, span] = np.tanh(pulls(network, x, state, G)[:, span])
    np.testing.assert_allclose(found.state, state, atol=1e-12)


def test_an_unmeasured_phase_reports_what_its_last_sweep_saw(x64):
    network, x = network_of(Activities(eqprop.Tanh()))
    clamped, start = network.energy.clamp(x), network.cold_state(4)
    method = eqprop.BlockCoordinateDescent(1.0)
    plain, quick = (
        eqprop.relax(clamped, start, method, eqprop.FixedSteps(3, measured=m))
        for m in (True, False)
    )
    np.testing.assert_array_equal(plain.state, quick.state)
    before = eqprop.relax(clamped, start, method, eqprop.FixedSteps(2)).state
    seen = method.step(method.prepare(clamped), before, None, None)[2]
    np.testing.assert_allclose(quick.residual, seen, rtol=1e-12)
    assert (np.asarray(quick.residual) > 1.5 * np.asarray(plain.residual)).all()
    assert int(quick.steps) == 3


def test_a_term_is_weighed_by_its_layer(x64):
    class Pair(eqprop.AbstractTerm):
        strength: jnp.ndarray

        def __call__(self, x, state):
            return self.strength * state[0] * state[-1] * x[0]

    network, x = network_of(Activities(eqprop.Tanh()))
    energy = network.hopfield.plus(Pair(jnp.array(0.7)))
    state = jnp.asarray(np.random.default_rng(1).uniform(-0.9, 0.9, (4, 17)))
    slope = -jax.vmap(jax.grad(energy.energy, argnums=1))(x, state)
    np.testing.assert_allclose(energy.clamp(x).force(state), slope / weights_of(G), atol=1e-12)


@pytest.mark.parametrize("g", [0.0, -0.1, 1.5, float("nan")])
def test_feedback_outside_its_range_is_refused(g):
    with pytest.raises(eqprop.ConfigError, match=r"`feedback` must lie in \(0, 1\]"):
        eqprop.Network.initialize(wired(), seed=0, feedback=g)


@pytest.mark.parametrize("intralayer", [False, True])
@pytest.mark.parametrize("order", ["forwards", "backwards", "alternating"])
def test_many_examples_settle_like_few(x64, order, intralayer):
    """Products with weights in place, and a first sweep that spares what is 0."""
    topology = eqprop.rewire(eqprop.layered(SIZES), n=20, seed=1)
    topology = wired() if intralayer else eqprop.without_intralayer(topology)
    network = eqprop.Network.initialize(
        topology, seed=2, activation=Activities(eqprop.Tanh()), feedback=G, dtype=jnp.float64
    )
    assert (5, 5) not in network.hopfield.weights
    x = jnp.asarray(np.random.default_rng(0).random((70, 6)))
    method = eqprop.BlockCoordinateDescent(1.0, order=order)

    def ends(x, is_cold, start):
        phase = eqprop.Phase(method, eqprop.FixedSteps(3), is_cold)
        return phase.relax(network.energy.clamp(x), start, jax.random.key(0)).state

    few = np.concatenate([ends(part, False, network.cold_state(10)) for part in jnp.split(x, 7)])
    assert few.std() > 0.05
    np.testing.assert_allclose(ends(x, False, network.cold_state(70)), few, atol=1e-12)
    np.testing.assert_allclose(ends(x, True, 0.3 + network.cold_state(70)), few, atol=1e-12)
    np.testing.assert_allclose(ends(x[:10], True, network.cold_state(10)), few[:10], atol=1e-12)
