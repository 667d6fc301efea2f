"""Imperfect devices: each effect against a closed form or a plain loop in NumPy."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import relaxation
from eqprop.cli import run as cli
from eqprop.config.settings import build
from eqprop.devices import (
    Added,
    Analog,
    Effects,
    ExponentialPulses,
    Held,
    Ideal,
    LinearPulses,
    Mismatch,
    Pulses,
    Range,
    Rounded,
    Sensor,
)
from eqprop.devices.settings import DEVICES
from eqprop.energy import HeldOutputs
from eqprop.energy.linear import linear
from eqprop.errors import ConfigError
from eqprop.learning import AbstractLearningRule, Batch
from eqprop.running.build import load_data
from eqprop.running.finished import evaluate_run
from eqprop.running.run import train
from problems import (
    BRIEF_RULE,
    TIGHT,
    nudged_end,
    rewired_problem,
    settle,
    small_network,
    trainer_for,
)

KEY = jax.random.key(5)
DRAWS = 10_000
ROOM = Range(jnp.float32(-0.8), jnp.float32(1.2))
ALIKE = (jnp.ones(DRAWS), jnp.ones(DRAWS))
BLOCK = "weights_1_0"


def within(values, mean, variance):
    """Whether draws have this mean and variance, within four standard errors."""
    values = np.asarray(values, np.float64)
    apart = abs(values.mean() - mean) / np.sqrt(variance / len(values))
    spread = abs(values.var() / variance - 1) / np.sqrt(2 / len(values))
    assert apart < 4, (values.mean(), mean)
    assert spread < 4 * max(1, kurtosis(values)), (values.var(), variance)


def kurtosis(values):
    """By how much more a variance scatters than that of a normal distribution."""
    centred = values - values.mean()
    return np.sqrt(max((centred**4).mean() / values.var() ** 2 - 1, 1e-9) / 2)


def device_of(**effects):
    wide = Range(jnp.float32(-10), jnp.float32(10))
    return Analog(wide, Added(), Effects.of(**effects))


def held_of(device, value=0.5, size=100):
    """A network whose weights are all alike, in devices."""
    network = eqprop.Network.initialize(eqprop.layered([size, size, 2]), seed=0)
    network = jax.tree.map(
        lambda leaf: jnp.full_like(leaf, value) if eqx.is_inexact_array(leaf) else leaf, network
    )
    return device.hold(KEY, network)


def like(held, value):
    return jax.tree.map(
        lambda leaf: jnp.full_like(leaf, value) if eqx.is_inexact_array(leaf) else leaf,
        held.network,
    )


def weights(network):
    return np.asarray(network.hopfield.weights[1, 0])


def test_stochastic_rounding_is_right_on_average():
    device = Rounded.to_levels(11, ROOM, "stochastic")
    value, update = jnp.full(DRAWS, 0.2), jnp.full(DRAWS, 0.063)
    found = device.write(KEY, value, update, ROOM, ALIKE)
    levels = np.unique(np.asarray(found.value).round(5))
    assert levels.tolist() == pytest.approx([0.2, 0.4])
    within(found.value, 0.263, 0.2**2 * (0.063 / 0.2) * (1 - 0.063 / 0.2))
    np.testing.assert_array_equal(found.pulses, np.asarray(found.value) > 0.3)


def test_to_the_nearest_level_small_updates_vanish_and_none_leaves_the_range():
    device = Rounded.to_levels(11, ROOM, "nearest")
    updates = jnp.array([0.09, 0.11, -0.09, -0.11, 5.0, -5.0])
    same = (jnp.ones(6), jnp.ones(6))
    found = device.write(KEY, jnp.full(6, 0.2), updates, ROOM, same)
    np.testing.assert_allclose(found.value, [0.2, 0.4, 0.2, 0.0, 1.2, -0.8], atol=1e-6)
    assert found.pulses.tolist() == [0, 1, 0, 1, 5, 5]


@pytest.mark.parametrize("slopes", [(0.0, 0.0), (1.0, 1.0), (0.3, 0.7)])
@pytest.mark.parametrize("update", [0.31, -0.475])
def test_linear_pulses_are_those_of_a_loop(slopes, update):
    pulses = Pulses.of(0.02, up_down=0.2, rounding="nearest")
    device = LinearPulses(pulses, *map(jnp.float32, slopes))
    start, unlike = np.linspace(-0.7, 1.1, 7), np.linspace(0.5, 1.6, 7)
    factors = (jnp.asarray(unlike, jnp.float32), jnp.asarray(unlike[::-1].copy(), jnp.float32))
    wanted = start.copy()
    count = round(abs(update) / 0.02)
    for _ in range(count):
        if update > 0:
            wanted += 0.02 * 1.2 * unlike * (1 - slopes[0] * wanted / 1.2)
        else:
            wanted -= 0.02 * 0.8 * unlike[::-1] * (1 - slopes[1] * wanted / -0.8)
    wanted = np.clip(wanted, -0.8, 1.2)
    found = device.write(KEY, jnp.asarray(start, jnp.float32), jnp.full(7, update), ROOM, factors)
    np.testing.assert_allclose(found.value, wanted, atol=2e-6)
    assert (found.pulses == count).all() and np.ptp(wanted - start) > 0.01


def test_exponential_pulses_are_those_of_the_formula():
    preset = DEVICES.find("reram-es")(cycle=0.0, rounding="nearest")
    room = Range(jnp.float32(-1), jnp.float32(1))
    device = preset.writing(room)
    assert isinstance(device, ExponentialPulses)
    start, same = np.linspace(-0.9, 0.9, 5), (jnp.ones(5), jnp.ones(5))
    z = 2 * -0.5 * start / 2 - 0.5
    up = 0.00135 * np.maximum(1 + 1.18445 * np.exp(5 * z), 0)
    down = 0.00135 * (1 - 0.259359) * np.maximum(1 + 0.081404 * np.exp(-5 * z), 0)
    usual = (up[2] + down[2]) / 2  # of a device at 0, which is the third
    assert start[2] == 0
    for update, step in ((3 * usual, 3 * up), (-3 * usual, -3 * down)):
        found = device.write(KEY, jnp.asarray(start, jnp.float32), jnp.full(5, update), room, same)
        np.testing.assert_allclose(found.value - start, step, rtol=2e-3, atol=1e-6)
        assert (found.pulses == 3).all()
    assert np.ptp(up) > 0.0005
    # Noise from pulse to pulse is a share of the step, wherever the device stands.
    noisy = DEVICES.find("reram-es")(cycle=0.6, rounding="nearest").writing(room)
    for place in (1, 2, 3):
        held = jnp.full(DRAWS, start[place], jnp.float32)
        same = (jnp.ones(DRAWS), jnp.ones(DRAWS))
        moved = noisy.write(KEY, held, jnp.full(DRAWS, 3 * usual), room, same).value - held
        within(moved, 3 * up[place], 3 * (0.6 * up[place]) ** 2)


def test_pulses_scatter_are_counted_and_are_limited():
    device = LinearPulses(Pulses.of(0.01, cycle=0.6), jnp.float32(0), jnp.float32(0))
    start, update = jnp.zeros(DRAWS), jnp.full(DRAWS, 0.065)
    found = device.write(KEY, start, update, ROOM, ALIKE)
    # 6.5 pulses on average: their number varies by .25, each by .36 of a squared step.
    within(found.value, 0.065, 0.01**2 * (0.25 + 6.5 * 0.36))
    few = dataclasses.replace(device.pulses, most=jnp.float32(2), cycle=jnp.float32(0))
    found = LinearPulses(few, jnp.float32(0), jnp.float32(0)).write(KEY, start, update, ROOM, ALIKE)
    np.testing.assert_allclose(found.value, 0.02, atol=1e-7)


def test_reads_and_writes_are_noisy_each_in_its_own_way():
    device = device_of(read_noise=0.1, write_noise=0.3)
    held = held_of(device)
    first, second = (weights(device.read(jax.random.key(k), held)) for k in (1, 2))
    within((first - second).ravel(), 0, 2 * 0.1**2)  # nothing was written yet
    held = device.write(KEY, held, like(held, 0.25))
    first, second = (weights(device.read(jax.random.key(k), held)) for k in (1, 2))
    within((first - second).ravel(), 0, 2 * 0.1**2)
    within(((first + second) / 2).ravel(), 0.75, 0.3**2 + 0.1**2 / 2)
    assert (weights(held.network) == 0.75).all()  # what is written on stays as it was
    again = device.write(jax.random.key(9), held, like(held, 0.0))
    first, second = (weights(device_of(write_noise=0.3).read(KEY, h)) for h in (held, again))
    np.testing.assert_array_equal(first, second)  # an update of 0 is no write


def test_devices_drift_leak_and_are_unlike_each_other():
    held = held_of(device_of(drift=0.1))
    for _ in range(3):
        held = device_of(drift=0.1).write(KEY, held, like(held, 0.0))
    np.testing.assert_allclose(
        weights(device_of(drift=0.1).read(KEY, held)), 0.5 * 4**-0.1, rtol=1e-5
    )
    held = held_of(device_of(leak=0.2))
    for _ in range(3):
        held = device_of(leak=0.2).write(KEY, held, like(held, 0.0))
    np.testing.assert_allclose(weights(held.network), 0.5 * 0.8**3, rtol=1e-5)
    held = held_of(device_of(spread=0.2))
    up = device_of(spread=0.2).write(KEY, held, like(held, 0.1))
    down = device_of(spread=0.2).write(jax.random.key(8), up, like(held, -0.1))
    steps = weights(up.network) - 0.5, weights(up.network) - weights(down.network)
    for step in steps:
        within(step.ravel(), 0.1, 0.02**2)
    np.testing.assert_allclose(steps[0], steps[1], atol=1e-6)  # a factor for both directions
    idle = device_of(spread=0.2).write(jax.random.key(4), held, like(held, 0.0))
    again = device_of(spread=0.2).write(jax.random.key(3), idle, like(held, 0.1))
    np.testing.assert_array_equal(weights(again.network), weights(up.network))  # frozen


def moves_of(device):
    """How far devices move up, and then down, by what is sent."""
    held = held_of(device)
    up = device.write(KEY, held, like(held, 0.1))
    down = device.write(jax.random.key(8), up, like(held, -0.1))
    return [(weights(up.network) - 0.5) / 0.1, (weights(up.network) - weights(down.network)) / 0.1]


def test_steps_up_and_down_are_apart_by_a_spread_of_their_own():
    up, down = moves_of(device_of(spread=0.2, up_down_spread=0.05))
    within(((up + down) / 2).ravel(), 1, 0.2**2)
    within(((up - down) / 2).ravel(), 0, 0.05**2)
    wide = Analog(Range(jnp.float32(-9), jnp.float32(9)), Added(), Effects.of(spread=0.3),
                  log_normal=True)  # fmt: skip
    up, down = moves_of(wide)
    within(np.log(up).ravel(), 0, 0.3**2)
    np.testing.assert_allclose(up, down, rtol=1e-4)


def test_each_device_of_a_pair_has_steps_of_its_own():
    held = held_of(device := Analog(ROOM, Added(), Effects.of(spread=0.2), pair=True), 0.0)
    plus = weights(device.write(KEY, held, like(held, 0.1)).network) / 0.1
    minus = -weights(device.write(KEY, held, like(held, -0.1)).network) / 0.1
    for factors in (plus, minus):
        within(factors.ravel(), 1, 0.2**2)
    assert abs(np.corrcoef(plus.ravel(), minus.ravel())[0, 1]) < 0.05


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
def test_a_leak_of_rounded_weights_is_not_undone_for_nothing(rounding):
    device = Analog(ROOM, Rounded.to_levels(63, ROOM, rounding), Effects.of(leak=0.01))
    held = held_of(device)
    before = weights(held.network)
    for number in range(20):
        held = device.write(jax.random.key(number), held, like(held, 0.0))
    np.testing.assert_allclose(weights(held.network), before * 0.99**20, rtol=1e-4)
    assert not np.asarray(held.state["weights_1_0"]["pulses"]).any()


def test_stuck_devices_stay_and_ranges_differ():
    device = Analog(ROOM, Added(), Effects.of(stuck_low=0.1, stuck_high=0.2))
    held = held_of(device)
    before = weights(held.network)
    for share, end in ((0.1, -0.8), (0.2, 1.2)):
        stuck = np.isclose(before, end)
        assert abs(stuck.mean() - share) < 4 * np.sqrt(share * (1 - share) / before.size)
    after = weights(device.write(KEY, held, like(held, 0.3)).network)
    is_stuck = ~np.isclose(before, 0.5)
    np.testing.assert_array_equal(after[is_stuck], before[is_stuck])
    np.testing.assert_allclose(after[~is_stuck], 0.8)
    uneven = Analog(ROOM, Added(), Effects.of(range_spread=0.1))
    held = held_of(uneven)
    for update, end in ((9.0, 1.2), (-9.0, -0.8)):
        within(weights(uneven.write(KEY, held, like(held, update)).network).ravel(), end,
               (0.1 * end) ** 2)  # fmt: skip


def test_a_pair_grows_on_one_side_or_the_other():
    room = Range(jnp.float32(-1), jnp.float32(1))
    writing = LinearPulses(Pulses.of(0.05, rounding="nearest"), jnp.float32(1), jnp.float32(1))
    device = Analog(room, writing, pair=True)
    held = held_of(device, 0.0, size=4)
    plus = minus = 0.0
    for update in (0.2, -0.1, 0.3, -0.5):
        held = device.write(KEY, held, like(held, update))
        for _ in range(round(abs(update) / 0.05)):
            if update > 0:
                plus += 0.05 * (1 - plus)
            else:
                minus += 0.05 * (1 - minus)
        np.testing.assert_allclose(held.state[BLOCK]["minus"], minus, atol=1e-6)
        np.testing.assert_allclose(weights(held.network), plus - minus, atol=1e-6)
    assert plus > 0.3 and minus > 0.3


def test_a_leak_takes_a_share_of_both_devices_of_a_pair():
    room = Range(jnp.float32(-1), jnp.float32(1))
    device = Analog(room, Added(), Effects.of(leak=0.1), pair=True)
    held = held_of(device, 0.0, size=4)
    for update in (0.5, -0.8):
        held = device.write(KEY, held, like(held, update))
    plus, minus = 0.5 * 0.9, 0.8
    np.testing.assert_allclose(held.state[BLOCK]["minus"], minus, rtol=1e-6)
    for _ in range(3):  # nothing is written: both only leak
        held = device.write(KEY, held, like(held, 0.0))
        plus, minus = 0.9 * plus, 0.9 * minus
        np.testing.assert_allclose(held.state[BLOCK]["minus"], minus, rtol=1e-6)
        np.testing.assert_allclose(weights(held.network), plus - minus, rtol=1e-5)
    assert minus < 0.6 and plus - minus < -0.2


def test_a_converter_has_so_many_steps_and_noise():
    states = jnp.linspace(0, 1, 1001)
    read = np.asarray(Sensor.of(2).seen(KEY, states))
    np.testing.assert_allclose(np.unique(read), [0, 1 / 3, 2 / 3, 1], atol=1e-6)
    assert np.abs(read - states).max() <= 1 / 6 + 1e-6
    within(Sensor.of(None, 0.05).seen(KEY, jnp.full(DRAWS, 0.4)), 0.4, 0.05**2)
    # It stops at its ends, whatever noise a state at 0 or 1 brings.
    ends = np.asarray(Sensor.of(4, 0.3).seen(KEY, jnp.tile(jnp.array([0.0, 1.0]), 500)))
    assert ends.min() == 0 and ends.max() == 1 and len(np.unique(ends)) == 16


def test_the_mean_of_readings_is_less_noisy_and_finer_than_one():
    states = jnp.full(DRAWS, 0.4)
    within(Sensor.of(None, 0.05, 16).seen(KEY, states), 0.4, 0.05**2 / 16)
    # Noise before a converter of one bit: a reading is 1 with the chance of .4 + noise above .5.
    chance = 0.5 * math.erfc((0.5 - 0.4) / 0.2 / math.sqrt(2))
    within(Sensor.of(1, 0.2, 9).seen(KEY, states), chance, chance * (1 - chance) / 9)
    assert 0.2 < chance < 0.4
    named = DEVICES.find("analog")(state_noise=0.05, state_readings=16).build().sensor
    np.testing.assert_array_equal(
        named.seen(KEY, states), Sensor.of(None, 0.05, 16).seen(KEY, states)
    )


def trained(device, rule: AbstractLearningRule = BRIEF_RULE, epochs=2):
    network, examples = rewired_problem()
    trainer = trainer_for(network, examples, device=device)
    state = trainer.start(network)
    for epoch in range(epochs):
        for chunk in trainer.epoch(state, rule, epoch):
            state = chunk.state
    return trainer, state


def test_a_device_without_an_effect_gives_the_bits_of_none():
    wide = Range(jnp.float32(-1e6), jnp.float32(1e6))
    _, plain = trained(Ideal())
    trainer, state = trained(Analog(wide, Added(), sensor=Sensor.of(None, 0.0)))
    for ours, theirs in ((state.network, plain.network), (trainer.read(state), plain.network)):
        for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
            np.testing.assert_array_equal(a, b)
    assert (weights(plain.network) != weights(rewired_problem()[0])).any()


def by_a_loop(network, own, strengths, x):
    """Where units with such gains, offsets and directions come to rest, unit by unit."""
    gain, offset, unequal = strengths
    sizes = network.layer_sizes
    starts = np.concatenate([[0], np.cumsum(sizes)])
    coupling = np.zeros((starts[-1], starts[-1]))  # [to, from]
    for (post, pre), weight in network.hopfield.weights.items():
        back = own["back"].get((post, pre))
        for i in range(sizes[post]):
            for j in range(sizes[pre]):
                w = float(weight[i, j])
                coupling[starts[post] + i, starts[pre] + j] += w
                if pre:
                    factor = 1 + unequal * float(back[i, j])
                    coupling[starts[pre] + j, starts[post] + i] += factor * w
    units = range(1, len(sizes))
    gains = np.concatenate([1 + gain * np.asarray(own["gain"][k], np.float64) for k in units])
    offsets = np.concatenate([offset * np.asarray(own["offset"][k], np.float64) for k in units])
    bias = np.concatenate([np.asarray(network.hopfield.biases[k], np.float64) for k in units])
    state = np.concatenate([x, np.zeros(starts[-1] - sizes[0])])
    for _ in range(20_000):
        pull = gains * (coupling[sizes[0] :] @ state + bias) + offsets
        state[sizes[0] :] += 0.1 * (np.clip(pull, 0, 1) - state[sizes[0] :])
    return state[sizes[0] :]


@pytest.mark.parametrize("batch", [1, 70])  # products of a few examples are laid out in another way
@pytest.mark.parametrize("strengths", [(0.3, 0, 0), (0, 0.2, 0), (0, 0, 0.5), (0.2, 0.1, 0.4)])
@pytest.mark.parametrize("wiring", ["rewired", "layered"])
def test_units_and_directions_that_differ_are_those_of_a_loop(wiring, strengths, batch):
    base = eqprop.layered([6, 7, 8, 3])
    full = eqprop.rewire(eqprop.with_intralayer(base), p=0.2, seed=0)
    network = eqprop.Network.initialize({"layered": base, "rewired": full}[wiring], seed=1)
    biases = {k: b + 0.3 for k, b in network.hopfield.biases.items()}
    small = {pair: 0.6 * w for pair, w in network.hopfield.weights.items()}  # one equilibrium
    changed = (biases, small)
    network = eqx.tree_at(lambda n: (n.hopfield.biases, n.hopfield.weights), network, changed)
    wide = Range(jnp.float32(-1e6), jnp.float32(1e6))
    device = Analog(wide, Added(), mismatch=Mismatch.of(*strengths))
    held = device.hold(jax.random.key(2), network)
    seen = device.read(jax.random.key(3), held)
    x = np.random.default_rng(0).random(6).astype(np.float32)
    wanted = by_a_loop(network, held.state["units"], strengths, x)
    ideal = by_a_loop(network, held.state["units"], (0, 0, 0), x)
    assert seen.is_symmetric == (strengths == (0, 0.2, 0))  # offsets alone are biases
    assert np.abs(wanted - ideal).max() > 0.02 and ((wanted > 0) & (wanted < 1)).sum() > 5
    start = jnp.zeros((batch, network.num_free))
    clamped = seen.energy.clamp(jnp.tile(jnp.asarray(x), (batch, 1)))
    stop = eqprop.Residual(1e-6, max_steps=5_000)
    for method in (eqprop.Euler(0.2), eqprop.BlockCoordinateDescent(0.5, block_size=3)):
        found = eqprop.relax(clamped, start, method, stop)
        np.testing.assert_allclose(found.state, np.tile(wanted, (batch, 1)), atol=1e-4)
    np.testing.assert_array_equal(weights(held.network), weights(network))


@pytest.mark.parametrize("effect", ["gain", "unequal"])
def test_what_needs_an_energy_is_refused_where_none_exists(effect):
    device = {"kind": "analog", effect: 0.1}
    for section, setting, words in (
        ("evaluation", {"starts": 8}, r"`evaluation.starts` must be 0, got 8"),
        ("learning", {"rule": "implicit"}, r"compare states of two phases .* got 'implicit'"),
    ):
        with pytest.raises(ConfigError, match=words):
            build({"device": device, section: setting})
        build({"device": {"kind": "analog", "offset": 0.1}, section: setting})


def test_directions_that_differ_are_no_kernels_business():
    network = eqprop.Network.initialize(eqprop.layered([6, 7, 8, 3]), seed=1)
    device = Analog(ROOM, Added(), mismatch=Mismatch.of(unequal=0.5))
    seen = device.read(jax.random.key(3), device.hold(jax.random.key(2), network))
    x = jnp.ones((2, 6))
    assert linear(network.energy.clamp(x)) is not None and linear(seen.energy.clamp(x)) is None


def test_what_units_differ_by_is_frozen_and_goes_on_after_a_resume(tmp_path):
    own = {"kind": "analog", "gain": 0.2, "offset": 0.05, "unequal": 0.3, "low": -9.0, "high": 9.0}
    settings = {**DIGITS, "device": own}
    whole = eqprop.train(settings, out=tmp_path)
    short = {**settings, "training": {"epochs": 2}, "name": "short"}
    resumed = eqprop.train(short, out=tmp_path).resume(4)
    ends = [run.model.network.to_arrays() for run in (whole, resumed)]
    plain = eqprop.train({**DIGITS, "device": {**own, "gain": 0.0, "offset": 0.0, "unequal": 0.0},
                          "name": "plain"}, out=tmp_path)  # fmt: skip
    for name, values in ends[0].items():
        np.testing.assert_array_equal(values, ends[1][name])
    ideal = plain.model.network.to_arrays()
    assert (ends[0]["weights_1_0"] != ideal["weights_1_0"]).any()
    # It learns all the same.
    assert whole.summary["training_error"] < 0.6  # chance: 0.75


def test_what_states_are_read_as_changes_updates_and_not_states():
    _, plain = trained(Ideal(), epochs=1)
    wide = Range(jnp.float32(-1e6), jnp.float32(1e6))
    trainer, coarse = trained(Analog(wide, Added(), sensor=Sensor.of(1)), epochs=1)
    assert (weights(coarse.network) != weights(plain.network)).any()
    kept = np.asarray(trainer.kept_states(coarse, 20))
    assert len(np.unique(kept)) > 20  # particles are no bits


def test_strengths_compile_nothing_anew():
    seen = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, *_, **__: seen.append(event) if event.endswith("backend_compile_duration")
        else None
    )  # fmt: skip
    network, examples = rewired_problem()
    shared = trainer_for(network, examples)
    ends = []
    for spread, noise in ((0.1, 0.01), (0.3, 0.0), (0.0, 0.2)):
        device = Analog(ROOM, Added(), Effects.of(spread=spread, read_noise=noise))
        trainer = dataclasses.replace(shared, device=device)
        state = trainer.start(network)
        for chunk in trainer.epoch(state, BRIEF_RULE, 0):
            state = chunk.state
        ends.append((len(seen), weights(state.network)))
    assert ends[0][0] > 0 and ends[1][0] == ends[2][0]
    assert (ends[1][1] != ends[2][1]).any()


DIGITS = {
    "topology": {"layer_sizes": [20, 12, 10, 4]},
    "data": {"dataset": "teacher", "num_train": 200},
    "device": {"kind": "rounded", "bits": 4, "spread": 0.3, "read_noise": 0.02},
    "learning": {"learning_rate": 0.1},
    "checkpoint": {"keep_finished": True},
    "training": {"epochs": 4},
}


def test_four_bits_stay_four_bits_and_a_run_goes_on_with_its_devices(tmp_path):
    whole = eqprop.train(DIGITS, out=tmp_path)
    short = {**DIGITS, "training": {"epochs": 2}, "name": "short"}
    resumed = eqprop.train(short, out=tmp_path).resume(4)
    ends = [run.model.network.to_arrays() for run in (whole, resumed)]
    for name, values in ends[0].items():
        np.testing.assert_array_equal(values, ends[1][name])
        if name.startswith("weights"):
            assert 3 < len(np.unique(values)) <= 15, name
    ledger = [run.summary["device"] for run in (whole, resumed)]
    assert ledger[0] == ledger[1] and ledger[0]["1-0"]["pulses"]["mean"] > 0.1
    table = json.loads((resumed.folder / "summary.json").read_text())["device"]
    assert set(table) == {"1-0", "2-1", "3-2"}


def test_every_device_by_name_is_built_and_trains():
    for name, choice in DEVICES.each():
        made = choice().build()
        _, state = trained(made, epochs=1)
        assert np.isfinite(weights(state.network)).all(), name
        assert isinstance(state.held, Held)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"device": {"kind": "rounded", "low": 0.1}}, "`low` must lie below 0"),
        ({"device": {"kind": "analog", "stuck_low": 0.6, "stuck_high": 0.6}}, "1 at most together"),
        (
            {"device": {"kind": "analog", "state_readings": 4, "state_bits": 4}},
            "`state_readings` must be 1 without `state_noise`",
        ),
        ({"device": {"bits": 4}}, "belongs to kind 'rounded'"),
        (
            {"device": {"kind": "analog", "state_bits": 4}, "learning": {"rule": "implicit"}},
            "compares the states of two phases, got 'implicit'",
        ),
        *(
            (
                {"device": {"kind": "analog", "state_bits": 4}, "learning": {"rule": rule}},
                f"compares the states of two phases, got '{rule}'",
            )
            for rule in ("recurrent-backpropagation", "through-time")
        ),
        *(
            (
                {
                    "device": {"kind": "analog", "state_noise": 0.1},
                    "free": {"method": "euler"},
                    "network": {"activation": activation},
                },
                f"states in \\[0, 1\\], got activation '{activation}'",
            )
            for activation in ("sigmoid", "shifted-sigmoid", "tanh")
        ),
        (
            {
                "device": {"kind": "analog", "state_noise": 0.1},
                "network": {"activation": "activities", "rho": "tanh"},
            },
            "activation 'activities' of rho 'tanh'",
        ),
        ({"device": {"kind": "memristor"}}, "`kind` must be one of"),
    ],
)
def test_what_no_device_can_be_is_said(settings, words):
    with pytest.raises(ConfigError, match=words):
        build(settings)


def test_wires_lose_more_the_farther_a_device_is():
    held = held_of(device_of(wires=0.2), value=0.5, size=11)
    read = weights(device_of(wires=0.2).read(KEY, held))
    rows, columns = read.shape
    for i, j in ((0, 0), (0, columns - 1), (rows - 1, 0), (rows - 1, columns - 1), (3, 5)):
        distance = (i / (rows - 1) + j / (columns - 1)) / 2
        assert read[i, j] == pytest.approx(0.5 * (1 - 0.2 * distance), rel=1e-6)
    # What is held stays whole, and no wires change no bit.
    assert (weights(held.network) == 0.5).all()
    np.testing.assert_array_equal(weights(device_of().read(KEY, held)), weights(held.network))


@pytest.mark.parametrize(
    ("name", "ends", "step", "soft"),
    [
        ("reram-om", (-1.0, 1.0), 0.0949, True),
        ("reram-hfo2", (-1.0, 1.0), 0.4622, True),
        ("reram-sb", (-0.75, 1.25), 0.002, True),
        ("gokmen-vlasov", (-1.0, 1.0), 0.0016, False),
    ],
)
def test_a_measured_device_steps_as_its_source_says(name, ends, step, soft):
    found = DEVICES.find(name)(cycle=0.0, rounding="nearest")
    assert (found.low, found.high) == ends
    room = Range(jnp.float32(found.low), jnp.float32(found.high))
    writing = found.writing(room)
    one = (jnp.ones(1), jnp.ones(1))
    up = writing.write(KEY, jnp.zeros(1), jnp.full(1, step), room, one)
    assert float(up.value[0]) == pytest.approx(step, rel=1e-4) and float(up.pulses[0]) == 1
    near = jnp.full(1, 0.9 * found.high)
    moved = float(writing.write(KEY, near, jnp.full(1, step), room, one).value[0] - near[0])
    assert moved == pytest.approx(step * (0.1 if soft else 1), rel=2e-2)


@pytest.mark.parametrize("name", ["ecram", "reram-sb"])
def test_noise_of_a_pulse_is_in_steps_of_the_device_where_its_source_says(name):
    found = DEVICES.find(name)(rounding="nearest")
    room = Range(jnp.float32(found.low), jnp.float32(found.high))
    own = 1.7  # as large as this are the steps of these devices
    held, unlike = jnp.full(DRAWS, 0.5, jnp.float32), (jnp.full(DRAWS, own), jnp.full(DRAWS, 0.9))
    update = jnp.full(DRAWS, found.step)
    moved = found.writing(room).write(KEY, held, update, room, unlike).value - held
    at_zero = own * found.step
    step = at_zero * (1 - found.slope_up * 0.5 / found.high)
    noise = found.cycle * (step if name == "ecram" else at_zero)
    within(moved, step, noise**2)
    assert step < 0.97 * at_zero


def test_phase_change_memory_grows_in_pairs():
    found = DEVICES.find("pcm")(cycle=0.0, spread=0.0, range_spread=0.0, rounding="nearest")
    device = found.build()
    assert device.pair
    held = held_of(device, value=0.0, size=4)
    place, usual = 0.0, 0.005 * (28.235 + 3.235) / 2  # the mean of steps up and down at 0
    for _ in range(5):  # one pulse up each: .01 (1 + 27.235 exp(-2.5 w)) with w from 0 to 2
        held = device.write(KEY, held, like(held, usual))
        place += 0.01 * (1 + 27.235 * np.exp(-2.5 * place))
        np.testing.assert_allclose(weights(held.network), min(place, 2) / 2, rtol=1e-4)
    held = device.write(KEY, held, like(held, -usual))  # the other device begins to grow
    np.testing.assert_allclose(
        weights(held.network), (min(place, 2) - 0.01 * 28.235) / 2, rtol=1e-4
    )


def test_pulses_of_phase_change_memory_are_noisier_the_more_a_device_holds():
    found = DEVICES.find("pcm")(rounding="nearest")
    room, same = Range(jnp.float32(0), jnp.float32(1)), (jnp.ones(DRAWS), jnp.ones(DRAWS))
    usual, noises = 0.005 * (28.235 + 3.235) / 2, []
    for place in (0.3, 0.6):
        held = jnp.full(DRAWS, place, jnp.float32)
        moved = found.writing(room).write(KEY, held, jnp.full(DRAWS, usual), room, same)
        # There it is in [0, 2]: .6 (dw + .042 + .108 w), with dw = .01 (1 + 27.235 exp(-2.5 w)).
        w = 2 * place
        step = 0.01 * (1 + 27.235 * np.exp(-2.5 * w))
        noises.append(0.6 * (step + 0.042 + 0.108 * w))
        inside = np.abs(held + step / 2 - 0.5) < 0.5 - 4 * noises[-1] / 2
        assert inside.all()  # none is cut off at the ends
        within(moved.value - held, step / 2, (noises[-1] / 2) ** 2)
    assert noises[1] > noises[0] and noises[1] > 5 * 0.6 * step  # little of it is the step's


@pytest.mark.parametrize(
    ("name", "sizes", "whole"), [("teacher", [20, 8, 4], 1), ("mnist-5k", [784, 8, 10], 255)]
)
def test_inputs_come_through_a_converter_in_every_split(name, sizes, whole):
    values = {"data": {"dataset": name}, "topology": {"layer_sizes": sizes}}
    plain = load_data(build(values))
    rough = load_data(build({**values, "device": {"kind": "analog", "input_bits": 2}}))
    assert plain.splits
    for part, split in plain.splits.items():
        before, found = split.x[:20] / np.float64(whole), rough.split(part).x
        assert set(np.unique(np.float32(np.round(found * 3, 5)))) == {0, 1, 2, 3}
        nearest = np.abs(before[..., None] - np.arange(4) / 3).argmin(-1) / 3
        np.testing.assert_allclose(found[:20], nearest, atol=1e-6)
        assert np.abs(found[:20] - before).max() > 0.1
        np.testing.assert_array_equal(rough.split(part).target, split.target)


def test_a_finished_run_is_evaluated_through_the_converter_too(tmp_path):
    values = {
        "data": {"dataset": "teacher"}, "topology": {"layer_sizes": [20, 12, 4]},
        "learning": {"learning_rate": 0.1}, "training": {"epochs": 3},
    }  # fmt: skip
    found = {}
    for bits in (1, None):
        device = {"kind": "analog", "low": -9.0, "high": 9.0, "input_bits": bits}
        config = build({**values, "name": f"bits-{bits}", "device": device})
        folder = train(config, tmp_path)
        cost = evaluate_run(folder.path, "validation")["validation_cost"]
        assert cost == pytest.approx(folder.read_json("summary.json")["validation_cost"], 1e-6)
        found[bits] = cost
    assert found[1] != found[None]


class Noisy:
    """Reads of a network, each other than the last, and which keys they had."""

    def __init__(self, network, strength):
        self.network, self.strength, self.keys = network, strength, []

    def __call__(self, key):
        self.keys.append(jax.random.key_data(key).tolist())
        arrays = self.network.to_arrays()
        drawn = {
            name: 1 + self.strength * jax.random.normal(key, value.shape, value.dtype)
            for name, value in arrays.items()
        }
        return self.network.with_arrays({n: drawn[n] * value for n, value in arrays.items()})


@pytest.mark.parametrize("nudging", ["one-sided", "centered", "contrastive-hebbian"])
def test_every_phase_settles_on_a_reading_of_its_own(nudging, x64):
    """Oracle: each phase relaxed by itself, and products of states in NumPy."""
    network, x, y = small_network(topology=eqprop.layered([8, 7, 6, 3]))
    if nudging == "contrastive-hebbian":
        rule = eqprop.ContrastiveHebbian(TIGHT, TIGHT)
    else:
        kind = {"one-sided": eqprop.OneSided, "centered": eqprop.Centered}[nudging]
        rule = eqprop.EquilibriumPropagation(kind(0.3), TIGHT, TIGHT)
    cold = network.cold_state(4)
    noisy = Noisy(network, 0.1)
    batch = dataclasses.replace(Batch.of(x, y, cold), reread=noisy)
    found = rule.estimate(network, batch)
    assert len(noisy.keys) == (2 if nudging == "centered" else 1)
    assert len({tuple(key) for key in noisy.keys}) == len(noisy.keys)

    free = settle(network, x)
    if nudging == "contrastive-hebbian":
        held = HeldOutputs(batch.again(2).energy.clamp(x), y)
        ends = [eqprop.relax(held, held.start(free), TIGHT.method, TIGHT.termination).state, free]
        shares = [1, -1]
    else:
        betas = [0.3, -0.3] if nudging == "centered" else [0.3]
        ends = [
            nudged_end(seen, x, y, beta, free, TIGHT)
            for beta, seen in zip(betas, map(batch.again, (2, 3)), strict=False)
        ]
        ends, shares = [*ends, free][:2], [1 / 0.6, -1 / 0.6]
        if nudging == "one-sided":
            shares = [1 / 0.3, -1 / 0.3]
    parts = [np.split(np.asarray(end), [7, 13], axis=1) for end in ends]
    wanted = -sum(
        share * np.einsum("bi,bj->ij", part[1], part[0]) / 4
        for share, part in zip(shares, parts, strict=True)
    )
    ours = np.asarray(found.gradient.hopfield.weights[2, 1])
    np.testing.assert_allclose(ours, wanted, atol=1e-9)
    once = rule.estimate(network, Batch.of(x, y, cold)).gradient.hopfield.weights[2, 1]
    assert np.abs(once - wanted).max() > 0.1 * np.abs(once).max()


def test_a_carried_difference_is_of_one_reading(x64):
    network, x, y = small_network()
    blocks = eqprop.Phase(eqprop.BlockCoordinateDescent(1.0), eqprop.FixedSteps(3))
    rule = eqprop.EquilibriumPropagation(eqprop.OneSided(0.3), blocks, blocks, carried=True)
    batch = dataclasses.replace(Batch.of(x, y, network.cold_state(4)), reread=Noisy(network, 0.1))
    with pytest.raises(ConfigError, match=r"reads its devices anew, got carried=True"):
        rule.estimate(network, batch)


def test_reading_anew_is_nothing_without_noise_and_another_thing_with_it():
    def ends(noise, each):
        device = Analog(ROOM, Added(), Effects.of(read_noise=noise), read_each=each)
        return weights(trained(device, epochs=1)[1].network)

    once, noisy = ends(0.0, "batch"), ends(0.05, "batch")
    for each in ("phase", "step"):
        np.testing.assert_array_equal(ends(0.0, each), once)
        assert np.abs(ends(0.05, each) - noisy).max() > 1e-3


def test_a_trainer_refuses_rules_that_read_no_phase_anew():
    device = Analog(ROOM, Added(), Effects.of(read_noise=0.1), read_each="phase")
    for rule in (
        eqprop.ImplicitDifferentiation(BRIEF_RULE.free),
        eqprop.BackpropagationThroughTime(BRIEF_RULE.free, 2),
    ):
        with pytest.raises(ConfigError, match=f"got {type(rule).__name__}. Read them once"):
            trained(device, rule)


@pytest.mark.parametrize("kind", ["plain", "with-biases", "mismatched"])
def test_noise_of_a_step_is_that_of_as_many_noisy_reads(kind):
    """Oracle: the variance of a sum over connections, in NumPy; mean and variance of 10,000."""
    mismatch = Mismatch.of(gain=0.3, unequal=0.4) if kind == "mismatched" else None
    device = Analog(
        ROOM, Added(), Effects.of(read_noise=0.05, wires=0.5), mismatch=mismatch,
        with_biases=kind == "with-biases", read_each="step",
    )  # fmt: skip
    topology = eqprop.rewire(eqprop.with_intralayer(eqprop.layered([5, 4, 4, 3])), n=15, seed=1)
    network = eqprop.Network.initialize(topology, seed=0, feedback=0.5)
    held = device.hold(KEY, network)
    seen = device.read(KEY, held)
    exact = dataclasses.replace(device, effects=Effects.of(wires=0.5)).read(KEY, held)
    rng = np.random.default_rng(0)
    x, state = rng.random(5), rng.uniform(0.4, 0.6, 11)

    def clamped(network):
        many = jnp.tile(jnp.asarray(x, jnp.float32), (DRAWS, 1))
        return network.hopfield.clamp(many).in_blocks(2)

    sizes, ends = network.layer_sizes, np.cumsum(network.layer_sizes)
    spans = [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]
    # The deviations are weights like others on their way to the units.
    arrays = network.to_arrays()
    each = {name: np.float32(0.05) * (arrays[name] != 0) for name in arrays if "weights" in name}
    alike = network.with_arrays(arrays | each)
    flat = dataclasses.replace(device, effects=Effects.of(wires=0.5), read_each="batch")
    deviations = flat.read(KEY, dataclasses.replace(held, network=alike)).hopfield.dense_weights()
    variance, u = np.zeros(16), np.concatenate([x, state])
    for layer in (1, 2, 3):
        for other in (0, 1, 2, 3):
            squares = deviations[spans[layer], spans[other]] ** 2
            weakened = 0.5 ** max(0, other - layer)
            variance[spans[layer]] += weakened**2 * squares @ u[spans[other]] ** 2
    if kind == "with-biases":  # one device each, in an array of one wire
        for layer in (1, 2, 3):
            far = np.linspace(0, 1, sizes[layer])
            variance[spans[layer]] += (0.05 * (1 - 0.5 * far)) ** 2
    variance = variance[5:]
    assert variance.min() > 1e-5

    many = jnp.tile(jnp.asarray(state, jnp.float32), (DRAWS, 1))
    whole, quiet, steps = clamped(seen), clamped(exact), jax.random.split(KEY, 2)
    mean = np.asarray(quiet.drawn(many)[0])
    np.testing.assert_array_equal(whole.drawn(many), quiet.drawn(many))  # outside a relaxation
    drawn = np.asarray(whole.at_step(steps[0]).drawn(many), np.float64)
    for unit in range(11):
        within(drawn[:, unit], mean[unit], variance[unit])
    for block, span in enumerate(whole.block_slices):
        part = np.asarray(whole.at_step(steps[0]).minimize_block(many, block), np.float64)
        for unit in range(span.start, span.stop):
            within(part[:, unit - span.start], mean[unit], variance[unit])
    # Units, examples, steps and reads have noise of their own.
    correlations = np.corrcoef(drawn.T) - np.eye(11)
    assert np.abs(correlations).max() < 5 / np.sqrt(DRAWS)
    others = (
        whole.at_step(steps[1]),
        clamped(device.read(jax.random.key(6), held)).at_step(steps[0]),
    )  # fmt: skip
    for other in others:
        assert abs(np.corrcoef(drawn[:, 0], other.drawn(many)[:, 0])[0, 1]) < 5 / np.sqrt(DRAWS)


def test_every_step_of_every_phase_is_noisy(x64):
    network, x, y = small_network(topology=eqprop.layered([8, 7, 6, 3]))
    device = Analog(ROOM, Added(), Effects.of(read_noise=0.02), read_each="step")
    seen = device.read(KEY, device.hold(KEY, network))
    cold = network.cold_state(4)
    for method in (eqprop.Euler(0.3), eqprop.BlockCoordinateDescent(1.0)):
        ends = {}
        for steps in (200, 201):
            phase = eqprop.Phase(method, eqprop.FixedSteps(steps))
            rule = eqprop.EquilibriumPropagation(eqprop.Centered(0.3), phase, phase)
            found = rule.phases(seen, x, y, cold, jax.random.key(3))
            ends[steps] = [found.free_states, *(states for _, states in found.slopes)]
            assert np.asarray(found.report.free.residual).min() > 1e-3  # it never comes to rest
        for before, after in zip(ends[200], ends[201], strict=True):
            assert 1e-3 < np.abs(before - after).max() < 0.5


def test_two_parts_of_a_batch_and_two_looks_have_noise_of_their_own(tmp_path):
    config = build({
        "data": {"dataset": "teacher"}, "topology": {"layer_sizes": [20, 12, 4]},
        "learning": {"learning_rate": 0.05}, "training": {"epochs": 2},
        "device": {"kind": "analog", "read_noise": 0.02, "read_each": "step"},
    })  # fmt: skip
    model = eqprop.load(train(config, tmp_path).path)
    same = np.tile(load_data(config).split("test").x[:1], (40, 1))
    outputs = model.outputs(same)
    assert outputs.std(axis=0).max() > 1e-4
    batch = Batch.of(jnp.ones((4, 20)), jnp.ones((4, 4)), model.network.cold_state(4))
    parts = jax.tree.map(lambda leaf: jnp.stack([leaf] * 2), dataclasses.replace(batch, key=None))
    alike = dataclasses.replace(parts, key=batch.key)
    rule = eqprop.EquilibriumPropagation(eqprop.Centered(0.3), TIGHT, TIGHT)
    for network, is_noisy in ((model.seen, True), (model.network, False)):
        _, states, _ = rule.estimate_parts(network, alike)
        assert (np.abs(states[0] - states[1]).max() > 1e-3) == is_noisy


def test_two_parts_of_a_batch_relax_with_noise_of_their_own():
    network = eqprop.Network.initialize(eqprop.layered([20, 12, 4]), seed=0)
    batch = Batch.of(jnp.ones((4, 20)), jnp.ones((4, 4)), network.cold_state(4))
    parts = jax.tree.map(lambda leaf: jnp.stack([leaf] * 2), dataclasses.replace(batch, key=None))
    alike = dataclasses.replace(parts, key=batch.key)
    for noise in (0.05, 0.0):
        noisy = eqprop.Phase(relaxation.Noisy(eqprop.Euler(0.3), noise), eqprop.FixedSteps(5))
        found = {
            "propagation": eqprop.EquilibriumPropagation(eqprop.RandomSign(0.3), noisy, noisy),
            "through time": eqprop.BackpropagationThroughTime(noisy, 2),
        }
        for name, rule in found.items():
            _, states, report = rule.estimate_parts(network, alike)
            apart = float(np.abs(states[0] - states[1]).max())
            assert (apart > 1e-3) == (noise > 0), (name, apart)
            assert len(np.unique(report.beta)) == 1  # the sign is that of the batch


def test_a_rule_that_cannot_read_each_phase_anew_is_refused():
    for learning in ({"rule": "recurrent-backpropagation"}, {"carried": True, "beta": 0.2}):
        nudged = {"method": "block"} if "carried" in learning else {}
        with pytest.raises(ConfigError, match=r"`device.read_each` must be 'batch' for"):
            build({
                "device": {"kind": "analog", "read_each": "phase"},
                "learning": learning, "nudged": nudged,
            })  # fmt: skip


def test_the_ledger_of_a_run_stands_in_its_summary_and_in_its_report(tmp_path):
    config = build({
        "data": {"dataset": "teacher"}, "topology": {"layer_sizes": [20, 12, 4]},
        "free": {"method": "euler"}, "training": {"epochs": 2},
        "device": {"kind": "pulses", "step": 0.01},
    })  # fmt: skip
    folder = train(config, tmp_path)
    told, epochs = folder.read_json("summary.json"), folder.epochs()
    free = np.mean([epoch["free_steps"] for epoch in epochs])
    examples = epochs[0]["training_examples"]
    assert told["settling"]["example"] == {
        "free_steps": free, "free_time": 0.5 * free, "nudged_steps": 8.0, "nudged_time": 4.0,
        "reads": free + 8,
    }  # fmt: skip
    assert free > 1 and examples > 100
    assert told["settling"]["epoch"]["nudged_time"] == 4 * examples
    assert told["settling"]["epoch"]["reads"] == pytest.approx(examples * (free + 8))
    page = tmp_path / "page.html"
    assert cli(["report", str(folder.path), "--out", str(page)]) == 0
    most = told["device"]["1-0"]["pulses"]["most"]
    assert most >= told["device"]["1-0"]["writes"]["most"] > 1
    shown = page.read_text()
    assert "<td>1-0</td>" in shown and f"<td>{most:,.0f}</td>" in shown
    assert (
        f"<td>{free + 8:,.1f}</td>" in shown and f"<td>{examples * (free + 8):,.0f}</td>" in shown
    )


def test_a_converter_of_inputs_stops_at_its_ends():
    wanted: Any = build({"device": {"kind": "analog", "input_bits": 2}}).device.kind
    found = wanted.given(np.array([-1.7, -0.2, 0.4, 1.0, 3.3]))
    np.testing.assert_allclose(found, [0, 0, 1 / 3, 1, 1], atol=1e-7)
