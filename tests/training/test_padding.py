"""What only fills up a batch counts nowhere."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import eqprop
from eqprop.learning.contrastive import check_held_targets
from eqprop.training import evaluate

FREE = eqprop.Phase(eqprop.BlockCoordinateDescent(1.5, 64), eqprop.Residual(1e-3, 100, 0.9))
NUDGED = eqprop.Phase(eqprop.Euler(0.5, nudging_step="split"), eqprop.FixedSteps(8))
RULE = eqprop.EquilibriumPropagation(eqprop.RandomSign(1.0), FREE, NUDGED)


def test_a_short_last_batch_relaxes_as_far_as_its_examples_need():
    network = eqprop.Network.initialize(eqprop.layered([12, 10, 9, 4]), seed=0)
    rng = np.random.default_rng(0)
    x, labels = rng.random((21, 12)), rng.integers(4, size=21)

    def log(x, labels, size):
        examples = eqprop.Examples.of(network, x, labels)
        rates = eqprop.learning_rates(network, 0.0)
        trainer = eqprop.Trainer(examples, optax.sgd(1.0), rates, size, jax.random.key(0))
        (chunk,) = trainer.epoch(trainer.start(network), RULE, 0)
        return chunk.log.free

    padded, alone = log(x, labels, 20), log(x[20:], labels[20:], 1)
    assert int(alone.steps[0]) > 5  # the oracle has something to say
    assert int(padded.steps[1]) == int(alone.steps[0])
    assert float(padded.residual[1]) == pytest.approx(float(alone.residual[0]), rel=1e-3)


@pytest.mark.parametrize("steps", [15, 7, 40])
def test_an_evaluation_of_fixed_steps_takes_them_all(steps, x64):
    topology = eqprop.layered([12, 10, 9, 4])
    network = eqprop.Network.initialize(topology, seed=0, dtype=jnp.float64)
    rng = np.random.default_rng(0)
    x = rng.random((30, 12))
    examples = eqprop.Examples.of(network, x, rng.integers(4, size=30))
    method = eqprop.Euler(0.5)
    found = evaluate(network, examples, eqprop.Phase(method, eqprop.FixedSteps(steps)))
    assert (found.taken == steps).all()
    clamped = network.energy.clamp(jnp.asarray(examples.x))
    ends = [
        network.output(
            eqprop.relax(clamped, network.cold_state(30), method, eqprop.FixedSteps(count)).state
        )
        for count in (steps, steps - 1)
    ]
    assert np.abs(ends[0] - ends[1]).max() > 1e-2  # a step less would be seen
    np.testing.assert_allclose(found.outputs, ends[0], atol=1e-6)


def test_targets_where_no_output_can_be_held_are_refused():
    network = eqprop.Network.initialize(eqprop.layered([4, 5, 2]), seed=0)
    for rule in (
        eqprop.ContrastiveHebbian(FREE, NUDGED),
        eqprop.CoupledLearning(0.5, FREE, NUDGED),
    ):
        with pytest.raises(eqprop.ConfigError, match=r"`target` must lie in \[0.0, 1.0\].*1.7"):
            check_held_targets(rule, network, np.array([[0.2, 1.7]]))
        check_held_targets(rule, network, np.array([[0.2, 1.0]]))
    check_held_targets(RULE, network, np.array([[0.2, 1.7]]))
