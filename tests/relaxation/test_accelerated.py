"""Relaxations made of others end where plain Euler steps do; noise is what it says."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop.relaxation import Anderson, Momentum, Noisy

TIGHT = eqprop.Residual(1e-11, max_steps=5_000)


@pytest.fixture(scope="module")
def problem():
    with jax.enable_x64(True):
        network = eqprop.Network.initialize(eqprop.layered([6, 9, 8, 3]), seed=0, dtype=jnp.float64)
        # Weak couplings: the energy is convex, and has one minimum.
        weak = {block: 0.4 * weight for block, weight in network.hopfield.weights.items()}
        biases = {k: jnp.full_like(b, 0.2) for k, b in network.hopfield.biases.items()}
        network = eqx.tree_at(
            lambda n: (n.hopfield.weights, n.hopfield.biases), network, (weak, biases)
        )
        inside = network.hopfield.dense_weights()[6:, 6:]
        assert np.linalg.eigvalsh(inside).max() < 1, "one minimum"
        clamped = network.energy.clamp(jnp.asarray(np.random.default_rng(0).random((4, 6))))
        start = jnp.full((4, network.num_free), 0.5)
        wanted = eqprop.relax(clamped, start, eqprop.Euler(0.3), TIGHT)
        assert bool(wanted.settled.all())
        moving = (wanted.state > 0) & (wanted.state < 1)
        assert 0.2 < float(moving.mean()) < 1
        yield clamped, start, wanted


@pytest.mark.parametrize(
    ("method", "fewer"),
    [
        (Momentum(eqprop.Euler(0.3), 0.5), 0.8),
        (Anderson(eqprop.Euler(0.3), 3), 0.5),
        (Anderson(eqprop.BlockCoordinateDescent(), 2), 0.5),
    ],
    ids=["momentum", "anderson", "anderson of sweeps"],
)
def test_they_end_where_euler_steps_do_and_sooner(problem, x64, method, fewer):
    clamped, start, wanted = problem
    found = eqprop.relax(clamped, start, method, TIGHT)
    assert found.words == ["settled"] * 4
    np.testing.assert_allclose(found.state, wanted.state, atol=1e-9)
    assert int(found.steps) < fewer * int(wanted.steps)


def test_without_inertia_momentum_is_its_method(problem, x64):
    clamped, start, _ = problem
    steps = eqprop.FixedSteps(7)
    plain = eqprop.relax(clamped, start, eqprop.Euler(0.3), steps)
    found = eqprop.relax(clamped, start, Momentum(eqprop.Euler(0.3), 0.0), steps)
    np.testing.assert_array_equal(found.state, plain.state)
    assert np.abs(plain.state - start).max() > 0.1


def test_noise_has_its_size_and_follows_the_key(problem, x64):
    clamped, _, wanted = problem
    many = jax.tree.map(lambda leaf: leaf, clamped)
    method, once = Noisy(eqprop.Euler(0.3), 1e-3), eqprop.FixedSteps(1)

    def moved(seed: int) -> np.ndarray:
        found = eqprop.relax(many, wanted.state, method, once, key=jax.random.key(seed))
        inside = (np.asarray(wanted.state) > 0.05) & (np.asarray(wanted.state) < 0.95)
        return np.asarray(found.state - wanted.state)[inside]

    drawn = np.concatenate([moved(seed) for seed in range(40)])
    assert len(drawn) > 500
    error = 1e-3 / np.sqrt(2 * len(drawn))
    assert abs(drawn.std() - 1e-3) < 4 * error and abs(drawn.mean()) < 4 * 1e-3 / len(drawn) ** 0.5
    np.testing.assert_array_equal(moved(3), moved(3))
    assert (moved(3) != moved(4)).all()
    with pytest.raises(eqprop.ConfigError, match="`key` must be given"):
        eqprop.relax(clamped, wanted.state, method, once)


def test_a_state_that_is_no_number_ends_at_once_and_holds_nobody_up(problem, x64):
    clamped, start, _ = problem
    broken = start.at[2].set(jnp.nan)
    found = eqprop.relax(clamped, broken, eqprop.Euler(0.3), TIGHT)
    assert found.words == ["settled", "settled", "not finite", "settled"]
    assert int(found.steps) < 1_000
    alone = eqprop.relax(clamped, jnp.full_like(start, jnp.nan), eqprop.Euler(0.3), TIGHT)
    assert int(alone.steps) == 1 and set(alone.words) == {"not finite"}
    short = eqprop.relax(clamped, start, eqprop.Euler(0.3), eqprop.Residual(1e-11, max_steps=3))
    assert "step limit" in short.words
