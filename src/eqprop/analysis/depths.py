"""Errors by wiring and number of hidden layers, of the best setting of each."""

from __future__ import annotations

import numpy as np

from eqprop.analysis.collect import Rows, by_seed, conditions_of, last_epoch

Ends = dict[str, dict[int, tuple[str, dict[str, float]]]]
"""By wiring and depth: the setting, and the error of each seed."""


def best_by_depth(rows: Rows, error: str = "validation_error") -> Ends:
    """The errors at the end of the setting whose mean is the smallest, for each wiring and depth.

    Conditions are called as those of the experiment `depth`: "10 skips, rate 0.003, g 0.01, 2+1".
    Settings that not all of their seeds have finished are left out.

    **Arguments:** `error`: a column of the rows.
    """
    over = last_epoch(rows)
    found: dict[str, dict[int, dict[str, dict[str, float]]]] = {}
    for condition in conditions_of(rows):
        kind, _, setting = condition.partition(", ")
        depth, _, wiring = kind.partition(" ")
        if setting.endswith("backpropagation"):
            wiring += ", backpropagation"
        errors = {
            str(row["seed"]): float(row[error])
            for row in over
            if row["condition"] == condition and row[error] not in (None, "")
        }
        if errors and len(errors) == len(by_seed(rows, condition)):
            found.setdefault(wiring, {}).setdefault(int(depth), {})[setting] = errors
    return {
        wiring: {
            depth: min(settings.items(), key=lambda item: np.mean([*item[1].values()]))
            for depth, settings in sorted(by_depth.items())
        }
        for wiring, by_depth in found.items()
    }
