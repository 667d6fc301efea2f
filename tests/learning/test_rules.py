"""Every rule against an oracle in float64: exact gradients, finite differences, closed forms."""

from __future__ import annotations

import dataclasses
import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop.energy import Activities
from eqprop.errors import ConfigError
from eqprop.learning import Batch, contrast, interior_units
from eqprop.relaxation import ForwardPass, Momentum, Noisy
from pages import run_page
from problems import KEY, TIGHT, descend, estimate, flat, settle, small_network

CLOSE = eqprop.Phase(eqprop.Euler(0.3), eqprop.Residual(1e-14, max_steps=20_000))
SMOOTH = {
    "sigmoid": eqprop.Sigmoid,
    "shifted-sigmoid": eqprop.ShiftedSigmoid,
    "tanh": eqprop.Tanh,
}


@pytest.fixture
def problem(x64):
    network, x, y = small_network()
    states = settle(network, x)
    exact = eqprop.implicit_gradient(network, x, y, states)
    assert np.abs(flat(exact)).max() > 1e-2, "the exact gradient must have something to say"
    return network, x, y, states, exact


@pytest.fixture(params=SMOOTH)
def smooth(request, x64):
    """The same with a smooth activation, so that equilibria are holomorphic in beta."""
    network, x, y = small_network(activation=SMOOTH[request.param]())
    states = settle(network, x)
    exact = eqprop.implicit_gradient(network, x, y, states)
    assert np.abs(flat(exact)).max() > 1e-3
    return network, x, y, states, exact


def distance(found, exact):
    return np.linalg.norm(flat(found) - flat(exact)) / np.linalg.norm(flat(exact))


def test_implicit_gradient_of_a_smooth_network_is_its_finite_difference(smooth):
    network, x, y, states, exact = smooth
    direction = jax.tree.map(
        lambda leaf: jnp.asarray(np.random.default_rng(leaf.size).normal(size=leaf.shape)),
        eqx.filter(network, eqx.is_inexact_array),
    )
    direction = network.constrain(direction)

    def settled_cost(step):
        moved = eqx.apply_updates(network, jax.tree.map(lambda d: step * d, direction))
        end = settle(moved, x, states)
        return float(jnp.mean(jax.vmap(moved.cost)(moved.output(end), y)))

    slope = (settled_cost(1e-5) - settled_cost(-1e-5)) / 2e-5
    assert abs(slope) > 1e-2
    assert float(np.dot(flat(direction), flat(exact))) == pytest.approx(slope, abs=1e-6)


def test_recurrent_backpropagation_finds_the_exact_gradient(problem):
    network, x, y, states, exact = problem
    found = estimate(eqprop.RecurrentBackpropagation(TIGHT, TIGHT), network, x, y, states, KEY)
    assert float(found.report.nudged[0].residual.max()) <= 1e-12
    assert distance(found.gradient, exact) < 1e-9
    early = eqprop.Phase(eqprop.Euler(0.4), eqprop.FixedSteps(3))
    short = estimate(eqprop.RecurrentBackpropagation(TIGHT, early), network, x, y, states, KEY)
    assert distance(short.gradient, exact) > 1e-3, "three steps must not be enough"


def test_backpropagation_through_time_tends_to_the_exact_gradient(problem):
    network, x, y, states, exact = problem
    errors = []
    for steps in (4, 16, 64, 256):
        rule = eqprop.BackpropagationThroughTime(TIGHT, steps)
        errors.append(distance(estimate(rule, network, x, y, states, KEY).gradient, exact))
    assert errors[0] > 0.01 and errors[-1] < 1e-9
    assert all(b < a for a, b in itertools.pairwise(errors))
    # Full: from the cold start through every step.
    rule = eqprop.BackpropagationThroughTime(
        eqprop.Phase(eqprop.Euler(0.4), eqprop.FixedSteps(0)), 500
    )
    found = estimate(rule, network, x, y, network.cold_state(len(x)), KEY)
    assert distance(found.gradient, exact) < 1e-9
    assert int(found.report.free.steps) == 500 and float(found.report.free.residual.max()) < 1e-12


def test_implicit_differentiation_is_the_oracle_as_a_rule(problem):
    network, x, y, states, exact = problem
    found = estimate(eqprop.ImplicitDifferentiation(TIGHT), network, x, y, states, KEY)
    assert distance(found.gradient, exact) < 1e-10


