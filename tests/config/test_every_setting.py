"""Every setting does what its description says: a row each, against a value worked out here.

A row changes a setting, looks at what is built from the settings, and says what must be seen. The
base must show something else, or the row says nothing. `test_no_setting_is_left_out` compares the
rows with what there is.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import data
from eqprop.config.run_config import RunConfig
from eqprop.config.settings import build
from eqprop.devices import Clip
from eqprop.energy import Network
from eqprop.registry import Choice
from eqprop.running.build import (
    build_network,
    build_optimizer,
    build_rule,
    build_trainer,
    load_data,
    look_phase,
)
from eqprop.running.run import train
from eqprop.running.wiring import build_topology
from eqprop.training import Examples, evaluate_starts

SIZES = (20, 10, 9, 4)
X = np.linspace(0, 1, 40, dtype=np.float32).reshape(2, 20)
START = np.linspace(0.2, 0.6, 46, dtype=np.float32).reshape(2, 23)
BASE = {
    "topology.layer_sizes": list(SIZES),
    "topology.wiring": "rewire",
    "topology.connections": 60,
    "topology.intralayer": True,
    "data.dataset": "teacher",
    "training.data_shards": 1,
}


@dataclasses.dataclass
class Built:
    """What settings make, each part when it is asked for."""

    config: RunConfig

    @functools.cached_property
    def topology(self):
        return build_topology(self.config)

    @functools.cached_property
    def network(self) -> Network:
        return build_network(self.config, self.topology)

    @functools.cached_property
    def trainer(self):
        rng = np.random.default_rng(0)
        x, labels = rng.random((60, 20)), rng.integers(4, size=60)
        return build_trainer(self.config, self.network, Examples.of(self.network, x, labels))

    def rule(self, epoch: int = 1) -> Any:
        return build_rule(self.config, epoch)

    def kind(self, name: str) -> int:
        return self.topology.accounting().to_dict()[name]

    def pair(self, post: int, pre: int) -> int:
        mask = self.topology.masks.get((post, pre))
        return 0 if mask is None else int(mask.sum())

    def largest(self, *kinds: str) -> float:
        groups = [g for g in self.network.groups() if g.kind in kinds]
        return max((float(np.abs(g.of(self.network)).max()) for g in groups), default=0.0)

    def rate(self, name: str) -> float:
        [group] = [g for g in self.network.groups() if g.name == name]
        return float(np.unique(group.of(self.trainer.rates)).item())

    def steps(self, phase: Any, count: int) -> np.ndarray:
        """A state of two examples after some steps of a phase's method, in the free phase."""
        prepared = phase.method.prepare(self.network.energy.clamp(jnp.asarray(X)))
        state = jnp.asarray(START)
        memory = phase.method.init(prepared, state)
        for number in range(count):
            state, memory, _ = phase.method.step(
                prepared, state, memory, jax.random.key(number + 7)
            )
        return np.asarray(state)


def settings(changes: dict[str, Any]) -> RunConfig:
    """The base with settings changed by their dotted names."""
    wanted = BASE | changes
    if wanted["topology.wiring"] not in ("rewire", "add") or "topology.p" in changes:
        wanted = {k: v for k, v in wanted.items() if k != "topology.connections"}
    tree: dict[str, Any] = {}
    for name, value in wanted.items():
        *sections, last = name.split(".")
        place = tree
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = value
    return build(tree)


# What a step should make of a state, by formula.
def _force(built: Built) -> np.ndarray:
    weights = built.network.hopfield.dense_weights()
    return (np.concatenate([X, START], axis=1) @ weights)[:, 20:] - START


def _euler(size: float) -> Callable[[Built], np.ndarray]:
    def wanted(built: Built) -> np.ndarray:
        return np.clip(START + size * _force(built), 0, 1)

    return wanted


def free(built: Built) -> Any:
    return built.rule().free


def nudged(built: Built) -> Any:
    return built.rule().nudged


