"""The audit: exact rules pass, broken rules are named, settings are told apart."""

from __future__ import annotations

import dataclasses
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop.learning import AbstractLearningRule, Batch, Oracle, audit, response
from problems import TIGHT, settle, small_network


@pytest.fixture(scope="module")
def problem():
    with jax.enable_x64(True):
        network, x, y = small_network()
        return network, x, y, settle(network, x)


SPLIT = eqprop.Phase(eqprop.Euler(0.5, nudging_step="split"), eqprop.FixedSteps(8))


def centred(beta=0.002, phase=TIGHT):
    return eqprop.EquilibriumPropagation(eqprop.Centered(beta), phase, phase)


class Broken(AbstractLearningRule):
    """A rule with a defect."""

    rule: AbstractLearningRule
    defect: str = eqx.field(static=True)

    def check(self, network):
        pass

    def work(self, wires, free_steps, other_steps):
        return self.rule.work(wires, free_steps, other_steps)

    def estimate(self, network, batch, *, axis=None):
        found = self.rule.estimate(network, batch)
        gradient = found.gradient
        if self.defect == "swapped phases":
            gradient = jax.tree.map(lambda leaf: -leaf, gradient)
        elif self.defect == "no share":
            gradient = jax.tree.map(lambda leaf: 0.004 * leaf, gradient)
        elif self.defect == "no biases":
            nothing = jax.tree.map(jnp.zeros_like, gradient.hopfield.biases)
            gradient = eqx.tree_at(lambda n: n.hopfield.biases, gradient, nothing)
        else:
            loose = {b: w + 0.01 for b, w in gradient.hopfield.weights.items()}
            gradient = eqx.tree_at(lambda n: n.hopfield.weights, gradient, loose)
        return eqx.tree_at(lambda e: e.gradient, found, gradient)


def test_a_rule_that_follows_the_gradient_is_said_to(problem, x64):
    network, x, y, states = problem
    found = audit(network, centred(), x, y, states)
    assert found.overall.cosine > 0.9999 and found.overall.ratio == pytest.approx(1, abs=1e-2)
    assert {a.name for a in found.pairs} >= {"1-0", "1-1", "2-0", "3-2"}
    assert {a.name for a in found.kinds} == {"interlayer", "intralayer", "skip", "biases"}
    assert min(a.cosine for a in (*found.pairs, *found.kinds)) > 0.999
    assert found.with_gradient == 1.0 and found.off_wiring == 0
    assert found.free.largest <= 1e-12 and found.nudged and found.nudged.unsettled == 0
    assert found.betas == found.effective_betas == pytest.approx((0.002, -0.002))
    assert found.lost == 0 and found.block_step == 0
    assert found.step_limit > found.step_size == pytest.approx(0.4)
    assert 0 < found.saturation[0] < 0.9 and len(found.saturation) == 3
    assert found.verdict[-1].startswith("The rule follows the gradient")
    assert not any("BROKEN" in line for line in found.verdict)
    # Exact rules have nothing between them and the oracle.
    for rule in (eqprop.ImplicitDifferentiation(TIGHT),
                 eqprop.RecurrentBackpropagation(TIGHT, TIGHT)):  # fmt: skip
        exact = audit(network, rule, x, y, states)
        assert exact.overall.cosine > 1 - 1e-9 and exact.betas == ()


@pytest.mark.parametrize(
    ("defect", "message"),
    [
        ("swapped phases", "climbs the gradient"),
        ("missing mask", "do not exist"),
        ("no biases", "never corrects biases"),
    ],
)
@pytest.mark.parametrize("setting", ["small nudge", "paper"])
def test_a_broken_rule_is_named(problem, defect, message, setting, x64):
    network, x, y, states = problem
    rule = eqprop.EquilibriumPropagation(eqprop.OneSided(-1.0), TIGHT, SPLIT)
    rule = rule if setting == "paper" else centred()
    sound = audit(network, rule, x, y, states)
    assert not any("BROKEN" in line for line in sound.verdict)
    if setting == "paper":
        # A nudge of -1 is strong enough to point away from the gradient: no reason to suspect it.
        assert sound.overall.cosine < -0.1 and sound.small_nudge_cosine > 0.9
        assert "the nudge is too strong" in " ".join(sound.verdict)
    found = audit(network, Broken(rule, defect), x, y, states)
    assert "BROKEN" in found.verdict[0] and message in found.verdict[0]