@pytest.mark.parametrize("points", [2, 3, 4, 6])
def test_holomorphic_error_falls_with_the_number_of_points(smooth, points):
    network, x, y, states, exact = smooth
    radii, errors = 0.1 * 0.7 ** np.arange(5), []
    for radius in radii:
        rule = eqprop.HolomorphicEquilibriumPropagation(float(radius), CLOSE, CLOSE, points)
        found = estimate(rule, network, x, y, states, KEY)
        assert all(float(phase.residual.max()) <= 1e-12 for phase in found.report.nudged)
        errors.append(distance(found.gradient, exact))
    # The slope is read where rounding has not yet taken over.
    clear = [k for k, error in enumerate(errors) if error > 1e-11]
    assert len(clear) >= 3
    fit = np.polyfit(np.log(radii[clear]), np.log(np.array(errors)[clear]), 1)[0]
    assert fit == pytest.approx(points, abs=0.2)


def test_holomorphic_error_falls_geometrically_at_a_fixed_radius(smooth):
    network, x, y, states, exact = smooth
    errors = []
    for points in range(2, 9):
        rule = eqprop.HolomorphicEquilibriumPropagation(0.07, CLOSE, CLOSE, points)
        errors.append(distance(estimate(rule, network, x, y, states, KEY).gradient, exact))
    assert errors[0] > 1e-3
    ratios = [b / a for a, b in itertools.pairwise(errors) if b > 1e-11]
    assert len(ratios) >= 2 and max(ratios) < 0.6


def test_two_holomorphic_points_are_centred_nudging(smooth):
    network, x, y, states, _ = smooth
    circle = eqprop.HolomorphicEquilibriumPropagation(0.2, CLOSE, CLOSE, 2)
    centred = eqprop.EquilibriumPropagation(eqprop.Centered(0.2), CLOSE, CLOSE)
    found = [estimate(rule, network, x, y, states, KEY).gradient for rule in (circle, centred)]
    assert distance(found[0], found[1]) < 1e-10


@pytest.mark.parametrize(("nudging", "slope"), [(eqprop.OneSided, 1), (eqprop.Centered, 2)])
def test_smooth_networks_have_the_order_of_their_nudging(smooth, nudging, slope):
    network, x, y, states, exact = smooth
    betas, errors = 0.1 * 0.5 ** np.arange(6), []
    for beta in betas:
        rule = eqprop.EquilibriumPropagation(nudging(float(beta)), CLOSE, CLOSE)
        found = estimate(rule, network, x, y, states, KEY)
        phases = (found.report.free, *found.report.nudged)
        assert all(float(phase.residual.max()) <= 1e-12 for phase in phases)
        errors.append(distance(found.gradient, exact))
    assert np.polyfit(np.log(betas), np.log(errors), 1)[0] == pytest.approx(slope, abs=0.1)


def test_contrastive_hebbian_learning_is_a_hard_nudge(problem):
    network, x, y, states, _ = problem
    rule = eqprop.ContrastiveHebbian(TIGHT, TIGHT)
    found = estimate(rule, network, x, y, states, KEY)
    clamped = found.report.nudged[0]
    np.testing.assert_array_equal(network.output(clamped.state), y)
    assert float(clamped.residual.max()) <= 1e-12
    # Oracle: the equilibrium of F tends to the clamped one as beta grows.
    gaps = []
    for beta in (1e1, 1e2, 1e3):
        nudged = network.nudged(network.energy.clamp(x), jnp.asarray(beta), y)
        hard = eqprop.relax(
            nudged, states, eqprop.BlockCoordinateDescent(), eqprop.Residual(1e-13, 20_000)
        )
        slopes = ((1.0, hard.state), (-1.0, states))
        limit = contrast(network, x, slopes, jnp.full(len(x), 1 / len(x)))
        gaps.append(distance(limit, found.gradient))
    assert gaps[0] > 1e-3 and gaps[2] < gaps[1] / 5 < gaps[0] / 20