def _after(optimizer: Any, gradients: list[float]) -> list[float]:
    """What an optimiser makes of gradients of one parameter that stands at 2."""
    parameter = jnp.float32(2.0)
    state, found = optimizer.init(parameter), []
    for gradient in gradients:
        update, state = optimizer.update(jnp.float32(gradient), state, parameter)
        found.append(float(update))
    return found


def optimized(built: Built, gradients: tuple[float, ...] = (1.0, -3.0), updates: int = 10) -> Any:
    return _after(build_optimizer(built.config, updates), list(gradients))


def factor_at(number: int, of: int) -> Callable[[Built], float]:
    """The factor on rates after so many of all updates, seen in the update itself."""
    return lambda built: -optimized(built, (1.0,) * (number + 1), of)[number]


def cost_of(built: Built) -> float:
    output, target = jnp.array([0.1, 0.4, 0.0, 1.0]), jnp.array([0.0, 1.0, 0.0, 0.0])
    return float(built.network.cost(output, target))


def activation_at(value: float) -> Callable[[Built], float]:
    return lambda built: float(built.network.hopfield.activation(jnp.float32(value)))


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def betas(built: Built) -> tuple[float, ...]:
    return tuple(sorted(float(beta) for beta in built.rule().nudging.possible()))


FULL = 10 * 9 // 2 + 9 * 8 // 2  # connections inside two hidden layers
GLOROT = sum((6 / (a + b)) ** 0.5 for a, b in itertools.pairwise(SIZES)) / 3
SETTLED = {"nudged.method": "euler"}
SMOOTH = {"network.activation": "tanh", "free.method": "euler", "free.step_size": 0.3}
JOINT = {"nudged.nudging_step": "joint"}
LISTED = {"learning.learning_rate": [0.3, 0.2, 0.1], "learning.skip_rate": 0.05,
          "learning.intralayer_rate": 0.06}  # fmt: skip

