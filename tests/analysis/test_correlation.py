"""Oracles: SciPy's Spearman correlation, and data made to have an effect or none within p."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from eqprop.analysis.correlation import MEASURES, rank_correlations


def rows(within: float) -> list[dict]:
    rng = np.random.default_rng(0)
    found = []
    for p in range(8):
        for seed in range(6):
            value, noise = rng.normal(), rng.normal()
            measures = dict.fromkeys(MEASURES, 10.0 * p + value)
            error = -10.0 * p + within * value + 0.1 * noise
            found.append({"condition": f"p{p}", "seed": seed, "training_error": error} | measures)
    return found


def test_pooled_ranks_are_spearmans():
    data = rows(within=1.0)
    pooled = next(r for r in rank_correlations(data) if r["ranks"] == "pooled")
    result = spearmanr([r["sigma"] for r in data], [r["training_error"] for r in data])
    wanted = float(np.asarray(result)[0])
    assert pooled["correlation"] == pytest.approx(wanted) and wanted < -0.9
    assert pooled["low"] <= pooled["correlation"] <= pooled["high"]


@pytest.mark.parametrize(("within", "low", "high"), [(1.0, 0.8, 1.0), (0.0, -0.35, 0.35)])
def test_within_p_only_the_differences_between_wirings_count(within, low, high):
    found = [r for r in rank_correlations(rows(within)) if r["ranks"] == "within p"]
    assert len(found) == len(MEASURES)
    for row in found:
        assert low < row["correlation"] < high
        assert row["low"] < row["correlation"] < row["high"]


def test_measures_that_never_differ_have_no_correlation():
    data = [row | {"path_length": 1.5} for row in rows(1.0)]
    flat = [r for r in rank_correlations(data) if r["measure"] == "path_length"]
    assert all(np.isnan(r["correlation"]) and np.isnan(r["low"]) for r in flat)