def test_a_correction_of_another_size_is_told(problem, x64):
    network, x, y, states = problem
    found = audit(network, Broken(centred(), "no share"), x, y, states)
    assert any("0.004 times as large as the gradient" in line for line in found.verdict)


def test_states_that_the_oracle_does_not_find_are_left_out(problem, x64):
    network, x, y, _ = problem
    cold = network.cold_state(len(x))
    hasty = Oracle.of(network, x, y, cold, max_steps=3)
    found = audit(network, centred(), x, y, cold, oracle=hasty)
    assert found.lost == 1.0 and found.with_gradient == 0
    assert "could not be found exactly" in found.verdict[0]


def test_parameters_of_the_cost_are_compared_too(problem, x64):
    network, x, y, _ = problem
    soft = eqx.tree_at(
        lambda n: n.cost,
        network,
        eqprop.CrossEntropy.initialize(network.num_outputs, y.shape[1], jax.random.key(0)),
    )
    rule = eqprop.EquilibriumPropagation(eqprop.Centered(0.002), TIGHT, TIGHT)
    found = audit(soft, rule, x, y, settle(soft, x))
    others = next(part for part in found.kinds if part.name == "others")
    assert others.cosine > 0.999 and others.exact > 0


def test_the_papers_nudge_is_told_from_a_small_one(problem, x64):
    network, x, y, states = problem
    rule = eqprop.EquilibriumPropagation(eqprop.RandomSign(1.0), TIGHT, SPLIT)
    found = audit(network, rule, x, y, states)
    assert found.betas == (1, -1) and math.isinf(found.effective_betas[0])
    assert found.effective_betas[1] == pytest.approx(-0.5)
    assert found.to_dict()["effective_betas"] == [None, pytest.approx(-0.5)]
    assert any("contrastive Hebbian" in line for line in found.verdict)
    assert found.overall.cosine < audit(network, centred(), x, y, states).overall.cosine
    half = eqprop.EquilibriumPropagation(eqprop.OneSided(0.5), TIGHT, SPLIT)
    assert audit(network, half, x, y, states).effective_betas == pytest.approx((1.0,))


def test_what_is_wrong_with_a_phase_is_said(problem, x64):
    network, x, y, _ = problem
    hasty = eqprop.Phase(eqprop.Euler(0.4), eqprop.FixedSteps(2))
    found = audit(network, centred(0.1, hasty), x, y, network.cold_state(len(x)))
    assert found.free.unsettled == 1.0
    assert any("free phases did not settle" in line for line in found.verdict)
    strong = eqx.tree_at(
        lambda n: n.hopfield.weights,
        network,
        {b: 8 * w for b, w in network.hopfield.weights.items()},
    )
    wild = eqprop.Phase(eqprop.Euler(1.9), eqprop.FixedSteps(50))
    cold = strong.cold_state(len(x))
    oracle = Oracle.of(strong, x, y, cold, max_steps=2000)
    found = audit(strong, centred(0.1, wild), x, y, cold, oracle=oracle)
    assert found.step_size > found.step_limit
    assert any("beyond its limit" in line for line in found.verdict)


def test_examples_without_a_gradient_are_counted_and_left_out(problem, x64):
    network, x, y, _ = problem
    dark = eqx.tree_at(
        lambda n: n.hopfield.biases[3], network, jnp.full_like(network.hopfield.biases[3], -9.0)
    )
    found = audit(dark, centred(), x, y, settle(dark, x))
    assert found.with_gradient == 0 and math.isnan(found.overall.cosine)
    assert "No example has a gradient" in found.verdict[0]