# setting -> (all changes, what is seen, what must be)
ROWS: dict[str, tuple[dict[str, Any], Callable[[Built], Any], Any]] = {
    "topology.layer_sizes": (
        {"topology.layer_sizes": [20, 7, 5, 4]},
        lambda b: b.network.layer_sizes, (20, 7, 5, 4)),
    "topology.intralayer": (
        {"topology.intralayer": False, "topology.wiring": "layered"},
        lambda b: b.kind("intralayer"), 0),
    "topology.drop_intralayer": (
        {"topology.drop_intralayer": True}, lambda b: b.kind("intralayer"), 0),
    "topology.wiring=layered": (
        {"topology.wiring": "layered"}, lambda b: (b.kind("skip"), b.kind("intralayer")),
        (0, FULL)),
    "topology.wiring=rewire.connections": (
        {"topology.connections": 0}, lambda b: b.kind("skip"), 0),
    "topology.wiring=rewire.p": (
        {"topology.p": 0.0}, lambda b: b.kind("skip"), 0),
    "topology.wiring=rewire.receivers": (
        {"topology.receivers": [[3, 1]]}, lambda b: (b.pair(2, 0), b.pair(3, 0)), (0, 0)),
    "topology.wiring=rewire_each.p": (
        {"topology.wiring": "rewire_each", "topology.p": 0.0, "topology.intralayer": False},
        lambda b: (b.kind("skip"), b.kind("interlayer")), (0, 20 * 10 + 10 * 9 + 9 * 4)),
    "topology.wiring=rewire_each.receivers": (
        {"topology.wiring": "rewire_each", "topology.p": 0.5, "topology.intralayer": False,
         "topology.receivers": [[3, 1]]}, lambda b: (b.pair(2, 0), b.pair(3, 1) > 0), (0, True)),
    "topology.wiring=rewire_layers.pairs": (
        {"topology.wiring": "rewire_layers", "topology.pairs": [[3, 1]],
         "topology.intralayer": False},
        lambda b: (b.pair(3, 1), b.pair(2, 0), b.topology.num_connections),
        (4 * 10, 0, 20 * 10 + 10 * 9 + 9 * 4)),
    "topology.wiring=add.connections": (
        {"topology.wiring": "add", "topology.connections": 7}, lambda b: b.kind("skip"), 7),
    "topology.wiring=add.receivers": (
        {"topology.wiring": "add", "topology.connections": 7, "topology.receivers": [[3, 1]]},
        lambda b: (b.pair(3, 1), b.pair(2, 0)), (7, 0)),
    "network.activation=sigmoid": (
        SMOOTH | {"network.activation": "sigmoid"}, activation_at(0.3), _sigmoid(0.3)),
    "network.activation=shifted-sigmoid": (
        SMOOTH | {"network.activation": "shifted-sigmoid"}, activation_at(0.3),
        _sigmoid(4 * 0.3 - 2)),
    "network.activation=tanh": (SMOOTH, activation_at(0.3), math.tanh(0.3)),
    "network.cost=squared-error.cost_factor": (
        {"network.cost_factor": 0.25}, cost_of, 0.25 * (0.01 + 0.36 + 0 + 1)),
    "network.cost=cross-entropy": (
        {"network.cost": "cross-entropy", **SETTLED, **JOINT},
        lambda b: [g.kind for g in b.network.groups()].count("readout"), 2),
    "network.skip_scale": (
        {"network.skip_scale": 0.4}, lambda b: 0.3 < b.largest("skip") <= 0.4, True),
    "network.skip_scale=glorot": (
        {"network.skip_scale": "glorot"}, lambda b: 0.7 * GLOROT < b.largest("skip") <= GLOROT,
        True),
    "network.intralayer_scale": (
        {"network.intralayer_scale": 0.4}, lambda b: 0.3 < b.largest("intralayer") <= 0.4, True),
    "free.method=euler.step_size": (
        {"free.method": "euler", "free.step_size": 0.2}, lambda b: b.steps(free(b), 1),
        _euler(0.2)),
    "free.method=block.step_size": (
        # The first block, whose minimum is where its force vanishes with the rest held.
        {"free.step_size": 0.7}, lambda b: b.steps(free(b), 1)[:, :10],
        lambda b: _euler(0.7)(b)[:, :10]),
    "network.feedback": (
        {"network.feedback": 0.3}, lambda b: b.network.hopfield.feedback, 0.3),
    "network.activation=activities.rho": (
        {"network.activation": "activities", "network.rho": "sigmoid", "nudged.method": "block",
         "learning.beta": 0.2},
        lambda b: repr(b.network.hopfield.activation), "Activities(rho=Sigmoid())"),
    "free.method=block.order": (
        # A sweep backwards begins where one forwards ends.
        {"free.order": "backwards", "free.step_size": 0.7},
        lambda b: b.steps(free(b), 1)[:, -4:], lambda b: _euler(0.7)(b)[:, -4:]),
    "nudged.method=block.order": (
        {"nudged.method": "block", "nudged.order": "backwards", "nudged.step_size": 0.7,
         "learning.beta": 0.2},
        lambda b: b.steps(nudged(b), 1)[:, -4:], lambda b: _euler(0.7)(b)[:, -4:]),
    "free.termination=fixed-steps.measured": (
        {"free.termination": "fixed-steps", "free.measured": False},
        lambda b: free(b).termination.measures, False),
    "nudged.termination=fixed-steps.measured": (
        {"nudged.termination": "fixed-steps", "nudged.measured": False},
        lambda b: nudged(b).termination.measures, False),
    **{
        f"learning.rule={rule}.carried": (
            {"learning.rule": rule, "learning.carried": True, "nudged.method": "block",
             "learning.beta": 0.2},
            lambda b: b.rule().carried, True)
        for rule in ("equilibrium-propagation", "coupled")
    },
    "learning.rule=contrastive-hebbian.carried": (
        {"learning.rule": "contrastive-hebbian", "learning.carried": True,
         "nudged.method": "block"},
        lambda b: b.rule().carried, True),
    "free.method=block.block_size": (
        {"free.block_size": 3},
        lambda b: len(free(b).method.prepare(
            b.network.energy.clamp(jnp.zeros((1, 20), jnp.float32))).block_slices),
        4 + 3 + 1),  # the output layer, without connections inside, is exact as a whole
    "free.steps": ({"free.steps": 17}, lambda b: int(free(b).termination.max_steps), 17),
    "free.cold_steps": (
        {"free.cold_steps": 33},
        lambda b: [int(b.rule(e).free.termination.max_steps) for e in (0, 1)], [33, 100]),
    "free.termination=residual.tolerance": (
        {"free.tolerance": 0.01}, lambda b: float(free(b).termination.tolerance), 0.01),
    "free.termination=residual.cold_tolerance": (
        {"free.cold_tolerance": 0.02},
        lambda b: [float(b.rule(e).free.termination.tolerance) for e in (0, 1)], [0.02, 0.001]),
    "free.termination=residual.share": (
        {"free.share": 0.5}, lambda b: float(free(b).termination.share), 0.5),
    "free.termination=fixed-steps": (
        {"free.termination": "fixed-steps"},
        lambda b: bool(free(b).termination.is_done(jnp.zeros(3), jnp.ones(3, bool))), False),
    "nudged.method=euler.step_size": (
        {"nudged.step_size": 0.2}, lambda b: b.steps(nudged(b), 1), _euler(0.2)),
    "nudged.steps": ({"nudged.steps": 5}, lambda b: int(nudged(b).termination.max_steps), 5),
    "nudged.cold_steps": (
        {"nudged.cold_steps": 33},
        lambda b: [int(b.rule(e).nudged.termination.max_steps) for e in (0, 1)], [33, 8]),
    "nudged.nudging_step=joint": (
        JOINT, lambda b: nudged(b).method.nudging_step.effective_beta(0.5, 0.5, 2.0), 0.5),
    "learning.rule=equilibrium-propagation.beta": (
        {"learning.beta": 0.3}, betas, (-0.3, 0.3)),
    "learning.rule=equilibrium-propagation.nudging": (
        {"learning.nudging": "one-sided", "learning.beta": -0.3}, betas, (-0.3,)),
    "learning.rule=holomorphic.points": (
        SMOOTH | JOINT | {"learning.rule": "holomorphic", "learning.points": 6},
        lambda b: getattr(b.rule(), "points", 0), 6),
    "learning.rule=holomorphic.beta": (
        SMOOTH | JOINT | {"learning.rule": "holomorphic", "learning.beta": 0.2},
        lambda b: float(getattr(b.rule(), "strength", 0)), 0.2),
    "learning.rule=coupled.beta": (
        {"learning.rule": "coupled", "learning.beta": 0.2},
        lambda b: float(getattr(b.rule(), "strength", 0)), 0.2),
    "learning.rule=through-time.differentiated_steps": (
        {"learning.rule": "through-time", "learning.differentiated_steps": 11},
        lambda b: getattr(b.rule(), "num_steps", 0), 11),
    "learning.learning_rate": (
        {"learning.learning_rate": 0.5}, lambda b: b.rate("weights_1_0"), 0.5),
    "learning.bias_rates": (
        LISTED | {"learning.bias_rates": "above"},
        lambda b: [b.rate(f"biases_{k}") for k in (1, 2, 3)], [0.2, 0.1, 0.1]),
    "learning.skip_rate": (
        {"learning.skip_rate": 0.7},
        lambda b: [b.rate(n) for n in ("weights_2_0", "weights_1_0")], [0.7, 0.02]),
    "learning.intralayer_rate": (
        {"learning.intralayer_rate": 0.7},
        lambda b: [b.rate(n) for n in ("weights_1_1", "weights_1_0")], [0.7, 0.02]),
    "learning.own_rates": (
        {"learning.own_rates": {"biases_2": 0.0}},
        lambda b: [b.rate(n) for n in ("biases_2", "biases_1")], [0.0, 0.02]),
    "learning.optimizer=sgd.momentum": (
        {"learning.momentum": 0.5}, optimized, [-1, 3 - 0.5]),
    "learning.optimizer=adam": (
        {"learning.optimizer": "adam"}, lambda b: optimized(b, (7.0,)), [-1]),
    "learning.optimizer=adamw": (
        {"learning.optimizer": "adamw", "learning.weight_decay": 0.1},
        lambda b: optimized(b, (7.0,)), [-1 - 0.1 * 2]),
    "learning.optimizer=rmsprop": (
        {"learning.optimizer": "rmsprop"}, lambda b: optimized(b, (7.0,)),
        [-1 / 0.1**0.5]),
    "learning.optimizer=adagrad": (
        {"learning.optimizer": "adagrad"}, lambda b: round(optimized(b, (7.0, 7.0))[1], 2),
        round(-1 / 2**0.5, 2)),
    "learning.optimizer=lion": (
        {"learning.optimizer": "lion", "learning.weight_decay": 0.1},
        lambda b: optimized(b, (-7.0,)), [1 - 0.1 * 2]),
    "learning.weight_decay": (
        {"learning.weight_decay": 0.1}, lambda b: optimized(b, (3.0,)), [-3 - 0.2]),
    "learning.schedule=cosine.final_rate": (
        {"learning.schedule": "cosine", "learning.final_rate": 0.2},
        lambda b: [factor_at(k, 8)(b) for k in (0, 4, 8)], [1, 0.6, 0.2]),
    "learning.schedule=exponential.final_rate": (
        {"learning.schedule": "exponential", "learning.final_rate": 0.04},
        lambda b: [factor_at(k, 8)(b) for k in (0, 4, 8)], [1, 0.2, 0.04]),
    "learning.max_weight": (
        {"learning.max_weight": 0.5},
        lambda b: isinstance(b.trainer.device, Clip) and float(b.trainer.device.limit), 0.5),
    "data.batch_size": ({"data.batch_size": 7}, lambda b: b.trainer.batches_per_epoch, 9),
    "data.shuffle": (
        {"data.shuffle": True},
        lambda b: (next(b.trainer.stretches(0)).table == next(b.trainer.stretches(1)).table).all(),
        False),
    "data.num_train": (
        {"data.num_train": 31}, lambda b: len(load_data(b.config).split("train")), 31),
    "data.num_validation": (
        {"data.num_validation": 31}, lambda b: len(load_data(b.config).split("validation")), 31),
    "training.persistent": (
        {"training.persistent": False},
        lambda b: b.trainer.start(b.network).particles.shape[1], 0),
    "training.cold_share": (
        {"training.cold_share": 0.25},
        lambda b: (b.trainer.fixed(b.rule(1), 1).cold_share or jnp.zeros(())).item(), 0.25),
    "training.chunk_batches": (
        {"training.chunk_batches": 2}, lambda b: len(list(b.trainer.stretches(0))), 2),
    "training.data_shards": (
        {"training.data_shards": 2}, lambda b: next(b.trainer.stretches(0)).table.shape[1], 2),
    "evaluation.max_steps": (
        {"evaluation.max_steps": 7},
        lambda b: int(look_phase(b.config, b.network).termination.max_steps), 7),
}  # fmt: skip


