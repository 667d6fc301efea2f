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
from eqprop.learning import AbstractLearningRule, audit, response
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

    def estimate(self, network, x, target, states, key, example_weights=None, *, axis=None):
        found = self.rule.estimate(network, x, target, states, key, example_weights)
        gradient = found.gradient
        if self.defect == "swapped phases":
            gradient = jax.tree.map(lambda leaf: -leaf, gradient)
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
    assert found.beta == found.effective_beta == pytest.approx(0.002)
    assert found.step_limit > found.step_size == pytest.approx(0.4)
    assert 0 < found.saturation[0] < 0.9 and len(found.saturation) == 3
    assert found.verdict[-1].startswith("The rule follows the gradient")
    assert not any("BROKEN" in line for line in found.verdict)
    # Exact rules have nothing between them and the oracle.
    for rule in (eqprop.ImplicitDifferentiation(TIGHT),
                 eqprop.RecurrentBackpropagation(TIGHT, TIGHT)):  # fmt: skip
        exact = audit(network, rule, x, y, states)
        assert exact.overall.cosine > 1 - 1e-9 and exact.beta == 0


@pytest.mark.parametrize(
    ("defect", "message"),
    [("swapped phases", "climbs the gradient"), ("missing mask", "do not exist")],
)
def test_a_broken_rule_is_named(problem, defect, message, x64):
    network, x, y, states = problem
    found = audit(network, Broken(centred(), defect), x, y, states)
    assert "BROKEN" in found.verdict[0] and message in found.verdict[0]


def test_the_papers_nudge_is_told_from_a_small_one(problem, x64):
    network, x, y, states = problem
    rule = eqprop.EquilibriumPropagation(eqprop.RandomSign(1.0), TIGHT, SPLIT)
    found = audit(network, rule, x, y, states)
    assert math.isinf(found.effective_beta) and found.to_dict()["effective_beta"] is None
    assert any("contrastive Hebbian" in line for line in found.verdict)
    assert found.overall.cosine < audit(network, centred(), x, y, states).overall.cosine
    half = eqprop.EquilibriumPropagation(eqprop.OneSided(0.5), TIGHT, SPLIT)
    assert audit(network, half, x, y, states).effective_beta == pytest.approx(1.0)


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
    found = audit(strong, centred(0.1, wild), x, y, strong.cold_state(len(x)), max_steps=2000)
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
    assert [(row["beta"], row["steps"]) for row in rows] == [
        (0.5, 2), (0.5, 200), (0.002, 2), (0.002, 200),
    ]  # fmt: skip
    cosine = {(row["beta"], row["steps"]): row["cosine"] for row in rows}
    assert cosine[0.002, 200] > 0.9999 > max(cosine[0.002, 2], cosine[0.5, 200])


def test_an_audit_is_plain_values(problem, x64):
    import json

    network, x, y, states = problem
    found = audit(network, centred(), x, y, states)
    again = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert again["overall"]["cosine"] == found.overall.cosine
    assert set(again) == {field.name for field in dataclasses.fields(found)}
    assert np.isfinite(found.lowest_eigenvalue)
