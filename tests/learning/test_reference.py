"""Oracle: trajectories recorded from the paper's released code (commit 84dbe09).

Twelve updates of a 12-10-9-8-4 network with its 60 free Euler steps and 8 `split` steps,
from the recorded initial weights, masks and signs of beta. These tests never skip.
"""

from __future__ import annotations

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop.learning import Batch

FOLDER = Path(__file__).parents[1] / "data" / "reference"
PER_LAYER = [0.128, 0.032, 0.008, 0.002]
RATES = {
    "layered_global": {"rate": 0.05},
    "layered_per_layer": {"rate": PER_LAYER, "bias_rates": "below"},
    "layered_per_layer_as_released": {"rate": PER_LAYER, "bias_rates": "as_released"},
    "rewired": {"rate": 0.05},
    "added": {"rate": 0.05},
}


@eqx.filter_jit
def estimate_compiled(rule, network, *batch):
    return rule.estimate(network, Batch.of(*batch))


@pytest.mark.parametrize("name", RATES)
def test_reference_trajectory_is_reproduced(name):
    with np.load(FOLDER / f"{name}.npz") as file:
        recorded = dict(file)
    sizes = recorded["layer_sizes"].tolist()
    topology = eqprop.from_adjacency(recorded["mask"], sizes)
    start = eqprop.HopfieldEnergy.from_dense(topology, recorded["weights_0"], np.zeros(43, "f4"))
    network = eqprop.Network(start, eqprop.SquaredError(factor=1))
    rates = eqprop.learning_rates(network, **RATES[name])
    free = eqprop.Phase(eqprop.Euler(0.5), eqprop.FixedSteps(60))
    nudged = eqprop.Phase(eqprop.Euler(0.5, nudging_step="split"), eqprop.FixedSteps(8))
    particles = jnp.zeros((6, 5, network.num_free), jnp.float32)

    moved = np.abs(recorded["weights"][-1] - recorded["weights_0"]).max()
    assert moved > 200 * 2e-5, "the recording must hold learning to compare with"
    for update in range(12):
        batch = update % 6
        x, y = jnp.asarray(recorded["x"][batch]), jnp.asarray(recorded["y"][batch])
        rule = eqprop.EquilibriumPropagation(
            eqprop.OneSided(float(recorded["beta"][update])), free, nudged
        )
        estimate = estimate_compiled(rule, network, x, y, particles[batch], jax.random.key(0))
        particles = particles.at[batch].set(estimate.free_states)
        network = eqprop.apply_updates(
            network, jax.tree.map(lambda g, r: -r * g, estimate.gradient, rates)
        )
        free_state = recorded["free_state"][update][:, 12:]
        nudged_state = recorded["nudged_state"][update][:, 12:]
        np.testing.assert_allclose(estimate.free_states, free_state, atol=2e-3)
        np.testing.assert_allclose(estimate.report.nudged[0].state, nudged_state, atol=2e-3)
        weights, biases = network.hopfield.dense_weights(), network.to_arrays()
        np.testing.assert_allclose(weights, recorded["weights"][update], atol=2e-5)
        ours = np.concatenate([biases[f"biases_{layer}"] for layer in range(1, 5)])
        np.testing.assert_allclose(ours, recorded["biases"][update][12:], atol=2e-5)
        assert (weights == weights.T).all()