@pytest.mark.parametrize("setting", ROWS)
def test_a_setting_does_what_it_says(setting):
    changes, seen, wanted = ROWS[setting]
    changed = Built(settings(changes))
    found = seen(changed)
    if callable(wanted):
        wanted = wanted(changed)
    plain = seen(Built(settings({})))
    assert is_close(found, wanted), (found, wanted)
    assert not is_close(plain, wanted), f"the base shows {plain} too"


def is_close(found: Any, wanted: Any) -> bool:
    """Equal, numbers to the rounding of float32."""
    if isinstance(wanted, str | bool):
        return found == wanted
    found, wanted = np.asarray(found), np.asarray(wanted)
    return found.shape == wanted.shape and np.allclose(found, wanted, rtol=1e-4, atol=2e-6)


def test_a_run_records_what_its_settings_ask_for(tmp_path):
    """Settings of looks, records and checkpoints, all at once, by what a run leaves behind."""
    changes = {
        "name": "mine", "seed": 3, "data.num_train": 60, "data.num_validation": 50,
        "data.batch_size": 6, "training.epochs": 5, "training.record_every": 4,
        "training.chunk_batches": 5, "evaluation.every": 2, "evaluation.examples": 20,
        "evaluation.full_every": 4, "evaluation.start": "both", "evaluation.audit_every": 3,
        "evaluation.audit_examples": 8, "evaluation.batch_size": 10, "checkpoint.keep": 3,
        "evaluation.starts": 3,
        "checkpoint.keep_finished": True, "checkpoint.every_epochs": 0.5,
        "checkpoint.every_minutes": 0.0,
    }  # fmt: skip
    folder = train(settings(changes), tmp_path)
    assert folder.path == tmp_path / "mine"
    lines = folder.read_lines("metrics.jsonl")
    epochs = folder.epochs()
    assert [entry["epoch"] for entry in epochs] == [1, 2, 3, 4, 5]
    assert [e["epoch"] for e in epochs if "validation_error" in e] == [2, 4, 5]
    assert [e.get("validation_examples") for e in epochs] == [None, 20, None, 50, 50]
    assert [e.get("validation_kept_examples") for e in epochs] == [None, None, None, 50, 50]
    audits = [entry for entry in lines if entry["kind"] == "audit"]
    assert [(a["epoch"], a["examples"]) for a in audits] == [(3, 8)]
    updates = sorted({e["batch"] for e in lines if e["kind"] == "updates"})
    assert updates == list(range(0, 50, 4))
    saved = sorted(int(p.name[5:]) for p in (folder.path / "checkpoints").glob("step-*"))
    assert len(saved) == 3 and all(step % 5 == 0 for step in saved)
    summary = folder.read_json("summary.json")
    assert summary["seed"] == 3
    model = eqprop.load(folder.path)
    split = data.load("teacher").split("validation").first(50)
    found = evaluate_starts(
        model.network,
        Examples.of(model.network, split.x, split.target),
        model.evaluation,
        ("zeros", "halves", "ones"),
    )
    assert summary["validation_lowest_error"] == found.lowest.error
    assert summary["several_equilibria"] == found.several