def test_response_to_beta_and_steps(problem, x64):
    network, x, y, states = problem
    joint = eqprop.Phase(eqprop.Euler(0.4), eqprop.FixedSteps(8))
    rule = eqprop.EquilibriumPropagation(eqprop.Centered(0.1), TIGHT, joint)
    rows = response(network, rule, x, y, states, betas=(0.5, 0.002), steps=(2, 200))
    parts = {row["name"] for row in rows}
    assert parts >= {"1-0", "skip", "biases", "all"} and len(rows) == 4 * len(parts)
    rows = [row for row in rows if row["name"] == "all"]
    assert [(row["beta"], row["steps"]) for row in rows] == [
        (0.5, 2), (0.5, 200), (0.002, 2), (0.002, 200),
    ]  # fmt: skip
    cosine = {(row["beta"], row["steps"]): row["cosine"] for row in rows}
    assert cosine[0.002, 200] > 0.9999 > max(cosine[0.002, 2], cosine[0.5, 200])


def test_what_a_rule_refuses_is_left_out_of_the_response(problem, x64):
    network, x, y, states = problem
    blocks = eqprop.Phase(eqprop.BlockCoordinateDescent(), eqprop.FixedSteps(8))
    rule = eqprop.EquilibriumPropagation(eqprop.Centered(0.1), TIGHT, blocks)
    rows = response(network, rule, x, y, states, betas=(0.5, 0.1), steps=(8,))
    assert {row["beta"] for row in rows} == {0.1}  # at -.5 the outputs have no minimum


def test_a_phase_that_ends_elsewhere_than_the_oracles_is_told(problem, x64):
    network, x, y, states = problem
    assert audit(network, centred(), x, y, states).astray == 0
    hasty = eqprop.EquilibriumPropagation(
        eqprop.Centered(0.002), eqprop.Phase(eqprop.Euler(0.1), eqprop.FixedSteps(1)), TIGHT
    )
    found = audit(network, hasty, x, y, network.cold_state(len(x)))
    assert found.astray == 1
    assert any("end elsewhere" in line for line in found.verdict)


class Wrapped(Broken):
    """A rule inside a rule, under another name."""

    def estimate(self, network, batch, *, axis=None):
        return self.rule.estimate(network, batch)


def test_a_rule_inside_a_rule_is_seen_through(problem, x64):
    network, x, y, states = problem
    rule = eqprop.EquilibriumPropagation(eqprop.RandomSign(1.0), TIGHT, SPLIT)
    bare, found = (audit(network, r, x, y, states) for r in (rule, Wrapped(rule, "none")))
    assert found == bare and bare.step_size == 0.5


def test_without_bounds_no_unit_is_said_to_be_at_one(problem, x64):
    network, x, y, _ = problem
    smooth = eqx.tree_at(lambda n: n.hopfield.activation, network, eqprop.Tanh())
    found = audit(smooth, centred(), x, y, settle(smooth, x))
    assert all(map(math.isnan, found.saturation)) and found.overall.cosine > 0.99


def test_an_audit_is_plain_values(problem, x64):
    import json

    network, x, y, states = problem
    found = audit(network, centred(), x, y, states)
    again = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert again["overall"]["cosine"] == found.overall.cosine
    assert set(again) == {field.name for field in dataclasses.fields(found)}
    assert np.isfinite(found.lowest_eigenvalue)


def test_outputs_wired_to_each_other_are_no_reason_to_call_a_rule_broken(problem, x64):
    # Either sign drives one of two outputs to 0, so that both corrections cancel.
    wiring = np.ones((6, 6)) - np.eye(6)
    wiring[:2, :2] = 0
    network = eqprop.Network.initialize(
        eqprop.from_adjacency(wiring, [2, 2, 2]),
        seed=0,
        dtype=jnp.float64,
    )
    network = eqx.tree_at(
        lambda n: n.hopfield.biases,
        network,
        jax.tree.map(lambda b: b + 0.3, network.hopfield.biases),
    )
    rng = np.random.default_rng(0)
    x, y = rng.random((8, 2)), np.eye(2)[rng.integers(0, 2, 8)]
    rule = eqprop.EquilibriumPropagation(eqprop.RandomSign(1.0), TIGHT, SPLIT)
    found = audit(network, rule, x, y, settle(network, x))
    assert found.untouched == ("2-2",) and found.never_touched == ()
    assert found.small_nudge_cosine > 0.9
    said = " ".join(found.verdict)
    assert "BROKEN" not in said and "does not correct 2-2" in said


