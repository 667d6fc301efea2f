"""Oracles: a linear system solved directly, the energy itself, one method against another."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop.energy import AbstractClampedEnergy, TotalEnergy
from eqprop.energy.base import without_blocks
from eqprop.relaxation import projected_residual, watch

TIGHT = eqprop.Residual(1e-12, max_steps=20_000)
METHODS = [eqprop.Euler(0.5), eqprop.BlockCoordinateDescent()]


def rewired(scale=1.0, seed=0, dtype=jnp.float64):
    base = eqprop.with_intralayer(eqprop.layered([12, 10, 9, 4]))
    topology = eqprop.rewire(base, n=60, seed=seed)
    return scaled(eqprop.Network.initialize(topology, seed=seed, dtype=dtype), scale)


def layered(scale=1.0, seed=0, dtype=jnp.float64):
    topology = eqprop.layered([12, 10, 9, 4])
    return scaled(eqprop.Network.initialize(topology, seed=seed, dtype=dtype), scale)


def scaled(network, factor):
    energy = network.energy
    return eqx.tree_at(
        lambda n: n.energy.weights, network, {b: factor * w for b, w in energy.weights.items()}
    )


def batch(network, examples=6, seed=3):
    rng = np.random.default_rng(seed)
    x = jnp.asarray(rng.random((examples, network.num_inputs)), network.dtype)
    y = jnp.asarray(np.eye(network.num_outputs)[rng.integers(4, size=examples)], network.dtype)
    return x, y, jnp.asarray(rng.random((examples, network.num_free)), network.dtype)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
def test_a_linear_chain_settles_to_its_closed_form(method, x64):
    network = scaled(
        eqprop.Network.initialize(eqprop.layered([1, 1, 1, 1]), seed=0, dtype=jnp.float64), 0.0
    )
    network = eqx.tree_at(
        lambda n: (n.energy.weights, n.energy.biases),
        network,
        (
            {(1, 0): jnp.array([[0.3]]), (2, 1): jnp.array([[0.4]]), (3, 2): jnp.array([[-0.2]])},
            {1: jnp.array([0.2]), 2: jnp.array([0.3]), 3: jnp.array([0.5])},
        ),
    )
    # Inside the box the force vanishes where (1 - W) s = W_in x + b.
    coupling = np.array([[0, 0.4, 0], [0.4, 0, -0.2], [0, -0.2, 0]])
    expected = np.linalg.solve(np.eye(3) - coupling, [0.3 * 0.7 + 0.2, 0.3, 0.5])
    assert (expected > 0.1).all() and (expected < 0.9).all()
    clamped = network.energy.clamp(jnp.array([[0.7]]))
    found = eqprop.relax(clamped, network.cold_state(1), method, TIGHT)
    np.testing.assert_allclose(found.state[0], expected, atol=1e-11)
    assert found.settled.all() and 0 < int(found.steps) < 1000


@pytest.mark.parametrize("seed", range(5))
def test_block_descent_never_raises_the_energy_of_a_layered_network(seed, x64):
    network = layered(scale=3.0, seed=seed)
    x, _, start = batch(network, seed=seed)
    assert eqprop.monotone_bound(network) == 2.0
    clamped = network.energy.clamp(x)
    for step_size in (1.0, 1.5, 1.9):
        end, rises = watch(clamped, start, eqprop.BlockCoordinateDescent(step_size), 60)
        assert int(rises) == 0 and jnp.abs(end - start).max() > 0.1


def strong_intralayer(seed, scale):
    network = rewired(seed=seed)
    weights = {b: w * (scale if b[0] == b[1] else 1) for b, w in network.energy.weights.items()}
    return eqx.tree_at(lambda n: n.energy.weights, network, weights)


@pytest.mark.parametrize("seed", range(5))
def test_block_descent_below_its_bound_never_raises_the_energy(seed, x64):
    network = strong_intralayer(seed, 40.0)
    x, _, start = batch(network, seed=seed)
    bounds = [eqprop.monotone_bound(network, size) for size in (None, 4, 1)]
    assert bounds[0] < 0.6 and bounds[0] < bounds[1] < bounds[2] == 2.0
    clamped = network.energy.clamp(x)
    for bound, size in zip(bounds, (None, 4, 1), strict=True):
        _, rises = watch(clamped, start, eqprop.BlockCoordinateDescent(0.95 * bound, size), 60)
        assert int(rises) == 0


def test_rises_of_the_energy_are_counted(x64):
    # The oracle above must be able to fail: far beyond the bound the energy does rise.
    rises = 0
    for seed in range(5):
        network = strong_intralayer(seed, 40.0)
        x, _, start = batch(network, seed=seed)
        rises += int(
            watch(network.energy.clamp(x), start, eqprop.BlockCoordinateDescent(1.9), 60)[1]
        )
    assert rises > 0


@pytest.mark.parametrize("make", [layered, rewired])
def test_methods_agree_where_only_one_equilibrium_exists(make, x64):
    network = make(scale=0.4)
    coupling = network.energy.dense_weights()[12:, 12:]
    assert np.linalg.norm(coupling, 2) < 1, "a contraction, so one equilibrium"
    x, y, start = batch(network)
    clamped = network.energy.clamp(x)
    for energy in (clamped, TotalEnergy(clamped, network.cost, jnp.asarray(0.4), y)):
        ends = [eqprop.relax(energy, start, method, TIGHT) for method in METHODS]
        assert all(bool(end.settled.all()) for end in ends)
        np.testing.assert_allclose(ends[0].state, ends[1].state, atol=1e-10)
        assert jnp.std(ends[0].state) > 0.05
        residual = projected_residual(energy, ends[1].state)
        np.testing.assert_allclose(ends[1].residual, residual, atol=1e-15)


@pytest.mark.parametrize("beta", [-0.8, -0.3, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("make", [layered, rewired])
def test_split_settles_where_joint_does_at_the_effective_beta(make, beta, x64):
    # DESIGN: beta_eff = beta / (1 - 2 eps beta), for -1/(2 (1 - eps)) < beta < 1/(2 eps).
    eps = 0.5
    network = make(scale=0.5)
    x, y, start = batch(network)
    clamped = network.energy.clamp(x)
    free = eqprop.relax(clamped, start, eqprop.Euler(eps), TIGHT).state
    # Targets near the outputs, so that not every output is driven to a bound.
    target = network.output(free) + 0.05 * (y - 0.3)

    def settle(method, beta):
        energy = TotalEnergy(clamped, network.cost, jnp.asarray(beta), target)
        return eqprop.relax(energy, free, method, TIGHT)

    split = settle(eqprop.Euler(eps, nudging_step="split"), beta)
    joint = settle(eqprop.Euler(0.05), beta / (1 - 2 * eps * beta))
    plain = settle(eqprop.Euler(0.05), beta)
    assert bool(split.settled.all()) and bool(joint.settled.all())
    np.testing.assert_allclose(split.state, joint.state, atol=1e-9)
    assert jnp.abs(split.state - plain.state).max() > 1e-3, "beta and beta_eff must differ"


def test_residual_stops_a_relaxation_and_not_too_early(x64):
    network = layered(scale=0.5)
    x, _, start = batch(network)
    clamped = network.energy.clamp(x)
    method = eqprop.BlockCoordinateDescent()
    found = eqprop.relax(clamped, start, method, eqprop.Residual(1e-6, 500))
    assert found.settled.all() and 1 < int(found.steps) < 100
    # What a sweep sees on its way is a little old, so it may go on for a few sweeps.
    before = eqprop.relax(clamped, start, method, eqprop.FixedSteps(int(found.steps) - 6))
    assert before.residual.max() > 1e-6 and found.residual.max() > 1e-7
    half = eqprop.relax(clamped, start, method, eqprop.Residual(1e-6, 500, share=0.5))
    assert int(half.steps) < int(found.steps)
    assert 0.5 <= half.settled.mean() < 1
    limited = eqprop.relax(clamped, start, method, eqprop.Residual(1e-12, 7))
    assert int(limited.steps) == 7 and not bool(limited.settled.any())


def test_a_batch_relaxes_like_its_rows(x64):
    network = rewired()
    x, _, start = batch(network)
    method, stop = eqprop.BlockCoordinateDescent(), eqprop.FixedSteps(15)
    whole = eqprop.relax(network.energy.clamp(x), start, method, stop)
    for row in range(len(x)):
        one = slice(row, row + 1)
        single = eqprop.relax(network.energy.clamp(x[one]), start[one], method, stop)
        np.testing.assert_allclose(single.state[0], whole.state[row], atol=1e-13)


def test_states_outside_the_box_are_projected_first():
    network = layered(dtype=jnp.float32)
    x, _, _ = batch(network)
    wild = jnp.full((6, network.num_free), 7.0)
    found = eqprop.relax(network.energy.clamp(x), wild, eqprop.Euler(0.5), eqprop.FixedSteps(0))
    assert found.state.max() == 1.0


def test_settings_do_not_recompile():
    network = layered(dtype=jnp.float32)
    x, y, start = batch(network)
    traces = []

    @eqx.filter_jit
    def run(network, x, start, method, stop, beta):
        traces.append(1)
        energy = TotalEnergy(network.energy.clamp(x), network.cost, beta, y)
        return eqprop.relax(energy, start, method, stop)

    for steps, size, beta in ((3, 0.5, 1.0), (8, 0.25, -0.5)):
        run(network, x, start, eqprop.Euler(size), eqprop.FixedSteps(steps), jnp.asarray(beta))
    assert len(traces) == 1


class Blockless(AbstractClampedEnergy):
    inner: AbstractClampedEnergy

    def energy(self, state):
        return self.inner.energy(state)

    def force(self, state):
        return self.inner.force(state)

    def project(self, state):
        return self.inner.project(state)

    def in_blocks(self, block_size):
        raise without_blocks("the energy", "it was written for this test")


def test_block_descent_refuses_an_energy_without_blocks():
    network = layered(dtype=jnp.float32)
    x, y, start = batch(network)
    energy = Blockless(network.energy.clamp(x))
    total = TotalEnergy(energy, network.cost, jnp.asarray(0.1), y)
    for refused in (energy, total):
        with pytest.raises(eqprop.ConfigError, match=r"block updates.*Relax it with `Euler`"):
            eqprop.relax(refused, start, eqprop.BlockCoordinateDescent(), eqprop.FixedSteps(1))


def test_bad_settings_are_named():
    with pytest.raises(eqprop.ConfigError, match="`step_size` must be above 0, got -1"):
        eqprop.Euler(-1.0)
    with pytest.raises(eqprop.ConfigError, match="`nudging_step` must be one of joint, split; got"):
        eqprop.Euler(0.5, nudging_step="both")  # pyright: ignore[reportArgumentType]


def test_jit_of_relax_returns_an_equilibrium():
    network = layered(dtype=jnp.float32)
    x, _, start = batch(network)
    found = jax.jit(eqprop.relax)(
        network.energy.clamp(x), start, eqprop.Euler(0.5), eqprop.FixedSteps(4)
    )
    assert isinstance(found, eqprop.Equilibrium) and found.state.shape == start.shape


def test_no_step_says_what_is_true_of_its_start(x64):
    network = eqprop.Network.initialize(eqprop.layered([12, 10, 4]), seed=0, dtype=jnp.float64)
    clamped = network.energy.clamp(jnp.asarray(np.random.default_rng(0).random((3, 12))))
    method = eqprop.BlockCoordinateDescent()
    found = eqprop.relax(clamped, network.cold_state(3), method, eqprop.Residual(1e-6, 500))
    again = eqprop.relax(clamped, found.state, method, eqprop.FixedSteps(0))
    assert int(again.steps) == 0 and again.settled.all() and (again.state == found.state).all()
    np.testing.assert_allclose(again.energy, found.energy)
    np.testing.assert_allclose(again.residual, found.residual)
    assert not eqprop.relax(
        clamped, network.cold_state(3), method, eqprop.FixedSteps(0)
    ).settled.any()


def test_blocks_of_the_free_phase_are_not_those_of_the_nudged():
    network = eqprop.Network.initialize(eqprop.with_intralayer(eqprop.layered([6, 12, 3])), seed=0)
    rng = np.random.default_rng(0)
    x, y = (jnp.asarray(rng.random((4, n)), jnp.float32) for n in (6, 3))
    small = eqprop.Phase(eqprop.BlockCoordinateDescent(1.0, 2), eqprop.FixedSteps(3))
    whole = eqprop.Phase(eqprop.BlockCoordinateDescent(1.0), eqprop.FixedSteps(1))
    rule = eqprop.EquilibriumPropagation(eqprop.OneSided(0.3), small, whole)
    found = rule.phases(network, x, y, network.cold_state(4), jax.random.key(0))
    nudged = network.nudged(network.energy.clamp(x), jnp.float32(0.3), y)

    def from_free(phase):
        return eqprop.relax(nudged, found.free_states, phase.method, phase.termination).state

    np.testing.assert_allclose(found.report.nudged[0].state, from_free(whole), atol=1e-6)
    blocked = eqprop.Phase(eqprop.BlockCoordinateDescent(1.0, 2), eqprop.FixedSteps(1))
    assert np.abs(from_free(blocked) - from_free(whole)).max() > 1e-4