def test_a_budget_ends_a_run_in_the_middle_of_an_epoch(tmp_path):
    short = {"data.num_train": 60, "training.epochs": 4, "training.chunk_batches": 1}
    whole = train(settings(short), tmp_path / "whole").epochs()
    first, second, *rest = (entry["multiply_adds"] for entry in whole)
    budget = (first + second) / 2
    ended = train(settings(short | {"training.budget": budget}), tmp_path / "half").epochs()
    assert first < budget <= ended[-1]["multiply_adds"] < second and len(rest) == 2


@pytest.mark.parametrize("purpose", ["wiring", "weights", "order", "signs"])
def test_a_seed_changes_every_stream(purpose):
    one, other, again = (
        Built(settings({"seed": seed, "data.shuffle": True})) for seed in (0, 1, 0)
    )
    seen = {
        "wiring": lambda b: b.topology.masks[2, 0],
        "weights": lambda b: b.network.to_arrays()["weights_1_0"],
        "order": lambda b: next(b.trainer.stretches(0)).table,
        "signs": lambda b: jax.random.key_data(b.trainer.key),
    }[purpose]
    assert (np.asarray(seen(one)) == np.asarray(seen(again))).all()
    assert (np.asarray(seen(one)) != np.asarray(seen(other))).any()


def test_the_journals_split_looks_at_the_test_examples():
    plain, journal = (load_data(settings({"data.split": how})) for how in ("paper", "journal"))
    both = np.concatenate([plain.split("train").x, plain.split("validation").x])
    np.testing.assert_array_equal(journal.split("train").x, both)
    np.testing.assert_array_equal(journal.split("validation").x, plain.split("test").x)