def test_a_rule_that_does_not_reach_all_layers_is_no_broken_one(problem, x64):
    network, x, y, states = problem
    found = audit(network, eqprop.BackpropagationThroughTime(TIGHT, 1), x, y, states)
    said = " ".join(found.verdict)
    assert found.untouched and "BROKEN" not in said
    assert f"does not reach {found.untouched[0]}" in said and "more steps" in said
    whole = audit(network, eqprop.BackpropagationThroughTime(TIGHT, 200), x, y, states)
    assert whole.untouched == ()


class Spring(eqprop.AbstractTerm):
    """Holds every unit, hard."""

    strength: jax.Array

    def __call__(self, x, state):
        return 0.5 * self.strength * jnp.sum((state - 0.3) ** 2)


@pytest.mark.parametrize("strength", [0.0, 14.0])
def test_the_limit_of_euler_steps_is_that_of_the_energy_as_a_whole(problem, x64, strength):
    network, x, y, _ = problem
    smooth = eqx.tree_at(lambda n: n.hopfield.activation, network, eqprop.Sigmoid())
    energy = eqprop.ComposedEnergy(smooth.energy, (Spring(jnp.asarray(strength)),))
    network = eqx.tree_at(lambda n: n.energy, smooth, energy)
    quick = eqprop.Phase(eqprop.Euler(0.5), eqprop.Residual(1e-9, max_steps=400))
    states = np.full((len(x), network.num_free), 0.5)
    oracle = Oracle.of(network, x, y, states)
    found = audit(network, centred(phase=quick), x, y, states, oracle=oracle)
    stiffness = jax.vmap(jax.hessian(network.energy.energy, argnums=1))(x, oracle.settled)
    wanted = 2 / np.linalg.eigvalsh(np.asarray(stiffness)).max()
    assert found.step_limit == pytest.approx(wanted, rel=0.01)
    assert found.lost == 0
    told = any("beyond its limit" in line for line in found.verdict)
    assert told == (found.free.unsettled == 1) == (strength > 0)
    assert ("grow without limit" in found.verdict[-1]) == (strength > 0)


def test_examples_that_are_lost_are_not_said_to_have_no_gradient(problem, x64):
    network, x, y, _ = problem
    cold = network.cold_state(len(x))
    hasty = Oracle.of(network, x, y, cold, max_steps=3)
    found = audit(network, centred(), x, y, cold, oracle=hasty)
    assert not any("have a gradient" in line or "has a gradient" in line for line in found.verdict)


def test_relatives_answer_to_their_nudge_too(problem, x64):
    network, x, y, states = problem
    short = eqprop.Phase(eqprop.Euler(0.4), eqprop.FixedSteps(8))
    coupled = eqprop.CoupledLearning(1.0, TIGHT, short)
    rows = response(network, coupled, x, y, states, betas=(0.5, 0.01), steps=(2, 200))
    assert [r["beta"] for r in rows if r["name"] == "all"] == [0.5, 0.5, 0.01, 0.01]
    smooth = eqx.tree_at(lambda n: n.hopfield.activation, network, eqprop.Tanh())
    circle = eqprop.HolomorphicEquilibriumPropagation(0.5, TIGHT, short)
    rows = response(smooth, circle, x, y, settle(smooth, x), betas=(0.1,), steps=(2, 400))
    few, many = [row["cosine"] for row in rows if row["name"] == "all"]
    assert few < many and many > 0.9999
    below = eqprop.EquilibriumPropagation(eqprop.OneSided(-0.5), TIGHT, short)
    rows = response(network, below, x, y, states, betas=(0.1,), steps=(8,))
    assert {row["beta"] for row in rows} == {-0.1}
    with pytest.raises(eqprop.ConfigError, match="got ContrastiveHebbian"):
        response(network, eqprop.ContrastiveHebbian(TIGHT, short), x, y, states)


