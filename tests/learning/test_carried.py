"""The carried difference. Oracles: the exact gradient in float64, and finite differences of it."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop.energy import Activities, CrossEntropy
from eqprop.learning import Batch, audit
from problems import estimate, nudged_end

SETTLE = eqprop.Phase(
    eqprop.BlockCoordinateDescent(1.0, block_size=2), eqprop.Residual(1e-13, max_steps=5000)
)
ACTIVATIONS: dict[str, Any] = {
    "tanh": Activities(eqprop.Tanh()),
    "sigmoid": Activities(eqprop.Sigmoid()),
    "shifted": Activities(eqprop.ShiftedSigmoid()),
    "hard-of-1984": Activities(eqprop.HardSigmoid()),
    "hard": eqprop.HardSigmoid(),
}
WIRINGS = {
    "layered": lambda sizes: eqprop.layered(sizes),
    "rewired": lambda sizes: eqprop.rewire(
        eqprop.with_intralayer(eqprop.layered(sizes)), n=25, seed=1
    ),
}


def problem(
    wiring, activation, g, *, readout=False, sizes=(6, 5, 5, 4), dtype=jnp.float64
) -> tuple[Any, Any, Any]:
    """A network whose units mostly move, inputs and targets."""
    rng = np.random.default_rng(0)
    cost = CrossEntropy.initialize(sizes[-1], 3, jax.random.key(1), dtype) if readout else None
    network = eqprop.Network.initialize(
        WIRINGS[wiring](list(sizes)),
        seed=0,
        activation=ACTIVATIONS[activation],
        cost=cost,
        feedback=g,
        dtype=dtype,
    )
    # Units of a box are kept inside it, so that a small nudge takes none to a bound.
    scale, low, high = (0.3, 0.1, 0.4) if "hard" in activation else (0.5, -0.3, 0.3)
    arrays = {
        name: scale * value + (rng.uniform(low, high, value.shape) if "biases" in name else 0)
        for name, value in network.to_arrays().items()
    }
    network = network.with_arrays(arrays)
    x = jnp.asarray(rng.random((5, sizes[0])), dtype)
    y = jnp.asarray(np.eye(network.num_targets)[rng.integers(0, network.num_targets, 5)], dtype)
    return network, x, y


_gradient = eqx.filter_jit(eqprop.implicit_gradient)


def vector(gradient):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(gradient)])


def cosine(a, b):
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def exact(network, x, y, states):
    found = _gradient(network, x, y, states)
    for group in network.groups():
        assert np.abs(group.of(found)).max() > 1e-6, f"{group.name} must have a gradient"
    return vector(found)


CASES = [
    *(
        ("rewired", activation, 0.05, readout)
        for activation in ACTIVATIONS
        for readout in (False, True)
        if not (readout and activation == "hard")
    ),  # no minimum in closed form with that cost
    ("rewired", "tanh", 1.0, False),
    ("rewired", "hard", 1.0, False),
    ("layered", "tanh", 0.01, True),
    ("layered", "sigmoid", 0.01, False),
]


@pytest.mark.parametrize(("wiring", "activation", "g", "readout"), CASES)
def test_error_falls_with_the_square_of_a_centred_nudge(x64, wiring, activation, g, readout):
    network, x, y = problem(wiring, activation, g, readout=readout)
    betas, both = (0.02, 0.01, 0.005), {}
    for carried in (True, False):
        errors = []
        for beta in betas:
            nudging = eqprop.Centered(beta)
            rule = eqprop.EquilibriumPropagation(nudging, SETTLE, SETTLE, carried)
            found = estimate(rule, network, x, y, network.cold_state(5))
            assert bool(found.report.free.settled.all())
            assert all(bool(phase.settled.all()) for phase in found.report.nudged)
            right, ours = exact(network, x, y, found.free_states), vector(found.gradient)
            errors.append(np.linalg.norm(ours - right))
        assert cosine(ours, right) > 0.999
        fit = np.polyfit(np.log(betas), np.log(errors), 1)[0]
        assert fit == pytest.approx(2, abs=0.05)
        both[carried] = ours
    np.testing.assert_allclose(both[True], both[False], atol=1e-7 * np.abs(right).max() / g**2)


@pytest.mark.parametrize("wiring", WIRINGS)
def test_exact_gradient_is_the_slope_of_the_settled_cost(x64, wiring):
    network, x, y = problem(wiring, "tanh", 0.1)

    @eqx.filter_jit
    def settled(network):
        clamped = network.energy.clamp(x)
        return eqprop.relax(clamped, network.cold_state(5), SETTLE.method, SETTLE.termination).state

    gradient = _gradient(network, x, y, settled(network))
    arrays, slopes, checked = network.to_arrays(), gradient.to_arrays(), 0
    for name, slope in slopes.items():
        place = np.unravel_index(np.argmax(np.abs(slope)), slope.shape)
        costs = []
        for sign in (1, -1):
            moved = {n: np.array(a) for n, a in arrays.items()}
            moved[name][place] += sign * 1e-5
            other = network.with_arrays(moved)
            ends = network.output(settled(other))
            costs.append(float(jnp.mean(jax.vmap(other.cost)(ends, y))))
        assert abs((costs[0] - costs[1]) / 2e-5 - slope[place]) < 1e-6
        checked += abs(slope[place]) > 1e-3
    assert checked > 4


def layers(network, gradient):
    """The gradient of each pair of layers."""
    return {
        group.name: np.asarray(group.of(gradient), np.float64).ravel()
        for group in network.groups()
        if group.name.startswith("weights")
    }


@pytest.mark.parametrize(
    ("activation", "depth", "g"),
    [
        ("tanh", 4, 0.01),
        ("tanh", 25, 0.01),
        ("tanh", 12, 0.3),
        ("sigmoid", 5, 0.01),
        ("hard", 4, 0.01),
    ],
)
def test_float32_keeps_every_layer_where_subtraction_drowns_it(x64, activation, depth, g):
    sizes = (6, *[8] * depth, 4)
    wide, x, y = problem("layered", activation, g, readout=activation == "tanh", sizes=sizes)
    if activation != "hard":
        wide = wide.with_arrays(
            {n: (3.0 if "weights" in n else 1) * a for n, a in wide.to_arrays().items()}
        )
    sweeps = 2 if g < 0.1 else 40
    onwards = eqprop.Phase(eqprop.BlockCoordinateDescent(1.0), eqprop.FixedSteps(sweeps))
    method = eqprop.BlockCoordinateDescent(1.0, order="backwards")
    back = eqprop.Phase(method, eqprop.FixedSteps(max(1, sweeps - 1)))
    settled = eqprop.relax(
        wide.energy.clamp(x), wide.cold_state(5), SETTLE.method, SETTLE.termination
    )
    right = layers(wide, _gradient(wide, x, y, settled.state))
    narrow = wide.astype(jnp.float32)
    cosines = {False: [0.0]}
    lost = g ** (-depth) > 1e38  # refused
    for carried in (True,) if lost else (True, False):
        rule = eqprop.EquilibriumPropagation(eqprop.OneSided(0.01), onwards, back, carried)
        found = estimate(
            rule, narrow, *(jnp.asarray(a, jnp.float32) for a in (x, y)), narrow.cold_state(5)
        )
        ours = layers(narrow, found.gradient)
        assert all(np.isfinite(v).all() for v in ours.values())
        cosines[carried] = [cosine(ours[n], right[n]) if ours[n].any() else 0 for n in right]
    assert min(np.abs(v).max() for v in right.values()) > 1e-7
    assert min(cosines[True]) > 0.98
    assert min(cosines[False]) < 0.9


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "shifted", "hard"])
def test_what_the_free_phase_left_unsettled_is_the_gradient_of_shifted_biases(x64, activation):
    network, x, y = problem("rewired", activation, 0.3)
    x, y = x[:1], y[:1]  # one example: biases that hold it hold no other
    brief = eqprop.Phase(SETTLE.method, eqprop.FixedSteps(1))
    rule = eqprop.EquilibriumPropagation(eqprop.Centered(1e-3), brief, SETTLE, carried=True)
    found = estimate(rule, network, x, y, network.cold_state(1))
    origin = found.free_states
    assert float(found.report.free.residual.max()) > 1e-3
    drawn = network.energy.clamp(x).drawn(origin)
    rho = network.hopfield.activation
    pull = drawn if activation == "hard" else rho.rho.inverse(drawn)
    held = (
        jnp.where((origin <= 0) | (origin >= 1), drawn, origin)
        if activation == "hard"
        else (rho.rho.inverse(origin))
    )
    shift, start, arrays = np.asarray(held - pull)[0], 0, network.to_arrays()
    for layer, n in enumerate(network.layer_sizes):
        if layer:
            arrays[f"biases_{layer}"] = arrays[f"biases_{layer}"] + shift[start : start + n]
            start += n
    other = network.with_arrays(arrays)
    right = exact(other, x, y, origin)
    assert cosine(vector(found.gradient), right) > 1 - 1e-6
    settled = eqprop.relax(network.energy.clamp(x), origin, SETTLE.method, SETTLE.termination).state
    assert cosine(exact(network, x, y, settled), right) < 1 - 1e-6


@pytest.mark.parametrize("activation", ["tanh", "hard"])
@pytest.mark.parametrize("eta", [0.3, 1.0])
def test_held_outputs_can_be_carried_too(x64, activation, eta):
    network, x, y = problem("rewired", activation, 0.2)
    y = 0.2 + 0.6 * y
    start = network.cold_state(5)
    carried, plain = (
        vector(
            estimate(eqprop.CoupledLearning(eta, SETTLE, SETTLE, c), network, x, y, start).gradient
        )
        for c in (True, False)
    )
    assert np.abs(plain).max() > 1e-2
    np.testing.assert_allclose(carried, plain, atol=1e-9)
    if eta == 1:
        rule = eqprop.ContrastiveHebbian(SETTLE, SETTLE, carried=True)
        hebbian = vector(estimate(rule, network, x, y, network.cold_state(5)).gradient)
        np.testing.assert_allclose(hebbian, plain, atol=1e-9)


@pytest.mark.parametrize("carried", [True, False])
@pytest.mark.parametrize("nudging", [eqprop.OneSided(0.5), eqprop.Centered(0.5)], ids=repr)
def test_a_read_out_learns_by_the_free_states(x64, nudging, carried):
    network, x, y = problem("rewired", "tanh", 0.1, readout=True)
    rule = eqprop.EquilibriumPropagation(nudging, SETTLE, SETTLE, carried)
    found = estimate(rule, network, x, y, network.cold_state(5))
    ours: Any = found.gradient
    right: Any = _gradient(network, x, y, found.free_states)
    assert np.abs(right.cost.weights).max() > 1e-2
    np.testing.assert_allclose(ours.cost.weights, right.cost.weights, atol=1e-10)
    np.testing.assert_allclose(ours.cost.bias, right.cost.bias, atol=1e-10)


def test_parts_of_a_batch_carry_alike(x64):
    network, x, y = problem("rewired", "tanh", 0.1, readout=True)
    x, y = jnp.concatenate([x, x[:1]]), jnp.concatenate([y, y[:1]])
    rule = eqprop.EquilibriumPropagation(eqprop.OneSided(0.1), SETTLE, SETTLE, carried=True)
    whole = estimate(rule, network, x, y, network.cold_state(6)).gradient
    parts = jax.tree.map(
        lambda leaf: leaf.reshape(2, 3, *leaf.shape[1:]),
        eqx.tree_at(lambda b: b.key, Batch.of(x, y, network.cold_state(6)), None),
    )
    parts = eqx.tree_at(
        lambda b: b.key, parts, jax.random.key(0), is_leaf=lambda node: node is None
    )
    ours, states, _ = rule.estimate_parts(network, parts)
    np.testing.assert_allclose(vector(network.constrain(ours)), vector(whole), atol=1e-12)
    assert states.shape == (2, 3, network.num_free)


def test_what_cannot_be_carried_is_refused_before_anything_is_compiled():
    def rule(method):
        phase = eqprop.Phase(method, eqprop.FixedSteps(2))
        return eqprop.EquilibriumPropagation(eqprop.OneSided(0.1), phase, phase, carried=True)

    blocks = eqprop.BlockCoordinateDescent()
    topology = eqprop.layered([4, 3, 2])
    plain = eqprop.Network.initialize(topology, seed=0)
    with pytest.raises(eqprop.ConfigError, match="must be `BlockCoordinateDescent`"):
        rule(eqprop.Euler()).check(plain)
    smooth = eqprop.Network.initialize(topology, seed=0, activation=eqprop.Tanh())
    with pytest.raises(eqprop.ConfigError, match="the activation Tanh must say how differences"):
        rule(blocks).check(smooth)

    class Term(eqprop.AbstractTerm):
        def __call__(self, x, state):
            return jnp.sum(state)

    deep = eqprop.Network.initialize(eqprop.layered([2] * 22), seed=0, feedback=0.01)
    subtracted = eqx.tree_at(lambda r: r.nudged, rule(blocks), rule(blocks).free)
    with pytest.raises(
        eqprop.ConfigError, match=r"must be carried for `feedback` 0\.01 in 21 layers"
    ):
        eqprop.EquilibriumPropagation(subtracted.nudging, subtracted.free, subtracted.nudged).check(
            deep
        )
    rule(blocks).check(deep)
    termed = eqprop.Network(plain.hopfield.plus(Term()), plain.cost)
    with pytest.raises(eqprop.ConfigError, match="the term Term must say"):
        rule(blocks).check(termed)


@pytest.mark.parametrize("carried", [True, False])
def test_an_audit_says_how_far_phases_end_apart_and_what_rounding_leaves_of_it(x64, carried):
    wide, x, y = problem("layered", "tanh", 0.01, sizes=(6, 5, 5, 5, 4))
    phase = eqprop.Phase(SETTLE.method, eqprop.FixedSteps(40))
    rule = eqprop.EquilibriumPropagation(eqprop.Centered(0.05), phase, phase, carried)
    cold = wide.cold_state(5)
    ends = [nudged_end(wide, x, y, beta, cold, SETTLE) for beta in (0.05, -0.05)]
    apart = np.split(ends[0] - ends[1], [5, 10, 15], axis=1)
    right = [np.sqrt(np.mean(layer**2)) for layer in apart]
    assert right[0] < 1e-7 < 1e-2 < right[-1]  # further and further from the outputs
    found = audit(wide, rule, x, y, cold)
    assert found.displacement == pytest.approx(right, rel=1e-6)
    assert not any("drowns" in line for line in found.verdict)
    narrow = audit(wide.astype(jnp.float32), rule, x, y, cold)
    assert narrow.displacement[1:] == pytest.approx(right[1:], rel=0.05)
    if carried:
        assert narrow.displacement[0] == pytest.approx(right[0], rel=1e-3)
        assert not any(narrow.rounding) and narrow.pairs[0].cosine > 0.999
        return
    assert all(1e-9 < unknown < 1e-7 for unknown in narrow.rounding)
    assert narrow.pairs[0].cosine < 0.95
    (line,) = (line for line in narrow.verdict if "drowns" in line)
    assert "layer 1 by" in line and "carried=True" in line and "layer 3" not in line