def test_coupled_learning_descends_in_the_metric_of_its_outputs(x64):
    network, x, y = small_network(activation=eqprop.Sigmoid())
    # One example: holding outputs at y + eta r moves the state as the nudge g = K r / eta would,
    # K the stiffness that the outputs feel. So the gradient is that of g'y, by implicit
    # differentiation with a cost whose slope is -K (target - y).
    x, y = x[:1], y[:1]
    states = settle(network, x)
    network_outputs = network.num_outputs
    inside = np.flatnonzero(np.asarray(interior_units(network, x, states))[0])
    hidden = inside[inside < network.num_free - network_outputs]
    outputs = np.arange(network.num_free - network_outputs, network.num_free)
    assert np.isin(outputs, inside).all(), "all outputs must be inside for this oracle"
    hessian = -np.asarray(jax.jacfwd(lambda s: network.energy.force(x[0], s))(states[0]))
    inner = hessian[np.ix_(hidden, hidden)]
    cross = hessian[np.ix_(outputs, hidden)]
    stiffness = hessian[np.ix_(outputs, outputs)] - cross @ np.linalg.solve(inner, cross.T)
    pull = stiffness @ np.asarray(y[0] - network.output(states)[0])
    goal = network.output(states)[0] + jnp.asarray(pull)  # slope of 1/2 |y - goal|^2 is -pull
    half = eqx.tree_at(lambda n: n.cost, network, eqprop.SquaredError(0.5))
    oracle = eqprop.implicit_gradient(half, x, goal[None], states)
    assert np.abs(flat(oracle)).max() > 1e-2
    errors = []
    for eta in (0.02, 0.01, 0.005):
        rule = eqprop.CoupledLearning(eta, TIGHT, TIGHT)
        errors.append(distance(estimate(rule, network, x, y, states, KEY).gradient, oracle))
    assert errors[2] < 0.02 and errors[2] < 0.6 * errors[1] < 0.4 * errors[0]
    whole = estimate(eqprop.CoupledLearning(1.0, TIGHT, TIGHT), network, x, y, states, KEY)
    hebbian = estimate(eqprop.ContrastiveHebbian(TIGHT, TIGHT), network, x, y, states, KEY)
    assert distance(whole.gradient, hebbian.gradient) < 1e-9