@pytest.mark.parametrize("kind", [eqprop.ContrastiveHebbian, eqprop.CoupledLearning])
def test_swapped_phases_of_relatives_are_named(problem, x64, kind):
    network, x, y, states = problem
    rule = kind(TIGHT, TIGHT) if kind is eqprop.ContrastiveHebbian else kind(0.5, TIGHT, TIGHT)
    assert not any("BROKEN" in line for line in audit(network, rule, x, y, states).verdict)
    found = audit(network, Broken(rule, "swapped phases"), x, y, states)
    assert found.small_nudge_cosine < -0.1 and "climbs the gradient" in found.verdict[0]


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        (lambda x, y, s: (x, y.argmax(1), s), "`target` must have shape"),
        (lambda x, y, s: (x, y, s[:, 1:]), "`states` must have shape"),
        (lambda x, y, s: (x[:, 1:], y, s), "`x` must have shape"),
        (lambda x, y, s: (x[:0], y[:0], s[:0]), "one example or more"),
    ],
)
def test_examples_that_do_not_fit_are_named(problem, x64, cut, message):
    network, x, y, states = problem
    given = cut(np.asarray(x), np.asarray(y), np.asarray(states))
    for ask in (
        lambda: audit(network, centred(), *given),
        lambda: Oracle.of(network, *given),
        lambda: response(network, centred(), *given),
    ):
        with pytest.raises(eqprop.ConfigError, match=message):
            ask()


def test_the_oracle_descends_where_block_steps_would_climb():
    size = 12
    network = eqprop.Network.initialize(
        eqprop.with_intralayer(eqprop.layered([2, size, 2])), seed=0, activation=eqprop.Tanh()
    )
    coupled = jnp.tril(jnp.full((size, size), 1.0, jnp.float32), -1)
    network = eqx.tree_at(lambda n: n.energy.weights[1, 1], network, coupled)
    x, target = np.full((3, 2), 0.5), np.eye(2)[[0, 1, 0]]
    states = np.zeros((3, network.num_free))
    found = Oracle.of(network, x, target, states, max_steps=2000)
    assert found.lowest_eigenvalue < 0 and found.step_limit > 0
    plain = eqprop.relax(
        network.energy.clamp(jnp.asarray(x, jnp.float32)), jnp.asarray(states, jnp.float32),
        eqprop.Euler(0.05), eqprop.Residual(1e-5, 20_000),
    )  # fmt: skip
    assert plain.settled.all() and np.abs(plain.state).max() > 0.5
    np.testing.assert_allclose(found.settled, plain.state, atol=1e-2)


@pytest.mark.parametrize("beta", [0.002, 1.0, 4.0])
def test_a_users_swapped_rule_is_broken_at_any_strength_of_its_nudge(problem, x64, beta):
    network, x, y, states = problem
    rule = eqprop.EquilibriumPropagation(eqprop.OneSided(beta), TIGHT, TIGHT)
    assert not any("BROKEN" in line for line in audit(network, rule, x, y, states).verdict)
    found = audit(network, Broken(rule, "swapped phases"), x, y, states)
    assert found.overall.cosine < 0
    assert any("BROKEN" in line for line in found.verdict), found.verdict


class Climbing(eqprop.EquilibriumPropagation):
    """A user's rule that has its phases swapped."""

    def estimate(self, network, batch, *, axis=None):
        found = super().estimate(network, batch, axis=axis)
        return eqx.tree_at(lambda e: e.gradient, found, jax.tree.map(lambda g: -g, found.gradient))