# Where a setting that has no row is tested by what it does.
ELSEWHERE = {
    "name": "test_a_run_records_what_its_settings_ask_for",
    "seed": "test_a_seed_changes_every_stream",
    "deterministic": "tests/running/test_kill.py",
    "data.split": "test_the_journals_split_looks_at_the_test_examples",
    "training.budget": "test_a_budget_ends_a_run_in_the_middle_of_an_epoch",
    "checkpoint.on_failure": "tests/running/test_resume.py",
    "network.term": "tests/test_outside.py",
    "data.dataset": "tests/data/test_data.py",
    **{
        f"data.dataset=file.{name}": "tests/data/test_files.py"
        for name in (
            "path", "target", "split_column", "task", "scale", "validation_share", "test_share",
            "split_seed",
        )
    },
    **{
        f"data.dataset=given.{name}": "tests/data/test_files.py"
        for name in ("task", "scale", "validation_share", "test_share", "split_seed")
    },
    "topology.wiring=given": "tests/python/test_run.py",
    "device.kind": "tests/devices/test_analog.py",
    **dict.fromkeys(("topology.file", "topology.layers", "topology.edge_weights"),
                    "tests/data/test_wirings.py"),
    "training.patience": "tests/python/test_run.py",
    **dict.fromkeys(
        ("pruning.what", "pruning.order", "pruning.after", "pruning.steps", "pruning.every"),
        "tests/running/test_pruning.py",
    ),
    **dict.fromkeys(
        ("training.epochs", "training.record_every", "evaluation.every", "evaluation.examples",
         "evaluation.full_every", "evaluation.start", "evaluation.batch_size",
         "evaluation.audit_every", "evaluation.audit_examples", "evaluation.starts",
         "checkpoint.keep",
         "checkpoint.keep_finished", "checkpoint.every_epochs", "checkpoint.every_minutes"),
        "test_a_run_records_what_its_settings_ask_for"),
    # Around another method: how they move is tested where they are.
    "free.method=momentum": "tests/relaxation/test_accelerated.py",
    "free.method=anderson": "tests/relaxation/test_accelerated.py",
    "free.method=noisy": "tests/relaxation/test_accelerated.py",
    "learning.rule": "tests/running/test_rules_by_config.py",
}  # fmt: skip