def test_backpropagation_is_the_gradient_of_the_forward_pass(x64):
    topology = eqprop.without_intralayer(
        eqprop.rewire(eqprop.with_intralayer(eqprop.layered([8, 7, 6, 3])), n=40, seed=1)
    )
    assert topology.accounting().skip > 5
    network, x, y = small_network(topology=topology)

    def forward(network, example):
        """Section 4.1.2, unit by unit with the dense matrix."""
        weights, sizes = network.hopfield.dense_weights(), network.layer_sizes
        bias = np.concatenate([np.asarray(network.hopfield.biases[k]) for k in (1, 2, 3)])
        units = np.concatenate([np.asarray(example), np.zeros(sum(sizes[1:]))])
        ends = np.cumsum(sizes)
        for start, stop in itertools.pairwise(ends):
            drive = weights[start:stop, :start] @ units[:start] + bias[start - 8 : stop - 8]
            units[start:stop] = drive.clip(0, 1)
        return units[8:]

    expected = np.array([forward(network, example) for example in x])
    assert 0.1 < ((expected > 0) & (expected < 1)).mean() < 1
    rule = eqprop.Backpropagation()
    found = estimate(rule, network, x, y, network.cold_state(len(x)), KEY)
    np.testing.assert_allclose(found.free_states, expected, atol=1e-12)

    def cost(network):
        out = np.array([forward(network, example)[-3:] for example in x])
        return np.mean(np.sum((out - np.asarray(y)) ** 2, axis=1))

    checked = 0
    for block, mask in topology.masks.items():
        for i, j in np.argwhere(mask)[:: max(1, mask.sum() // 4)]:
            ends = []
            for sign in (1, -1):
                moved = network.hopfield.weights[block].at[i, j].add(sign * 1e-6)
                weights = network.hopfield.weights | {block: moved}
                ends.append(cost(eqx.tree_at(lambda n: n.hopfield.weights, network, weights)))
            slope = (ends[0] - ends[1]) / 2e-6
            assert found.gradient.hopfield.weights[block][i, j] == pytest.approx(slope, abs=1e-6)
            checked += abs(slope) > 1e-3
    assert checked >= 5


def rules(phase):
    """One of each, none of them far from its limit."""
    return {
        "one-sided": eqprop.EquilibriumPropagation(eqprop.OneSided(0.002), phase, phase),
        "random-sign": eqprop.EquilibriumPropagation(eqprop.RandomSign(0.002), phase, phase),
        "centered": eqprop.EquilibriumPropagation(eqprop.Centered(0.02), phase, phase),
        "holomorphic": eqprop.HolomorphicEquilibriumPropagation(0.1, phase, phase),
        "contrastive-hebbian": eqprop.ContrastiveHebbian(phase, phase),
        "coupled": eqprop.CoupledLearning(0.05, phase, phase),
        "recurrent-backpropagation": eqprop.RecurrentBackpropagation(phase, phase),
        "implicit": eqprop.ImplicitDifferentiation(phase),
        "through-time": eqprop.BackpropagationThroughTime(phase, 100),
        "backpropagation": eqprop.Backpropagation(),
    }


REFUSED_ON_THE_BOX = {"holomorphic"}
GRADIENTS = {
    "one-sided": 0.05,
    "random-sign": 0.05,
    "centered": 0.01,
    "holomorphic": 0.01,
    "recurrent-backpropagation": 1e-6,
    "implicit": 1e-6,
    "through-time": 1e-3,
}
"""Rules that follow the exact gradient, and how nearly."""


def trained(rule, network, x, y, states):
    """After twelve updates, in which the cost has to fall."""
    network, costs = descend(rule, network, x, y, states, updates=12)
    assert costs[-1] < 0.97 * costs[0]
    return network


@pytest.mark.parametrize("activation", ["hard-sigmoid", *SMOOTH])
@pytest.mark.parametrize("name", rules(TIGHT))
def test_every_rule_learns_on_every_network_that_it_does_not_refuse(name, activation, x64):
    topology = eqprop.layered([8, 7, 6, 3]) if name == "backpropagation" else None
    kind = eqprop.HardSigmoid if activation == "hard-sigmoid" else SMOOTH[activation]
    network, x, y = small_network(activation=kind(), topology=topology)
    rule, states = rules(CLOSE)[name], network.cold_state(len(x))
    if activation == "hard-sigmoid" and name in REFUSED_ON_THE_BOX:
        with pytest.raises(eqprop.ConfigError, match="complex derivative"):
            estimate(rule, network, x, y, states, KEY)
        return
    if name in GRADIENTS:
        exact = eqprop.implicit_gradient(network, x, y, settle(network, x))
        found = estimate(rule, network, x, y, states, KEY).gradient
        assert distance(found, exact) < GRADIENTS[name]
    network = trained(rule, network, x, y, states)
    missing = ~network.hopfield.topology().adjacency().toarray()
    assert not network.hopfield.dense_weights()[missing].any()


WEAKENED = {
    "hard-sigmoid": eqprop.HardSigmoid,
    "sigmoid": eqprop.Sigmoid,
    "activities": lambda: eqprop.Activities(eqprop.Tanh()),
}


@pytest.mark.parametrize("activation", WEAKENED)
@pytest.mark.parametrize("name", GRADIENTS)
def test_rules_follow_the_gradient_with_weakened_feedback(name, activation, x64):
    network, x, y = small_network(activation=WEAKENED[activation]())
    weaker = dataclasses.replace(network.hopfield, feedback=0.3)
    network = eqprop.Network(weaker, network.cost)
    inside = 0.2 + 0.3 * jnp.asarray(np.random.default_rng(1).random(y.shape))
    rule, states = rules(CLOSE)[name], network.cold_state(len(x))
    if name == "centered":  # an output unit of the hard sigmoid is .004 from its bound
        rule = eqprop.EquilibriumPropagation(eqprop.Centered(0.002), CLOSE, CLOSE)
    if name == "holomorphic" and activation != "sigmoid":
        with pytest.raises(eqprop.ConfigError, match="complex derivative"):
            estimate(rule, network, x, inside, states, KEY)
        return
    exact = eqprop.implicit_gradient(network, x, inside, settle(network, x))
    assert np.abs(flat(exact)).max() > 1e-2
    found = estimate(rule, network, x, inside, states, KEY).gradient
    assert distance(found, exact) < GRADIENTS[name]


def with_readout(network, classes=4):
    cost = eqprop.CrossEntropy.initialize(
        network.num_outputs, classes, jax.random.key(5), jnp.float64
    )
    return eqx.tree_at(lambda n: n.cost, network, cost)


@pytest.mark.parametrize("activation", ["hard-sigmoid", *SMOOTH])
def test_a_read_out_learns_by_the_same_difference(activation, x64):
    kind = eqprop.HardSigmoid if activation == "hard-sigmoid" else SMOOTH[activation]
    network, x, _ = small_network(activation=kind())
    network = with_readout(network)
    y = jnp.asarray(np.eye(4)[[0, 3, 1, 2]])
    states = settle(network, x)
    np.testing.assert_allclose(
        network.cost.force(network.output(states), y),
        -jax.vmap(jax.grad(network.cost))(network.output(states), y),
        atol=1e-12,
    )
    exact = eqprop.implicit_gradient(network, x, y, states)
    readout = np.asarray(exact.cost.weights)  # pyright: ignore[reportAttributeAccessIssue]
    assert np.abs(readout).max() > 1e-3 and np.abs(flat(exact)).max() > 1e-3
    rule = eqprop.EquilibriumPropagation(eqprop.Centered(0.005), CLOSE, CLOSE)
    found = estimate(rule, network, x, y, states, KEY).gradient
    assert distance(found, exact) < 1e-3
    np.testing.assert_allclose(found.cost.weights, readout, atol=1e-4)  # pyright: ignore[reportAttributeAccessIssue]
    if activation != "hard-sigmoid":
        circle = eqprop.HolomorphicEquilibriumPropagation(0.1, CLOSE, CLOSE, 6)
        found = estimate(circle, network, x, y, states, KEY).gradient
        assert distance(found, exact) < 1e-3


def test_wrong_combinations_are_refused_with_the_reason(x64):
    network, x, y = small_network()
    states = network.cold_state(len(x))

    def refuses(rule, network, message):
        with pytest.raises(eqprop.ConfigError, match=message):
            estimate(rule, network, x, y, states, KEY)

    smooth, _, _ = small_network(activation=eqprop.Tanh())
    split = eqprop.Phase(eqprop.Euler(0.5, nudging_step="split"), eqprop.FixedSteps(8))
    block = eqprop.Phase(eqprop.BlockCoordinateDescent(), eqprop.FixedSteps(5))
    refuses(eqprop.HolomorphicEquilibriumPropagation(0.1, TIGHT, split), smooth, "joint")
    readout = with_readout(network)
    refuses(eqprop.ContrastiveHebbian(TIGHT, TIGHT), readout, "no states of output units")
    refuses(eqprop.CoupledLearning(0.1, TIGHT, TIGHT), readout, "no states of output units")
    ep = eqprop.EquilibriumPropagation(eqprop.OneSided(0.1), TIGHT, block)
    refuses(ep, readout, "no minimum in closed form")
    # Units whose state is their activity have a minimum under any cost, but none at any beta.
    under = eqprop.EquilibriumPropagation(eqprop.OneSided(-1.0), TIGHT, block)
    around = eqprop.Phase(Momentum(eqprop.BlockCoordinateDescent()), eqprop.FixedSteps(5))
    wrapped = eqprop.EquilibriumPropagation(eqprop.OneSided(-1.0), TIGHT, around)
    for activation in (eqprop.HardSigmoid(), Activities(eqprop.HardSigmoid()),
                       Activities(eqprop.Tanh())):  # fmt: skip
        bounded, _, _ = small_network(activation=activation)
        for rule in (under, wrapped):
            with pytest.raises(eqprop.ConfigError, match=r"`beta` must be above -0\.5"):
                rule.check(bounded)
    refuses(eqprop.Backpropagation(), network, "`without_intralayer")
    refuses(eqprop.EquilibriumPropagation(eqprop.OneSided(0.1), block, TIGHT), smooth, "`Euler`")
    with pytest.raises(eqprop.ConfigError, match="`points` must be 2 or more, got 1"):
        eqprop.HolomorphicEquilibriumPropagation(0.1, TIGHT, TIGHT, 1)
    with pytest.raises(eqprop.ConfigError, match=r"`eta` must lie in \(0, 1\], got 1.5"):
        eqprop.CoupledLearning(1.5, TIGHT, TIGHT)
    with pytest.raises(eqprop.ConfigError, match="`num_steps` must be 1 or more"):
        eqprop.BackpropagationThroughTime(TIGHT, 0)


@pytest.fixture(scope="module")
def page_term(tmp_path_factory):
    """The class of the how-to page on energies."""
    return run_page("energy", tmp_path_factory.mktemp("page"))["Levels"]


@pytest.mark.parametrize("name", rules(TIGHT))
def test_the_how_tos_energy_trains_under_every_rule(name, page_term, x64):
    network, x, y = small_network(activation=eqprop.Tanh())
    term = page_term(jnp.full(network.num_free, 0.2))
    composed = eqprop.ComposedEnergy(network.energy, (term,))
    network = eqx.tree_at(lambda n: n.energy, network, composed)
    rule, states = rules(CLOSE)[name], jnp.full((len(x), network.num_free), 0.5)
    if name == "backpropagation":
        with pytest.raises(eqprop.ConfigError, match="energy"):
            estimate(rule, network, x, y, states, KEY)
        return
    oracle = -jax.vmap(jax.grad(composed.energy, argnums=1))(x, states)
    assert np.abs(oracle).max() > 0.1
    np.testing.assert_allclose(composed.clamp(x).force(states), oracle, atol=1e-12)
    states = settle(network, x)
    if name in GRADIENTS:
        exact = eqprop.implicit_gradient(network, x, y, states)
        found = estimate(rule, network, x, y, states, KEY).gradient
        levels = [np.asarray(g.energy.terms[0].levels) for g in (found, exact)]  # pyright: ignore[reportAttributeAccessIssue]
        assert np.abs(levels[1]).max() > 1e-3
        assert np.linalg.norm(levels[0] - levels[1]) < GRADIENTS[name] * np.linalg.norm(levels[1])
        told = eqprop.audit(network, rule, x, y, states)
        assert told.overall.cosine > 0.99
        assert "others" in {part.name for part in told.kinds}
    after = trained(rule, network, x, y, states)
    assert np.abs(after.energy.terms[0].levels - term.levels).max() > 1e-4  # pyright: ignore[reportAttributeAccessIssue]


def test_forward_pass_refuses_what_it_cannot_read(x64):
    network, x, _ = small_network()
    with pytest.raises(eqprop.ConfigError, match=r"intralayer connections in layers \[1, 2\]"):
        eqprop.relax(
            network.energy.clamp(x), network.cold_state(4), ForwardPass(), eqprop.FixedSteps(1)
        )


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda p: eqprop.EquilibriumPropagation(eqprop.RandomSign(1.0), p, p), "got -1 .*joint"),
        (lambda p: eqprop.EquilibriumPropagation(eqprop.Centered(0.7), p, p), "|beta| below 0.5"),
        (
            lambda p: eqprop.EquilibriumPropagation(
                eqprop.OneSided(-1.0),
                p,
                eqprop.Phase(eqprop.Euler(0.5, nudging_step="split"), eqprop.FixedSteps(8)),
            ),
            "grow without limit",
        ),
        (
            lambda p: eqprop.HolomorphicEquilibriumPropagation(0.5, p, p),
            "`radius`, `learning.beta` of a run, must be below",
        ),
    ],
)
def test_nudges_under_which_states_would_run_away_are_refused(rule, message, x64):
    phase = eqprop.Phase(eqprop.Euler(0.3), eqprop.FixedSteps(50))
    network, *_ = small_network(activation=eqprop.Tanh())
    with pytest.raises(ConfigError, match=message.replace("|", r"\|")):
        rule(phase).check(network)
    # In the box of the hard sigmoid the same nudges are harmless.
    if "radius" not in message:
        rule(phase).check(small_network()[0])


