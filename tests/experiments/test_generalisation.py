"""The controls of the generalisation experiment have as many connections as they should."""

from __future__ import annotations

import pytest

from eqprop.experiments.generalisation import GENERALISATION, SHARES, wider
from eqprop.running.wiring import build_topology


@pytest.mark.parametrize("preset", SHARES)
def test_what_is_added_a_wider_network_has_too(preset):
    cells = GENERALISATION.cells(preset, range(1))
    made = {cell.condition: build_topology(config) for cell, config in cells.items()}
    base = made["replaced, p=0" if preset == "rule" else "layered"].num_connections
    assert len(made) == 1 + 3 * len(SHARES[preset]) + (preset == "rule")
    assert made["layered"].accounting().intralayer == 0
    for p in SHARES[preset]:
        replaced, added, wide = (
            made[f"{kind}, p={p:g}"] for kind in ("replaced", "added", "wider")
        )
        assert replaced.num_connections == base and replaced.accounting().skip > 0.2 * p * base
        for other in (replaced, added):
            assert (other.accounting().intralayer > 0) == (preset == "rule")
        assert added.num_connections == pytest.approx((1 + p) * base, abs=1)
        step = 70 if preset == "smoke" else 5000  # one more unit in each layer
        assert wide.num_connections == pytest.approx((1 + p) * base, abs=step)
        assert wide.accounting().skip == 0


def test_presets_train_by_the_recipe_or_by_the_rule():
    for preset in ("quick", "paper"):
        (config, *_) = GENERALISATION.cells(preset, range(1)).values()
        assert config.learning.optimizer.name == "adam" and config.network.feedback == 0.01
        assert config.evaluation.start == "both"
    (config, *_) = GENERALISATION.cells("rule", range(1)).values()
    assert config.learning.optimizer.name == "sgd" and config.network.feedback == 1
    assert config.topology.layer_sizes[-1] == 10 and config.data.dataset.name == "mnist"


def test_a_wider_network_is_as_wide_as_it_must_be():
    assert wider([784, 500, 500, 500, 10], 0.0, True) == [784, 500, 500, 500, 10]
    sizes = wider([30, 10, 10, 10], 1.0, False)
    units = sizes[1]
    counts = [30 * n + 2 * n * n for n in (units - 1, units, units + 1)]
    assert min(counts, key=lambda count: abs(count - 1000)) == counts[1]
