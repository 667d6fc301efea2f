"""Hopfield's energy of 1984: potentials, minima and gradients against autodiff and a long way."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop.energy import AbstractSmoothActivation, Activities, Sigmoid, Tanh
from eqprop.errors import ConfigError
from eqprop.learning import Batch, implicit_gradient
from eqprop.relaxation import projected_residual, watch

RHOS = [eqprop.Tanh(), eqprop.Sigmoid(), eqprop.ShiftedSigmoid(), eqprop.HardSigmoid()]
named = pytest.mark.parametrize("rho", RHOS, ids=lambda rho: type(rho).__name__)
SIZES = [6, 8, 7, 3]


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


def _network(rho, wiring="rewired", scale=1.0, cost=None):
    topology = eqprop.layered(SIZES)
    if wiring == "rewired":
        topology = eqprop.rewire(eqprop.with_intralayer(topology), n=40, seed=1)
    network = eqprop.Network.initialize(
        topology, seed=0, activation=Activities(rho), intralayer_scale=0.3, skip_scale=0.3,
        dtype=jnp.float64, cost=cost,
    )  # fmt: skip
    # Weak enough for a single equilibrium, with biases that keep units away from the ends.
    arrays = {name: 0.5 * scale * array for name, array in network.to_arrays().items()}
    draw = np.random.default_rng(2)
    for name, array in arrays.items():
        if name.startswith("biases"):
            arrays[name] = draw.uniform(0.2, 0.5, array.shape)
    return network.with_arrays(arrays)


def _batch(count=5):
    draw = np.random.default_rng(0)
    return jnp.asarray(draw.random((count, 6))), jnp.asarray(
        np.eye(3)[draw.integers(3, size=count)]
    )


@named
def test_the_potential_is_the_integral_of_the_inverse(rho, x64):
    low, high = rho.range
    s = jnp.linspace(low, high, 41)[1:-1]
    np.testing.assert_allclose(jax.vmap(jax.grad(rho.potential))(s), rho.inverse(s), rtol=1e-9)
    inside = s if not isinstance(rho, eqprop.HardSigmoid) else s[1:-1]
    np.testing.assert_allclose(rho(rho.inverse(inside)), inside, rtol=1e-12)
    ends = rho.potential(jnp.asarray([low, high]))
    assert bool(jnp.isfinite(ends).all())  # where its slope need not be


@named
@pytest.mark.parametrize("stiffness", [None, 0.3, 2.0, -0.5])
def test_a_unit_is_drawn_to_its_minimum(rho, stiffness, x64):
    units, pulls = Activities(rho), jnp.linspace(-1.4, 1.5, 30)
    k = None if stiffness is None else jnp.asarray(stiffness)
    found = units.project(units.minimum(pulls, k))
    low, high = rho.range
    grid = jnp.linspace(low, high, 20001)
    values = units.own_energy(grid) + 0.5 * (stiffness or 0.0) * grid**2
    best = grid[jnp.argmin(values[None] - pulls[:, None] * grid[None], axis=1)]
    assert len(np.unique(np.asarray(best))) > 5
    np.testing.assert_allclose(found, best, atol=2 * float(grid[1] - grid[0]))


@named
@pytest.mark.parametrize("wiring", ["layered", "rewired"])
@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_block_descent_reaches_the_fixed_point_of_a_long_damped_iteration(rho, wiring, beta, x64):
    network, (x, target) = _network(rho, wiring), _batch()
    energy = network.energy.clamp(x)
    total = network.nudged(energy, jnp.asarray(beta), target)
    method = eqprop.BlockCoordinateDescent(1.0, 3)
    found = eqprop.relax(total, network.cold_state(5), method, eqprop.Residual(1e-13, 20_000))
    dense = jnp.asarray(network.hopfield.dense_weights())
    bias = jnp.concatenate([network.hopfield.biases[k] for k in (1, 2, 3)])
    state = network.cold_state(5)
    outputs = jnp.arange(18) >= 15
    wanted = jnp.zeros((5, 18)).at[:, 15:].set(target)

    def damped(_, state):
        pull = jnp.concatenate([x, state], axis=1) @ dense[:, 6:] + bias
        pull += beta * jnp.where(outputs, 2 * (wanted - state), 0)
        return state + 0.1 * (rho(pull) - state)

    state = jax.lax.fori_loop(0, 6000, damped, state)
    assert float(jnp.std(state)) > 0.05
    np.testing.assert_allclose(found.state, state, atol=1e-10)
    assert float(jnp.max(found.residual)) <= 1e-13
    np.testing.assert_allclose(projected_residual(total, state), 0, atol=1e-9)


@named
def test_a_step_of_one_never_raises_the_energy_and_larger_ones_do(rho, x64):
    network, (x, _) = _network(rho, "layered", scale=8.0), _batch(20)
    energy = network.energy.clamp(x)
    start = jnp.full((20, 18), sum(rho.range) / 2)
    state, rises = watch(energy, start, eqprop.BlockCoordinateDescent(1.0), 200)
    assert int(rises) == 0
    assert float(jnp.max(energy.energy(start) - energy.energy(state))) > 0.1


@named
def test_the_force_is_minus_the_slope_of_the_energy(rho, x64):
    network, (x, _) = _network(rho), _batch()
    low, high = rho.range
    state = jnp.asarray(np.random.default_rng(1).uniform(low + 0.05, high - 0.05, (5, 18)))
    clamped = network.energy.clamp(x)
    slope = jax.grad(lambda s: jnp.sum(clamped.energy(s)))(state)
    assert float(jnp.abs(slope).max()) > 0.1
    np.testing.assert_allclose(clamped.force(state), -slope, rtol=1e-9)
    one = jax.vmap(network.energy.energy)(x, state)
    np.testing.assert_allclose(one, clamped.energy(state), rtol=1e-12)


def test_the_hard_sigmoid_is_the_energy_of_the_paper(x64):
    network, (x, _) = _network(eqprop.HardSigmoid()), _batch()
    plain = eqx.tree_at(lambda n: n.energy.activation, network, eqprop.HardSigmoid())
    state = jnp.asarray(np.random.default_rng(1).random((5, 18)))
    ours, papers = network.energy.clamp(x), plain.energy.clamp(x)
    np.testing.assert_allclose(ours.energy(state), papers.energy(state), rtol=1e-14)
    np.testing.assert_allclose(ours.force(state), papers.force(state), rtol=1e-14)
    settle = eqprop.BlockCoordinateDescent(1.0, 3), eqprop.Residual(1e-12, 5000)
    ends = [eqprop.relax(e, state, *settle).state for e in (ours, papers)]
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-10)


@named
@pytest.mark.parametrize("wiring", ["layered", "rewired"])
@pytest.mark.parametrize("cost", ["squared error", "cross-entropy"])
def test_nudged_blocks_give_the_exact_gradient(rho, wiring, cost, x64):
    own = eqprop.CrossEntropy.initialize(3, 3, jax.random.key(0), jnp.float64)
    network = _network(rho, wiring, cost=own if cost == "cross-entropy" else None)
    x, target = _batch()
    settle = eqprop.Phase(eqprop.BlockCoordinateDescent(1.0, 3), eqprop.Residual(1e-13, 20_000))
    batch = Batch.of(x, target, network.cold_state(5))
    off = []
    # The fewer units of the hard sigmoid reach an end or leave it on the way, the better.
    for beta in (1e-4, 5e-5) if isinstance(rho, eqprop.HardSigmoid) else (0.02, 0.01):
        rule = eqprop.EquilibriumPropagation(eqprop.Centered(beta), settle, settle)
        found = rule.estimate(network, batch)
        exact = implicit_gradient(network, x, target, found.free_states)
        ours, theirs = (
            np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])
            for tree in (found.gradient, exact)
        )
        assert np.linalg.norm(theirs) > 1e-2
        cosine = ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs)
        assert cosine > 0.999
        off.append(np.linalg.norm(ours - theirs))
    if not isinstance(rho, eqprop.HardSigmoid):
        assert 3.5 < off[0] / off[1] < 4.5  # an error of beta^2


def test_the_exact_gradient_is_that_of_the_settled_cost(x64):
    network, (x, target) = _network(Tanh()), _batch()
    method, stop = eqprop.BlockCoordinateDescent(1.0, 3), eqprop.Residual(1e-14, 20_000)

    def cost(network):
        state = eqprop.relax(network.energy.clamp(x), network.cold_state(5), method, stop).state
        return float(jnp.mean(jax.vmap(network.cost)(network.output(state), target)))

    state = eqprop.relax(network.energy.clamp(x), network.cold_state(5), method, stop).state
    exact = implicit_gradient(network, x, target, state)
    arrays, slopes = network.to_arrays(), exact.to_arrays()
    for name, place in (("weights_1_0", (2, 3)), ("weights_2_1", (1, 1)), ("biases_2", (4,))):
        step = 1e-5
        up, down = ({**arrays, name: arrays[name] + s * _one(arrays[name], place)}
                    for s in (step, -step))  # fmt: skip
        slope = (cost(network.with_arrays(up)) - cost(network.with_arrays(down))) / (2 * step)
        assert abs(slope) > 1e-5
        assert abs(slope - slopes[name][place]) < 1e-6


def _one(like, place):
    where = np.zeros_like(like)
    where[place] = 1
    return where


def test_the_wiring_read_forwards_has_the_same_activities():
    network = eqprop.Network.initialize(
        eqprop.layered(SIZES), seed=0, activation=Activities(Sigmoid())
    )
    x, _ = _batch()
    x = x.astype(jnp.float32)
    found = eqprop.relax(
        network.energy.clamp(x), network.cold_state(5), eqprop.ForwardPass(), eqprop.FixedSteps(1)
    )
    first = jax.nn.sigmoid(x @ network.hopfield.weights[1, 0].T)
    np.testing.assert_allclose(found.state[:, :8], first, rtol=1e-6)


def test_a_rho_without_a_potential():
    class Softplus(AbstractSmoothActivation):
        def __call__(self, state):
            return jax.nn.softplus(state)

        def derivative(self, state):
            return jax.nn.sigmoid(state)

    with pytest.raises(ConfigError, match="must have a potential, got Softplus"):
        Activities(Softplus())