def test_what_is_refused_does_run_away_and_what_is_not_does_not(x64):
    network, x, y = small_network(activation=eqprop.Tanh())
    states = settle(network, x)
    for beta, far in ((-0.6, True), (-0.4, False)):
        total = network.nudged(network.energy.clamp(x), jnp.asarray(beta), y)
        end = eqprop.relax(total, states, eqprop.Euler(0.3), eqprop.FixedSteps(2000)).state
        assert (float(jnp.abs(end).max()) > 1e3) == far


@pytest.mark.parametrize("steps", [1, 3])
def test_truncated_backpropagation_through_time_is_a_plain_loop(steps, problem):
    """So few steps, and so far from rest, that each of them counts."""
    network, x, y, _, exact = problem
    start = jnp.asarray(np.random.default_rng(3).uniform(0.2, 0.8, (len(x), network.num_free)))
    phase = eqprop.Phase(eqprop.Euler(0.3), eqprop.FixedSteps(2))

    @eqx.filter_grad
    def slope(network):
        clamped, state = network.energy.clamp(x), start
        for step in range(2 + steps):
            state = jax.lax.stop_gradient(state) if step == 2 else state
            state = jnp.clip(state + 0.3 * clamped.force(state), 0, 1)
        return jnp.mean(jnp.sum((network.output(state) - y) ** 2, axis=1))

    wanted = network.constrain(slope(network))
    rule = eqprop.BackpropagationThroughTime(phase, steps)
    found = estimate(rule, network, x, y, start, KEY).gradient
    assert distance(found, wanted) < 1e-10
    assert distance(found, exact) > 0.1 and np.abs(flat(wanted)).max() > 1e-3


