"""Oracle: each network trained on its own."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest

import eqprop
from eqprop.devices import Clip
from eqprop.errors import ConfigError
from eqprop.training import Together
from problems import BRIEF_RULE, rewired_problem, trainer_for


def several(**settings):
    """Networks of other weights and other p, with rates, keys and orders of their own."""
    first, examples = rewired_problem()
    base = eqprop.with_intralayer(eqprop.layered([12, 10, 9, 4]))
    networks = [first] + [
        eqprop.Network.initialize(eqprop.rewire(base, n=n, seed=n), seed=n) for n in (20, 90)
    ]
    shared = trainer_for(first, examples, chunk_batches=2, **settings)
    trainers = [
        dataclasses.replace(
            shared,
            rates=eqprop.learning_rates(network, 0.05 * (k + 1)),
            key=jax.random.key(k),
            shuffle_seed=[None, 4, 5][k],
            device=Clip([np.inf, 0.2, np.inf][k]),
        )
        for k, network in enumerate(networks)
    ]
    return networks, trainers


@pytest.mark.parametrize("settings", [{}, {"persistent": False}, {"record_every": 2}], ids=str)
def test_networks_trained_together_are_those_trained_alone(settings):
    networks, trainers = several(**settings)
    together = Together(trainers)
    state, logs = together.start(networks), []
    for epoch in range(2):
        for chunk in together.epoch(state, BRIEF_RULE, epoch):
            state = chunk.state
            logs.append(chunk.log)
    found = together.networks(state)
    for k, (network, trainer) in enumerate(zip(networks, trainers, strict=True)):
        alone, index = trainer.start(network), 0
        for epoch in range(2):
            for chunk in trainer.epoch(alone, BRIEF_RULE, epoch):
                alone = chunk.state
                ours = jax.tree.map(lambda leaf, k=k: leaf[k], logs[index])
                np.testing.assert_array_equal(ours.errors, chunk.log.errors)
                for block, sizes in chunk.log.updates.items():
                    np.testing.assert_allclose(ours.updates[block], sizes, rtol=1e-4)
                index += 1
        assert index == len(logs) == 6
        weights, wanted = (n.hopfield.dense_weights() for n in (found[k], alone.network))
        np.testing.assert_allclose(weights, wanted, atol=2e-6)
        np.testing.assert_allclose(state.particles[k], alone.particles, atol=2e-6)
        assert np.abs(wanted - network.hopfield.dense_weights()).max() > 1e-2
        assert k != 1 or np.abs(weights).max() == pytest.approx(0.2, abs=1e-6)


def test_what_cannot_run_in_one_program_is_refused():
    networks, trainers = several()
    with pytest.raises(ConfigError, match=r"`batch_size` must be the same .* number 2 than"):
        Together([*trainers[:2], dataclasses.replace(trainers[2], batch_size=4)])
    with pytest.raises(ConfigError, match="`examples` must be the same"):
        Together([trainers[0], dataclasses.replace(trainers[1], examples=rewired_problem()[1])])
    other = eqprop.Network.initialize(eqprop.layered([12, 10, 9, 4]), seed=0)
    with pytest.raises(ConfigError, match="same layers, pairs of layers"):
        Together(trainers).start([*networks[:2], other])
    with pytest.raises(ConfigError, match="one per trainer, 3, got 2"):
        Together(trainers).start(networks[:2])


def test_targets_at_which_no_output_can_be_held_are_refused():
    networks, trainers = several()
    beyond = dataclasses.replace(trainers[0].examples, target=2 * trainers[0].examples.target)
    together = Together([dataclasses.replace(one, examples=beyond) for one in trainers])
    phase = BRIEF_RULE.free
    with pytest.raises(ConfigError, match="`target` must lie in"):
        next(together.epoch(together.start(networks), eqprop.ContrastiveHebbian(phase, phase), 0))
