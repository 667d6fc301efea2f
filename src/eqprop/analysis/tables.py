"""What a sweep's runs came to, in words and rows: captions, and the table of errors."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

import numpy as np

from eqprop.analysis import collect
from eqprop.analysis.collect import NewRow
from eqprop.config.run_config import RunConfig
from eqprop.relaxation.settings import ResidualSettings
from eqprop.sweeps.sweep import Cell, Sweep

KEPT = "validation_kept"


@dataclasses.dataclass(frozen=True)
class Drawn:
    """What tables and pictures of a sweep are made of.

    **Attributes:** `sweep`; `epochs` and `updates`, its rows (`collect`); `layers`, what the latter
    come to; `caption`.
    """

    sweep: Sweep
    epochs: list[NewRow]
    updates: list[NewRow]
    layers: list[NewRow]
    caption: str

    @staticmethod
    def of(sweep: Sweep) -> Drawn:
        """Reads the records of the cells that have finished."""
        updates = collect.update_rows(sweep)
        layers = collect.layer_rows(updates)
        return Drawn(sweep, collect.epoch_rows(sweep), updates, layers, caption(sweep))


def caption(sweep: Sweep) -> str:
    """Data set, examples, epochs, seeds and schedule of a sweep."""
    configs = [sweep.config(cell) for cell in sweep.told]
    first = configs[0]
    done = len(sweep.finished)
    part = "" if done == len(sweep.cells) else f"; {done} of {len(sweep.cells)} runs finished"
    seeds: dict[str, set[int]] = {}
    for cell, how_long in _lengths(sweep).items():
        seeds.setdefault(how_long, set()).add(cell.seed)
    length = "; ".join(
        f"{how_long}, seed{'s' if len(which) > 1 else ''} {', '.join(map(str, sorted(which)))}"
        for how_long, which in seeds.items()
    )
    if any(len(which) > 1 for which in seeds.values()) and not sweep.varied:
        length += " (bands from the smallest to the largest)"
    # Conditions may relax in ways of their own: the most common one is told, and by how many.
    schedules = Counter(map(schedule, configs))
    [(relaxing, count)] = schedules.most_common(1)
    if others := len(configs) - count:
        relaxing += f" ({others} of {len(configs)} runs relax otherwise: see their settings)"
    data = _data(sweep)
    if first.data.split == "journal" and first.data.dataset.has_test:
        data += ", validation on the test examples (as in the journal version)"
    part += f"; sizes of updates from one batch in {first.training.record_every}"
    return f"{data}, {length}; {relaxing}{part}"


def _data(sweep: Sweep) -> str:
    """What was learned: data sets, each with its numbers of training examples."""
    counts: dict[str, set[int]] = {}
    for summary in collect.summaries(sweep).values():
        found = counts.setdefault(summary["dataset"], set())
        if "training_examples" in summary:
            found.add(summary["training_examples"])
    return "; ".join(
        f"{name}, {', '.join(map(str, sorted(found)))} training examples" if found else name
        for name, found in counts.items()
    )


def _lengths(sweep: Sweep) -> dict[Cell, str]:
    """How long each finished cell was trained."""

    def told(config: RunConfig) -> str:
        if config.training.budget:
            return "a budget of multiply-adds per network"
        told = f"{config.training.epochs} epoch{'s' if config.training.epochs > 1 else ''}"
        return told if config.training.patience is None else f"at most {told}, with patience"

    return {cell: told(sweep.config(cell)) for cell in sweep.told}


def schedule(config: RunConfig) -> str:
    """How the phases relax, in words for a caption."""
    free, nudged = config.free, config.nudged
    cold = f"{free.cold_steps} (epoch 1), then " if free.cold_steps else ""
    until, stop = "", free.termination
    if isinstance(stop, ResidualSettings) and stop.tolerance:
        until = f" at most, until {stop.share:.0%} settled to {stop.tolerance:g}"
        if stop.cold_tolerance != stop.tolerance:
            until += f" ({stop.cold_tolerance:g} in epoch 1)"
        until += ","
    after = f"{nudged.steps} {nudged.nudging_step.name} steps"
    return f"{cold}{free.steps} free {free.method.unit}{until} + {after}"


LEGEND = (
    "kept: validation error from states that each example keeps from look to look, as the paper "
    "measures it; cold: from units at 0; last 3: mean of the last three looks. test: cold, at the "
    "end of the run. output / input: update of the last pair of "
    "adjacent layers over that of the first, late in training (figure 5: over the whole epoch); "
    "output / rest: over the geometric mean of those below; spread: largest over smallest of these."
)


def table_of(drawn: Drawn, speed: str = "late_update") -> tuple[list[str], list[list[str]]]:
    """A row per condition: columns, and rows of text.

    Seeds that were trained for more epochs than others have a row of their own.

    **Arguments:** `speed`: of `collect.LAYER_COLUMNS`, what tells how fast layers learn.
    """
    labels = _labels(drawn.sweep)
    epochs, layers = (
        [{**row, "condition": labels[row["condition"], row["seed"]]} for row in rows]
        for rows in (drawn.epochs, drawn.layers)
    )
    speeds = collect.layer_speeds(layers, speed)
    what, scale = collect.measure_of(epochs)
    unit = "%" if what == "error" else "cost"
    training, cold, kept = (f"{kind}_{what}" for kind in ("training", "validation", KEPT))
    has_kept = any(row.get(kept) is not None for row in epochs)
    columns = ["condition", f"training {unit}", *([f"kept {unit}"] if has_kept else [])]
    columns += [
        f"cold {unit}",
        f"cold, last 3 {unit}",
        f"test {unit}",
        "unsettled %",
        "output / input",
        "output / rest",
        "spread",
    ]
    found, rows = collect.summaries(drawn.sweep), []
    for condition in collect.conditions_of(epochs):
        runs = collect.by_seed(epochs, condition)
        looks = [[r for r in run if {r.get(cold), r.get(kept)} != {None}] for run in runs]
        # A run that looks at kept states alone has a cold error of its first epoch, which is left.
        looked = [own for own in looks if own and own[-1].get(cold) is not None]
        test = [
            scale * s[f"test_{what}"]
            for cell, s in found.items()
            if labels[cell.condition, cell.seed] == condition and "test_error" in s
        ]
        told = speeds.get(condition, {})
        digits = 2 if what == "error" else 4
        of_kept = [scale * own[-1][kept] for own in looks if own and own[-1].get(kept) is not None]
        rows.append(
            [
                condition,
                _mean([scale * run[-1][training] for run in runs], digits),
                *([_mean(of_kept, digits)] if has_kept else []),
                _mean([scale * run[-1][cold] for run in looked], digits),
                _mean([scale * row[cold] for run in looked for row in run[-3:]], digits),
                _mean(test, digits),
                _mean([100 * run[-1]["validation_unsettled"] for run in looked], 1),
                *(f"{told[key]:.3g}" if key in told else "-" for key in collect.SPEEDS),
            ]
        )
    return columns, rows


def _labels(sweep: Sweep) -> dict[tuple[str, int], str]:
    """What each condition and seed is called in a table."""
    lengths = _lengths(sweep)
    different = Counter(
        condition for condition, _ in {(c.condition, n) for c, n in lengths.items()}
    )
    return {
        (cell.condition, cell.seed): cell.condition
        if different[cell.condition] == 1
        else f"{cell.condition}, {how_long}"
        for cell, how_long in lengths.items()
    }


def _mean(values: Sequence[float], digits: int = 2) -> str:
    return f"{np.mean(values):.{digits}f}" if values else "-"
