"""What a rule refuses is refused by its check, before anything is trained."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop.errors import ConfigError
from eqprop.learning import Batch
from problems import BRIEF_FREE, rewired_problem, trainer_for


def test_recurrent_backpropagation_checks_what_its_estimate_needs():
    network, examples = rewired_problem()
    rule = eqprop.RecurrentBackpropagation(BRIEF_FREE, BRIEF_FREE)
    batch = Batch.of(
        jnp.asarray(examples.x[:2], jnp.float32), jnp.asarray(examples.target[:2], jnp.float32),
        network.cold_state(2),
    )  # fmt: skip
    try:
        rule.estimate(network, batch)
    except ConfigError as problem:
        with pytest.raises(ConfigError) as caught:
            rule.check(network)
        assert str(caught.value) == str(problem)
    else:
        rule.check(network)


def test_a_clamped_output_beyond_its_bound_is_refused():
    network, _ = rewired_problem()
    x = np.random.default_rng(0).random((10, 12))
    target = np.zeros((10, 4))
    rule = eqprop.ContrastiveHebbian(BRIEF_FREE, BRIEF_FREE)
    for value, good in ((1.0, True), (1.7, False)):
        target[3, 1] = value
        trainer = trainer_for(
            network, eqprop.Examples(x.astype(np.float32), target.astype(np.float32))
        )
        if good:
            assert list(trainer.epoch(trainer.start(network), rule, 0))
        else:
            with pytest.raises(ConfigError, match=r"1\.7"):
                list(trainer.epoch(trainer.start(network), rule, 0))
