"""What a network learns to do from a cold start: particles, cold starts, and a share of these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eqprop.config.paper import CONNECTIONS
from eqprop.experiments.experiment import (
    Experiment,
    Published,
    Settings,
    lasting,
    merged,
    replaced,
)
from eqprop.experiments.journal import DEEP, GLOROT, WIRING
from eqprop.experiments.particles import as_in_the_first_epoch

if TYPE_CHECKING:
    from eqprop.analysis.tables import Drawn

SHARE = 0.1
"""Of the batches that start cold among those from particles."""


def modes() -> dict[str, Settings]:
    """How free phases begin. A cold start settles in every epoch as far as in the first."""
    return {
        "particles": {},
        "mixed": {"training": {"cold_share": SHARE}},
        "cold": {"training": {"persistent": False}, "free": as_in_the_first_epoch()},
    }


def _networks(preset: str) -> dict[str, Settings]:
    wide: Settings = {}
    rewired = {"topology": replaced(preset, CONNECTIONS)}
    if preset != "paper":
        return {"layered": wide, "rewired": rewired}
    deep = merged(merged(GLOROT, DEEP), {"training": {"epochs": 10}})
    return {
        "3x500-layered": wide,
        "3x500-rewired": rewired,
        "5x100-layered": deep,
        "5x100-rewired": merged(deep, {"topology": WIRING}),
    }


def conditions(preset: str) -> dict[str, Settings]:
    """Every network in every mode."""
    return {
        f"{network}-{mode}": merged(settings, changes)
        for network, settings in _networks(preset).items()
        for mode, changes in modes().items()
    }


COLUMNS = (
    "condition", "seed", "epochs", "training_error", "kept_error", "cold_error", "lowest_error",
    "several_equilibria", "sweeps",
)  # fmt: skip


def rows_of(drawn: Drawn) -> list[dict[str, Any]]:
    """A row per finished run: its errors at the end by start, and the sweeps of a free phase."""
    from eqprop.analysis import collect

    rows = []
    for cell, summary in collect.summaries(drawn.sweep).items():
        own = [row["free_steps"] for row in collect.of_cell(drawn.epochs, cell)]
        rows.append(
            {
                "condition": cell.condition,
                "seed": cell.seed,
                "epochs": summary["epoch"],
                "training_error": summary["training_error"],
                "kept_error": summary["validation_kept_error"],
                "cold_error": summary["validation_error"],
                "lowest_error": summary["validation_lowest_error"],
                "several_equilibria": summary["several_equilibria"],
                "sweeps": sum(own) / len(own),
            }
        )
    return rows


def _tables(drawn: Drawn) -> list[str]:
    """Each condition's errors by start, means over seeds."""
    from eqprop.analysis import collect

    rows = rows_of(drawn)
    collect.write_rows(rows, COLUMNS, drawn.sweep.path / "starts-errors.csv")
    lines = []
    for condition in collect.conditions_of(rows):
        runs = [row for [row] in collect.by_seed(rows, condition)]

        def mean(name: str, scale: float = 100, runs: Any = runs) -> str:
            # After a single look there are no kept states yet.
            values = [scale * row[name] for row in runs if row[name] is not None]
            if not values:
                return "-"
            value, half = collect.mean_and_interval(values)
            return f"{value:.2f}" if half is None else f"{value:.2f} +- {half:.2f}"

        lines.append(
            f"{condition}: kept {mean('kept_error')} %, cold {mean('cold_error')} %, lowest of "
            f"eight {mean('lowest_error')} %; {mean('several_equilibria')} % of the examples have "
            f"more than one equilibrium; {mean('sweeps', 1)} sweeps; {len(runs)} seed(s)"
        )
    return lines


STARTS = Experiment(
    "starts",
    "trained from particles, from cold starts, and from both; evaluated from each",
    {
        name: merged(values, {"evaluation": {"start": "both", "starts": 8}})
        for name, values in lasting(2, 4, 4).items()
    },
    conditions,
    seeds=3,
    quick_seeds=1,
    tables=_tables,
    published=Published(
        "Section 2.2: persistent particles raise the error early in training. The paper reports "
        "the error from kept states alone.",
    ),
)