def every_setting() -> set[str]:
    """The dotted name of each setting, with the choice that has it where only that one does."""
    found = set()
    config = settings({})
    for name in type(config).model_fields:
        section = getattr(config, name)
        fields = type(section).model_fields if hasattr(type(section), "model_fields") else None
        if fields is None:
            found.add(name)
            continue
        for field in fields:
            value = getattr(section, field)
            found.add(f"{name}.{field}")
            if not isinstance(value, Choice):
                continue
            for choice in type(value).kind.names():
                cls = type(value).kind.find(choice)
                if cls.__module__.startswith("eqprop."):
                    own = [f"{name}.{field}={choice}.{each}" for each in cls.model_fields]
                    found |= set(own) or {f"{name}.{field}={choice}"}
    return found


def test_no_setting_is_left_out():
    # The nudged phase has the choices of the free one, and is built by the same function.
    told = {*ROWS, *ELSEWHERE}
    plain = {row.partition("=")[0] for row in told}
    missing = set()
    for setting in every_setting():
        name, _, choice = setting.partition("=")
        name = name.replace("nudged.method", "free.method")
        name = name.replace("nudged.termination", "free.termination")
        whole = f"{name}={choice}" if choice else name
        kind = choice.partition(".")[0]
        known = {name, whole, f"{name}={kind}"} & (told if choice else plain)
        default = choice and type_of(name).name == kind and "." not in choice
        if not known and not default:
            missing.add(setting)
    assert missing == set()


def type_of(name: str) -> Any:
    """The default choice of a setting."""
    section, _, field = name.partition(".")
    return getattr(getattr(settings({}), section), field)
