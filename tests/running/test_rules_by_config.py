"""Every rule, activation, cost and optimiser that a configuration can name trains a network."""

from __future__ import annotations

import numpy as np
import pytest

import eqprop
from eqprop.config.settings import build
from eqprop.errors import ConfigError
from eqprop.experiments.experiment import merged
from eqprop.running.finished import evaluate_run
from eqprop.running.run import train

SMALL = {
    "topology": {"layer_sizes": [20, 12, 12, 4]},
    "data": {"dataset": "teacher", "num_train": 300},
    "training": {"epochs": 10},
    "learning": {"learning_rate": 0.05},
}
EULER = {"method": "euler", "steps": 300}
JOINT = {"method": "euler", "steps": 30, "nudging_step": "joint"}
SPLIT = {"nudging_step": "split"}
ONE_PHASE = {"network": {"activation": "tanh"}, "free": EULER}
SMOOTH = ONE_PHASE | {"nudged": JOINT}

# Rules that follow the gradient do not lift outputs of the hard sigmoid that are dead at 0.
CASES = {
    "centered": merged(SMOOTH, {"learning": {"nudging": "centered", "beta": 0.1}}),
    "holomorphic": merged(SMOOTH, {"learning": {"rule": "holomorphic", "beta": 0.1}}),
    "contrastive-hebbian": {"learning": {"rule": "contrastive-hebbian"}},
    "coupled": {"learning": {"rule": "coupled", "beta": 0.2}, "nudged": JOINT},
    "recurrent-backpropagation": merged(
        SMOOTH, {"learning": {"rule": "recurrent-backpropagation"}}
    ),
    # A solve follows the gradient over bifurcations, where it is infinite: a small rate, and
    # no further than to the first of them.
    "implicit": merged(
        ONE_PHASE,
        {"learning": {"rule": "implicit", "learning_rate": 0.01}, "training": {"epochs": 8}},
    ),
    "through-time": merged(
        ONE_PHASE, {"learning": {"rule": "through-time", "differentiated_steps": 20}}
    ),
    "through-time, whole": merged(
        ONE_PHASE,
        {"learning": {"rule": "through-time", "differentiated_steps": 40}, "free": {"steps": 0}},
    ),
    "backpropagation": {"learning": {"rule": "backpropagation"}},
    "shifted sigmoid": merged(
        SMOOTH, {"network": {"activation": "shifted-sigmoid"}, "learning": {"beta": 0.2}}
    ),
    "cross-entropy": {
        "network": {"cost": "cross-entropy"},
        "topology": {"layer_sizes": [20, 12, 16]},
        "learning": {"nudging": "centered", "beta": 0.1},
        "nudged": JOINT,
    },
    "adamw, cosine, clipped": {
        "learning": {"optimizer": "adamw", "learning_rate": 0.01, "schedule": "cosine",
                     "weight_decay": 0.01, "max_weight": 0.5},
    },
    "decay, exponential": {
        "learning": {"weight_decay": 0.001, "schedule": "exponential", "momentum": 0.5},
    },
    "rates by kind of connection": {
        "topology": {"intralayer": True, "wiring": "rewire", "p": 0.1},
        "learning": {"skip_rate": 0.05, "intralayer_rate": 0.0},
    },
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_it_learns_and_is_read_back(name, tmp_path):
    config = build(merged(SMALL, CASES[name]))
    folder = train(config, tmp_path)
    entries = folder.epochs()
    assert entries[-1]["training_error"] < 0.8 * entries[0]["training_error"]
    again = evaluate_run(folder.path, "validation")
    assert again["validation_error"] == entries[-1]["validation_error"] < 0.5
    weights = eqprop.load(folder.path).network.hopfield.dense_weights()
    if config.learning.max_weight:
        assert np.abs(weights).max() == pytest.approx(0.5, abs=1e-6)


def test_a_beta_that_only_one_rule_refuses_is_left_to_the_others():
    block = {"nudged": {"method": "block", "nudging_step": "joint"}}
    for rule in ({"rule": "contrastive-hebbian"}, {"rule": "coupled", "beta": 0.5}):
        build(merged(SMALL, block | {"learning": rule}))
    with pytest.raises(ConfigError, match=r"`learning.beta` must be above -0.5"):
        build(merged(SMALL, block))


def test_a_rate_of_zero_keeps_its_kind_of_connection(tmp_path):
    config = build(merged(SMALL, CASES["rates by kind of connection"]))
    short = build(merged(config.model_dump(), {"training": {"epochs": 1}}))
    network = eqprop.load(train(short, tmp_path).path).network.hopfield
    from eqprop.running.build import build_network
    from eqprop.running.wiring import build_topology

    start = build_network(short, build_topology(short)).hopfield
    np.testing.assert_array_equal(network.weights[1, 1], start.weights[1, 1])
    assert np.abs(network.weights[2, 0] - start.weights[2, 0]).max() > 1e-3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning": {"rule": "holomorphic"}}, "complex derivative"),
        (merged(SMOOTH, {"free": {"method": "block"}}), "needs the hard sigmoid"),
        (
            merged(
                SMOOTH, {"learning": {"rule": "holomorphic"}, "nudged": {"nudging_step": "split"}}
            ),
            "'joint' for rule 'holomorphic'",
        ),
        (
            {"network": {"cost": "cross-entropy"}, "learning": {"rule": "contrastive-hebbian"}},
            "no states of units",
        ),
        ({"learning": {"rule": "coupled", "beta": 1.5}}, "less than or equal to 1"),
        (
            {"topology": {"intralayer": True}, "learning": {"rule": "backpropagation"}},
            "drop_intralayer",
        ),
        (
            {"topology": {"wiring": "rewire", "p": 0.1}, "learning": {"rule": "backpropagation"}},
            "drop_intralayer",
        ),
        (
            {"learning": {"rule": "backpropagation"}, "evaluation": {"audit_every": 2}},
            "`evaluation.audit_every` must be 0",
        ),
        ({"learning": {"points": 6}}, "`learning.points` belongs to rule 'holomorphic', got 6"),
        (
            {"learning": {"rule": "coupled", "nudging": "centered"}},
            "`learning.nudging` belongs to rule",
        ),
        (
            {"network": {"cost": "cross-entropy", "cost_factor": 0.5}},
            "`network.cost_factor` belongs to cost 'squared-error', got 0.5",
        ),
        (
            {
                "topology": {"wiring": "rewire", "p": 0.1},
                "learning": {"learning_rate": [0.1, 0.1, 0.1], "skip_rate": 0.1},
            },
            "`learning.intralayer_rate` must be given",
        ),
        (
            {"learning": {"rule": "contrastive-hebbian", "beta": 0.5}},
            "`learning.beta` belongs to rule .*, got 0.5",
        ),
        (
            {"learning": {"rule": "implicit"}, "nudged": {"steps": 20}},
            "`nudged` belongs to rules with a second relaxation",
        ),
        ({"free": {"steps": 0}}, "`free.steps` must be 1 or more"),
        (
            {"learning": {"schedule": "cosine"}, "training": {"budget": 1e9}},
            "`learning.schedule` must be 'constant'",
        ),
        ({"learning": {"rule": "holomorfic"}}, "Did you mean 'holomorphic'"),
    ],
)
def test_wrong_combinations_are_refused_before_jax(changes, message):
    with pytest.raises(ConfigError, match=message):
        build(merged(SMALL, changes))


