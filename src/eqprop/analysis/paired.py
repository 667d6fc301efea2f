"""Conditions against one of them, paired by seed."""

from __future__ import annotations

from typing import Any

from eqprop.analysis.collect import NewRow, Row, Rows, mean_and_interval

BASELINE = "random-sign"
"""The paper's rule, which the others are compared with."""

DIFFERENCE_COLUMNS = ("network", "rule", "seeds", "mean", "low", "high")


def interval_of(row: Row) -> str:
    """The interval of a row of `paired_differences` in points; empty for one seed."""
    return "" if row["low"] == "" else f"[{100 * row['low']:+.2f}, {100 * row['high']:+.2f}]"


def paired_differences(rows: Rows, baseline: str) -> list[NewRow]:
    """Final validation error of each rule minus that of one of them, by network and seed.

    Online training errors are not compared: where a budget ends in mid-epoch they are of other
    examples.

    **Arguments:**

    - `rows`: of `collect.epoch_rows`, or of its CSV; conditions are `NETWORK-RULE`.
    - `baseline`: the rule that the others are compared with.

    **Returns:** a row per network and rule: `mean`, and the ends `low`, `high` of its 95 %
    interval (Student's t over the seeds; empty for one seed).
    """
    last: dict[tuple[str, str, Any], float] = {}
    for row in rows:
        if row["validation_error"] in (None, ""):
            continue  # looked at from kept states alone
        network, _, rule = row["condition"].partition("-")
        last[network, rule, row["seed"]] = float(row["validation_error"])
    found = []
    for network, rule in dict.fromkeys((n, r) for n, r, _ in last):
        apart = [
            error - last[network, baseline, seed]
            for (n, r, seed), error in last.items()
            if (n, r) == (network, rule) and (network, baseline, seed) in last
        ]
        if not apart:  # the baseline was not run
            continue
        mean, half = mean_and_interval(apart)
        entry = {"network": network, "rule": rule, "seeds": len(apart)}
        entry |= {"mean": mean, "low": "", "high": ""}
        if half is not None:
            entry |= {"low": mean - half, "high": mean + half}
        found.append(entry)
    return found