class Size(eqprop.AbstractTerm):
    """A term that no complex derivative exists of."""

    how: str = eqx.field(static=True)

    def __call__(self, x, state):
        if self.how == "abs":
            return 0.1 * jnp.sum(jnp.abs(state) ** 2)
        if self.how == "vdot":
            return 0.1 * jnp.vdot(state, state)
        return 0.1 * jnp.dot(state, state)


@pytest.mark.parametrize("how", ["abs", "vdot", "dot"])
def test_terms_without_a_complex_derivative_are_refused(smooth, how, x64):
    network = smooth[0]
    energy = eqprop.ComposedEnergy(network.energy, (Size(how),))
    network = eqx.tree_at(lambda n: n.energy, network, energy)
    rule = eqprop.HolomorphicEquilibriumPropagation(0.1, TIGHT, TIGHT)
    if how == "dot":
        rule.check(network)
        return
    with pytest.raises(eqprop.ConfigError, match="complex derivative"):
        rule.check(network)


def test_a_radius_below_zero_is_refused():
    with pytest.raises(eqprop.ConfigError, match="`radius` must be above 0"):
        eqprop.HolomorphicEquilibriumPropagation(-0.1, TIGHT, TIGHT)


def test_backpropagation_through_time_begins_cold_where_its_phase_does(problem):
    network, x, y, states, _ = problem
    found = {}
    for is_cold in (True, False):
        phase = eqprop.Phase(eqprop.Euler(0.3), eqprop.FixedSteps(2), is_cold=is_cold)
        rule = eqprop.BackpropagationThroughTime(phase, 2)
        for name, start in (("kept", states), ("cold", jnp.zeros_like(states))):
            found[is_cold, name] = flat(estimate(rule, network, x, y, start, KEY).gradient)
    np.testing.assert_array_equal(found[True, "kept"], found[True, "cold"])
    assert np.abs(found[False, "kept"] - found[False, "cold"]).max() > 1e-4


