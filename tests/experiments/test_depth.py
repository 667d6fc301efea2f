"""The grid of the depth experiment is alike for all, and its choice is the best there is."""

from __future__ import annotations

import json

import pytest

from eqprop.config.settings import build
from eqprop.experiments.depth import DEPTH, DEPTHS, chosen, grid, settings_of, wirings
from eqprop.experiments.experiment import merged
from eqprop.running.wiring import build_topology
from eqprop.sweeps.sweep import Cell, create_sweep


@pytest.mark.parametrize("depth", DEPTHS)
def test_every_wiring_has_the_same_number_of_connections(depth):
    made = {
        name: build_topology(build(settings_of(f"{depth} {name}, rate 0.001, g 0.1, 2+1")))
        for name in wirings(depth)
    }
    assert len({topology.num_connections for topology in made.values()}) == 1
    counts = {name: topology.accounting() for name, topology in made.items()}
    assert counts["layered"].skip == 0 < counts["inner-skips"].skip
    assert counts["skips"].skips_from_input > 0.2 and counts["inner-skips"].skips_from_input == 0
    assert counts["whole-layers"].skip % 64**2 == 0 < counts["whole-layers"].skip


def test_all_are_tuned_alike():
    names = grid()
    assert len(names) == len(set(names))
    by_kind: dict[str, set[str]] = {}
    for name in names:
        kind, _, rest = name.partition(", ")
        if not rest.endswith("backpropagation"):
            by_kind.setdefault(kind, set()).add(rest)
    assert len(by_kind) == 4 * len(DEPTHS) + 3
    for depth in DEPTHS:
        of_depth = {frozenset(v) for k, v in by_kind.items() if k.startswith(f"{depth} ")}
        (settings,) = of_depth
        assert len(settings) == (8 if depth == 20 else 18)
    config = build(settings_of("10 skips/frozen, rate 0.003, g 0.3, 6+6"))
    rates = config.learning.own_rates or {}
    assert rates["weights_5_4"] == 0.0 and "weights_6_5" not in rates and config.free.steps == 6
    read = build(settings_of("5 skips, rate 0.003, backpropagation"))
    assert read.learning.rule.name == "backpropagation" and read.network.feedback == 1.0


def test_every_preset_has_its_own_number_of_epochs():
    epochs = {
        preset: {config.training.epochs for config in DEPTH.cells(preset, range(1)).values()}
        for preset in ("smoke", "quick", "grid")
    }
    assert epochs == {"smoke": {2}, "quick": {5}, "grid": {3}}


def test_the_choice_is_the_best_whose_corrections_are_gradients(tmp_path):
    told = {
        "3 layered, rate 0.001, g 0.1, 2+1": (0.05, 0.99),
        "3 layered, rate 0.003, g 0.1, 2+1": (0.03, 0.90),  # no gradient
        "3 layered, rate 0.001, g 0.3, 6+6": (0.04, 0.97),
        "3 layered, rate 0.003, g 0.3, 6+6": (0.06, 0.97),
        "3 layered, rate 0.001, backpropagation": (0.02, None),
    }
    sizes = {"topology": {"layer_sizes": [20, 4, 4, 4]}, "data": {"dataset": "teacher"}}
    configs = {
        Cell(f"cell{k}", name, 0): build(merged(settings_of(name), sizes))
        for k, name in enumerate(told)
    }
    configs = {cell: config.model_copy(update={"name": cell.name}) for cell, config in
               configs.items()}  # fmt: skip
    sweep = create_sweep(tmp_path, "s", "depth", "grid", configs)
    for cell in sweep.cells:
        error, cosine = told[cell.condition]
        folder = sweep.folder(cell)
        lines = [{"kind": "epoch", "epoch": 3}]
        if cosine is not None:
            pairs = [{"name": "1-0", "cosine": cosine}, {"name": "2-1", "cosine": None}]
            lines.append({"kind": "audit", "epoch": 3, "pairs": pairs})
        (folder / "metrics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
        (folder / "summary.json").write_text(json.dumps({"validation_error": error}))
    found = chosen(sweep)
    assert found == {
        "3 layered": ["3 layered, rate 0.001, g 0.3, 6+6", "3 layered, rate 0.001, g 0.1, 2+1"],
        "3 layered, backpropagation": ["3 layered, rate 0.001, backpropagation"],
    }


def test_the_papers_rule_trains_as_many_connections_with_skips_as_without():
    conditions = DEPTH.conditions("rule")
    assert list(conditions)[:2] == ["3 layered, the paper's rule", "3 skips, the paper's rule"]
    for depth in (3, 5, 10):
        counts = {}
        for name in ("layered", "skips"):
            values = merged(DEPTH.presets["rule"], conditions[f"{depth} {name}, the paper's rule"])
            config = build(values)
            assert config.network.feedback == 1 and config.learning.optimizer.name == "sgd"
            topology = build_topology(config)
            assert topology.layer_sizes == (784, *[100] * depth, 10)
            counts[name] = topology.num_connections
        assert counts["layered"] == counts["skips"]
        assert topology.masks[2, 0].any() and not any(a == b for a, b in topology.masks)
