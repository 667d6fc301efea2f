"""How parameters are held, written and read, with devices made up here."""

from __future__ import annotations

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import eqprop
from eqprop.devices import AbstractDevice, Clip, Held
from eqprop.training import Together
from problems import BRIEF_RULE, rewired_problem, trainer_for

LEVEL = 2.0**-5


class Levels(AbstractDevice):
    """Holds multiples of `LEVEL`, counts its writes, and is read `gain` times as large."""

    gain: jax.Array

    def hold(self, key, network):
        return Held(jax.tree.map(self._nearest, network), jnp.int32(0))

    def write(self, key, held, update):
        moved = eqx.apply_updates(held.network, update)
        return Held(jax.tree.map(self._nearest, moved), held.state + 1)

    def read(self, key, held):
        return jax.tree.map(
            lambda leaf: self.gain * leaf if eqx.is_inexact_array(leaf) else leaf, held.network
        )

    @staticmethod
    def _nearest(leaf):
        return LEVEL * jnp.round(leaf / LEVEL) if eqx.is_inexact_array(leaf) else leaf


def trained(trainer, network, rule=BRIEF_RULE, epochs=2):
    state = trainer.start(network)
    for epoch in range(epochs):
        for chunk in trainer.epoch(state, rule, epoch):
            state = chunk.state
    return state


def test_what_is_held_keeps_its_levels_since_the_rate_comes_before_the_write():
    network, examples = rewired_problem()
    state = trained(trainer_for(network, examples, device=Levels(jnp.float32(1.0))), network)
    held = state.network.hopfield.dense_weights()
    assert (held == LEVEL * np.round(held / LEVEL)).all()
    assert (
        held != trainer_for(network, examples).start(network).network.hopfield.dense_weights()
    ).any()
    assert len(np.unique(held)) > 5
    assert int(state.held.state) == int(state.batches_seen) == 10


def test_every_phase_and_evaluation_see_what_is_read():
    network, examples = rewired_problem()
    silent = trainer_for(network, examples, device=Levels(jnp.float32(0.0)))
    loud = dataclasses.replace(silent, device=Levels(jnp.float32(1.0)))
    # Read as nothing, no connection passes anything on and no bias lifts a unit.
    states = np.asarray(silent.kept_states(trained(silent, network), len(examples)))
    assert (states == 0).all()
    assert np.asarray(loud.kept_states(trained(loud, network), len(examples))).any()
    assert not silent.read(silent.start(network)).hopfield.dense_weights().any()


def test_what_devices_remember_is_saved():
    network, examples = rewired_problem()
    trainer = trainer_for(network, examples, device=Levels(jnp.float32(1.0)))
    state = trained(trainer, network)
    arrays = {name: value.copy() for name, value in state.to_arrays().items()}
    assert arrays["device"] == 10
    again = trainer.start(network).with_arrays(
        state.network, arrays, state.particles_by_shard(), trainer.mesh
    )
    assert int(again.held.state) == 10


def test_strengths_of_devices_differ_between_networks_of_one_program():
    network, examples = rewired_problem()
    shared = trainer_for(network, examples)
    trainers = [dataclasses.replace(shared, device=Levels(jnp.float32(g))) for g in (0.5, 1.0)]
    together = Together(trainers)
    state = together.start([network, network])
    for chunk in together.epoch(state, BRIEF_RULE, 0):
        state = chunk.state
    for number, trainer in enumerate(trainers):
        alone = trained(trainer, network, epochs=1).network.hopfield.dense_weights()
        found = together.networks(state)[number].hopfield.dense_weights()
        np.testing.assert_allclose(found, alone, atol=1e-6)
    assert np.abs(alone - together.networks(state)[0].hopfield.dense_weights()).max() > LEVEL / 2


def test_a_clipped_device_writes_as_its_own_does_within_the_limit():
    network, examples = rewired_problem()
    device = Clip(0.25, Levels(jnp.float32(1.0)))
    state = trained(trainer_for(network, examples, device=device), network)
    held = state.network.hopfield.dense_weights()
    assert np.abs(held).max() == 0.25
    assert (held == LEVEL * np.round(held / LEVEL)).all()
    key = jax.random.key(0)
    assert (
        device.read(key, device.hold(key, network)).layer_sizes
        == eqprop.layered([12, 10, 9, 4]).layer_sizes
    )