@pytest.mark.parametrize("points", [20, 22, 26, 30])
def test_a_circle_of_any_number_of_points_has_its_real_ends_once(points, x64):
    network = eqprop.Network.initialize(
        eqprop.layered([4, 6, 2]), seed=0, activation=eqprop.Tanh(), dtype=jnp.float64
    )
    rng = np.random.default_rng(0)
    x, target = jnp.asarray(rng.random((5, 4))), jnp.eye(2)[jnp.array([0, 1, 0, 1, 1])]
    settle = eqprop.Phase(eqprop.Euler(0.3), eqprop.FixedSteps(300))
    batch = Batch.of(x, target, network.cold_state(5))
    exact = eqprop.ImplicitDifferentiation(settle).estimate(network, batch).gradient
    rule = eqprop.HolomorphicEquilibriumPropagation(0.05, settle, settle, points=points)
    found = rule.estimate(network, batch).gradient
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(exact), strict=True):
        assert np.abs(other).max() > 1e-4
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", ["cold", "noisy"])
def test_outputs_that_are_held_stay_where_they_are(kind):
    network = eqprop.Network.initialize(eqprop.layered([4, 6, 2]), seed=0)
    rng = np.random.default_rng(0)
    x, target = jnp.asarray(rng.random((5, 4)), jnp.float32), jnp.eye(2)[jnp.array([0, 1, 0, 1, 1])]
    method, stop = eqprop.Euler(0.3), eqprop.FixedSteps(60)
    free = eqprop.Phase(method, stop)
    clamped = eqprop.Phase(method, stop, is_cold=True)
    if kind == "noisy":
        clamped = eqprop.Phase(Noisy(method, 0.05), stop)
    rule = eqprop.ContrastiveHebbian(free, clamped)
    estimate = rule.estimate(network, Batch.of(x, target, network.cold_state(5)))
    [end] = estimate.report.nudged
    np.testing.assert_array_equal(network.output(end.state), target)