@pytest.mark.parametrize("activation", [None, eqprop.Activities(eqprop.Sigmoid())])
def test_a_rule_derived_from_ours_is_judged_by_what_it_does(problem, activation, x64):
    hard, x, y, states = problem
    network = hard
    if activation is not None:
        network = eqprop.Network.initialize(hard.hopfield.topology(), seed=0, activation=activation)
    settle = eqprop.Phase(eqprop.BlockCoordinateDescent(), eqprop.Residual(1e-6, max_steps=2000))
    sound = eqprop.EquilibriumPropagation(eqprop.Centered(0.05), settle, settle)
    assert not any("BROKEN" in line for line in audit(network, sound, x, y, states).verdict)
    found = audit(network, Climbing(sound.nudging, settle, settle), x, y, states)
    assert found.small_nudge_cosine < -0.9
    assert "BROKEN" in found.verdict[0] and "climbs the gradient" in found.verdict[0]


def test_the_step_limit_of_a_smooth_activity_is_that_of_its_energy(problem, x64):
    hard, x, y, states = problem
    smooth = eqprop.Network.initialize(
        hard.hopfield.topology(), seed=0, activation=eqprop.Activities(eqprop.Sigmoid())
    )
    limit = Oracle.of(smooth, x, y, states).step_limit
    # s ln s + (1 - s) ln(1 - s) bends by 4 or more everywhere.
    assert 0 < limit < 2 / 3.5
    smooth = smooth.astype(np.float64)
    clamped = smooth.energy.clamp(jnp.asarray(x, float))
    start = jnp.full((len(x), smooth.num_free), 0.5)
    for step, ends in ((0.9 * limit, True), (1.5 * limit, False)):
        found = eqprop.relax(clamped, start, eqprop.Euler(step), eqprop.Residual(1e-8, 5000))
        assert bool(found.settled.all()) == ends


def test_the_step_limit_with_weakened_feedback_is_that_of_the_weakened_energy(problem, x64):
    """By power iteration on the force itself, which no bound holds at half-way states."""
    hard, x, y, _ = problem
    limits = {}
    for feedback in (1.0, 0.05):
        network = eqprop.Network.initialize(hard.hopfield.topology(), seed=0, feedback=feedback)
        network = eqx.tree_at(
            lambda n: n.hopfield.weights, network,
            {block: 3 * w for block, w in network.hopfield.weights.items()},
        )  # fmt: skip
        states = jnp.full((len(x), network.num_free), 0.5)
        limits[feedback] = found = Oracle.of(network, x, y, np.asarray(states)).step_limit
        wide = network.astype(np.float64).energy.clamp(jnp.asarray(x, float))
        wanted = float(jnp.min(eqprop.relaxation.euler_limit(wide, states, 2000)))
        assert found == pytest.approx(wanted, rel=0.02)
    assert limits[0.05] > 1.5 * limits[1.0]


def test_pixels_are_audited_as_they_are_trained():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (6, 4)).astype(np.uint8)
    network = eqprop.Network.initialize(eqprop.layered([4, 5, 2]), seed=0)
    target, states = np.eye(2, dtype=np.float32)[[0, 1] * 3], np.zeros((6, 7))
    settle = eqprop.Phase(eqprop.BlockCoordinateDescent(), eqprop.Residual(1e-6))
    rule = eqprop.EquilibriumPropagation(eqprop.Centered(0.1), settle, settle)
    found = eqprop.audit(network, rule, pixels, target, states)
    plain = eqprop.audit(network, rule, pixels / 255, target, states)
    for name in ("cosine", "ratio", "exact"):  # in double precision 1/255 is another number
        assert getattr(found.overall, name) == pytest.approx(getattr(plain.overall, name), rel=1e-6)
    batch, usual = (
        Batch.of(jnp.asarray(x), jnp.asarray(target), jnp.asarray(states, jnp.float32))
        for x in (pixels, (pixels / 255).astype(np.float32))
    )
    np.testing.assert_allclose(batch.x, usual.x, atol=1e-7)