def test_the_journals_skip_scale_is_the_mean_glorot_limit():
    from eqprop.running.build import build_network
    from eqprop.running.wiring import build_topology

    config = build(
        {
            "topology": {
                "layer_sizes": [784, 500, 500, 500, 10],
                "wiring": "rewire_each",
                "p": 0.1,
            },
            "network": {"skip_scale": "glorot"},
        }
    )
    network = build_network(config, build_topology(config)).hopfield
    # The journal version's code says .0829 for this network.
    assert float(np.abs(network.weights[4, 0]).max()) == pytest.approx(0.0829, abs=2e-4)


@pytest.mark.parametrize(("name", "sizes"), [("wine", (150, 28)), ("diabetes", (400, 42))])
def test_small_data_sets(name, sizes):
    from eqprop import data

    found = data.load(name)
    assert tuple(len(found.split(s)) for s in ("train", "validation")) == sizes
    x = np.concatenate([found.split(s).x for s in ("train", "validation")])
    assert x.min() == 0 and x.max() == 1 and len(np.unique(x, axis=0)) == len(x)


def test_journal_splits():
    from eqprop import data

    before = data.load("teacher")
    after = before.as_in_the_journal()
    assert len(after.split("train")) == 800 and "test" not in after.splits
    np.testing.assert_array_equal(after.split("validation").x, before.split("test").x)
