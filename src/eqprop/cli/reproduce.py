"""`eqprop reproduce`: experiments and plots, put together."""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from eqprop.analysis import collect
from eqprop.cli.progress import reporting
from eqprop.config.settings import RunConfig
from eqprop.errors import RunFolderError
from eqprop.experiments.journal import WITH_TEST_EXAMPLES
from eqprop.records import RunFolder
from eqprop.relaxation.settings import ResidualSettings
from eqprop.sweeps.sweep import RECORDED, Cell, Sweep, create_sweep, extended, open_sweep

Rows = list[dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Workers:
    """Where cells run: in this process, unless one of the first two is given.

    **Attributes:** `count` of local worker processes; `scheduler`, address of a Dask cluster's;
    `together`, how many cells this process trains in one program.
    """

    count: int | None = None
    scheduler: str | None = None
    together: int | None = None


def start(
    figure: str,
    preset: str,
    configs: Mapping[Cell, RunConfig],
    *,
    out: Path,
    into: Path | None,
    workers: Workers,
    data_dir: Path | None,
    stop: Callable[[], int | None],
) -> None:
    """Makes the sweep's folder with the settings of every cell, or extends it; finishes it."""
    from eqprop.running.run import load_data

    # Loaded here so that missing data is said before any folder is made.
    load_data(next(iter(configs.values())), data_dir)
    if workers.scheduler is not None:
        from eqprop.sweeps.workers import dask_cluster

        with dask_cluster(workers.scheduler):  # so is a scheduler that does not answer
            pass
    if into is None:
        sweep = create_sweep(out, f"{figure}-{preset}", figure, preset, configs)
    else:
        found = open_sweep(into)
        if found is None or found.figure != figure:
            kind = "no sweep" if found is None else f"one of {found.figure}"
            raise RunFolderError(
                f"`--into` must be the folder of a {figure} that was begun, got {into}, which is "
                f"{kind}. Leave it out to begin a new one."
            )
        if found.preset not in (preset, RECORDED):
            raise RunFolderError(
                f"`--into` must be a sweep of preset '{preset}', got {into}, which is of "
                f"'{found.preset}'. Ask for that preset, or leave out --into to begin a new one."
            )
        sweep = extended(found, configs)
    finish(sweep, workers, data_dir, stop)


def finish(
    sweep: Sweep,
    workers: Workers,
    data_dir: Path | None,
    stop: Callable[[], int | None],
) -> None:
    """Brings every cell to its end, draws the figure from the records and prints the table.

    **Raises:** `RunFolderError` at the end if cells have failed.
    """
    from eqprop.sweeps.workers import (
        finish_here,
        finish_on,
        finish_on_cluster,
        finish_together,
        local_workers,
    )

    console = Console(stderr=True)

    def tell(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    if workers.scheduler is not None:
        failures = finish_on_cluster(
            workers.scheduler, sweep, data_dir=data_dir, stop=stop, tell=tell
        )
    elif workers.count is not None:
        from eqprop.running.machine import cores

        count = workers.count
        failures = finish_on(
            lambda: local_workers(count),
            sweep,
            worker_cores=max(1, cores() // count),
            data_dir=data_dir,
            stop=stop,
            tell=tell,
        )
    else:
        with reporting() as report:
            finish_cells = finish_here
            if workers.together is not None:
                finish_cells = functools.partial(finish_together, count=workers.together)
            failures = finish_cells(sweep, data_dir=data_dir, report=report, stop=stop, tell=tell)
    if sweep.finished:
        draw(sweep)
    if failures:
        listed = "; ".join(f"{name}: {problem}" for name, problem in failures.items())
        raise RunFolderError(
            f"{len(failures)} of {len(sweep.cells)} cells failed, the others are done. {listed}. "
            f"Try them again with: eqprop resume {sweep.path}"
        )


def draw(sweep: Sweep) -> None:
    """Figure, CSV, caption and table from the records of the cells that are finished.

    **Raises:** `RunFolderError`, before anything is written, where records have been cut.
    """
    epochs, updates = collect.epoch_rows(sweep), collect.update_rows(sweep)
    if cut := collect.cut(sweep, epochs):
        raise RunFolderError(
            f"the records of finished runs must reach the epoch of their summary.json, got "
            f"metrics.jsonl of {', '.join(cell.name for cell in cut)} in {sweep.path} that end "
            "before. Put back a copy of that file, or delete the run's summary.json and resume."
        )
    layers = collect.layer_rows(updates)
    stem = sweep.path / sweep.figure
    collect.write_rows(epochs, collect.EPOCH_COLUMNS, stem.with_suffix(".csv"))
    collect.write_rows(updates, collect.UPDATE_COLUMNS, Path(f"{stem}-updates.csv"))
    collect.write_rows(layers, collect.LAYER_COLUMNS, Path(f"{stem}-layers.csv"))
    text = caption(sweep)
    RunFolder(sweep.path).write_text("caption.txt", text + "\n")
    draw_into(stem, sweep, epochs, updates, text)
    columns, rows = table_of(sweep, epochs, layers)
    table = Table(title="Error", caption=text, caption_justify="left")
    table.add_column(columns[0], no_wrap=True)
    for title in columns[1:]:
        table.add_column(title, justify="right")
    for row in rows:
        table.add_row(*row)
    console = Console()
    (console if console.is_terminal else Console(width=120)).print(table)
    print(LEGEND)
    if sweep.figure == "figure5":
        _correlations(sweep)
    if sweep.figure == "rules":
        _differences(sweep, epochs)
    print(stem.with_suffix(".png"))


def _differences(sweep: Sweep, epochs: Rows) -> None:
    """Every rule against the paper's at the end of the budget: CSV and lines."""
    from eqprop.experiments import rules

    found = rules.paired_differences(epochs)
    collect.write_rows(found, rules.DIFFERENCE_COLUMNS, sweep.path / "rules-differences.csv")
    for row in found:
        if row["rule"] == rules.BASELINE:
            continue
        interval = rules.interval_of(row)
        print(
            f"{row['network']}, {row['rule']} against {rules.BASELINE}: validation error "
            f"{100 * row['mean']:+.2f}{interval and f' {interval}'} points, {row['seeds']} seed(s)"
        )


def _correlations(sweep: Sweep) -> None:
    """Small-world measures of figure 5's wirings against their errors: CSV and lines."""
    from eqprop.analysis import correlation

    rows = correlation.measured(sweep)
    if not rows:
        return
    collect.write_rows(rows, correlation.COLUMNS, sweep.path / correlation.MEASURED)
    found = correlation.rank_correlations(rows)
    file = sweep.path / "figure5-correlations.csv"
    collect.write_rows(found, correlation.RANK_COLUMNS, file)
    for row in found:
        print(
            f"rank correlation of {row['measure']} with the training error, {row['ranks']}: "
            f"{row['correlation']:.2f} [{row['low']:.2f}, {row['high']:.2f}], "
            f"{row['wirings']} wirings of {row['values']} p"
        )


def draw_into(stem: Path, sweep: Sweep, epochs: Rows, updates: Rows, text: str) -> None:
    """The picture that belongs to a sweep, as `stem` with .png and .svg."""
    from eqprop.plots.curves import error_curves
    from eqprop.plots.rules import work_curves
    from eqprop.plots.updates import against_p, update_curves

    if sweep.figure == "figure4":
        examples = next(iter(collect.summaries(sweep).values()))["training_examples"]
        config = sweep.config(sweep.cells[0])
        batches = -(-examples // config.data.batch_size)
        text = f"one batch in {config.training.record_every}; {text}"
        update_curves(updates, batches, text, stem)
        before = stem.with_name(f"{stem.name}-correction")
        update_curves(updates, batches, f"before the learning rate; {text}", before, "correction")
    elif sweep.figure == "figure5":
        against_p(epochs, updates, text, stem)
    elif sweep.figure == "rules":
        work_curves(epochs, text, stem)
    else:
        error_curves(epochs, text, stem)


def caption(sweep: Sweep) -> str:
    """Data set, examples, epochs, seeds and schedule of a sweep."""
    configs = [sweep.config(cell) for cell in sweep.cells]
    first = configs[0]
    summary = next(iter(collect.summaries(sweep).values()))
    done = len(sweep.finished)
    part = "" if done == len(sweep.cells) else f"; {done} of {len(sweep.cells)} runs finished"
    seeds: dict[str, set[int]] = {}
    for cell, how_long in _lengths(sweep).items():
        seeds.setdefault(how_long, set()).add(cell.seed)
    length = "; ".join(
        f"{how_long}, seed{'s' if len(which) > 1 else ''} {', '.join(map(str, sorted(which)))}"
        for how_long, which in seeds.items()
    )
    if any(len(which) > 1 for which in seeds.values()):
        length += " (bands from the smallest to the largest)"
    # Conditions may relax in ways of their own: the most common one is told, and by how many.
    schedules = Counter(map(schedule, configs))
    [(relaxing, count)] = schedules.most_common(1)
    if others := len(configs) - count:
        relaxing += f" ({others} of {len(configs)} runs relax otherwise: see their settings)"
    data = f"{first.data.dataset.name}, {summary['training_examples']} training examples"
    if first.data.split == "journal" and first.data.dataset.name in WITH_TEST_EXAMPLES:
        data += ", validation on the test examples (as in the journal version)"
    return f"{data}, {length}; {relaxing}{part}"


def _lengths(sweep: Sweep) -> dict[Cell, str]:
    """How long each finished cell was trained."""

    def told(config: RunConfig) -> str:
        if config.training.budget:
            return "a budget of multiply-adds per network"
        return f"{config.training.epochs} epoch{'s' if config.training.epochs > 1 else ''}"

    return {cell: told(sweep.config(cell)) for cell in sweep.finished}


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
    "last 3: validation, mean of the last three looks. output / input: update of the last pair of "
    "adjacent layers over that of the first, late in training (figure 5: over the whole epoch); "
    "output / rest: over the geometric mean of those below; spread: largest over smallest of these."
)


def table_of(sweep: Sweep, epochs: Rows, layers: Rows) -> tuple[list[str], list[list[str]]]:
    """A row per condition: columns, and rows of text.

    Seeds that were trained for more epochs than others have a row of their own.
    """
    labels = _labels(sweep)
    epochs, layers = (
        [{**row, "condition": labels[row["condition"], row["seed"]]} for row in rows]
        for rows in (epochs, layers)
    )
    # Figure 5 is about one epoch as a whole.
    speeds = collect.layer_speeds(layers, "update" if sweep.figure == "figure5" else "late_update")
    what, scale = collect.measure_of(epochs)
    unit = "%" if what == "error" else "cost"
    columns = ["condition", f"training {unit}", f"validation {unit}", f"last 3 {unit}"]
    columns += [f"test {unit}", "unsettled %", "output / input", "output / rest", "spread"]
    training, validation = f"training_{what}", f"validation_{what}"
    found, rows = collect.summaries(sweep), []
    for condition in collect.conditions_of(epochs):
        runs = collect.by_seed(epochs, condition)
        looked = [[r for r in run if r.get("validation_error") is not None] for run in runs]
        test = [
            scale * s[f"test_{what}"]
            for cell, s in found.items()
            if labels[cell.condition, cell.seed] == condition and "test_error" in s
        ]
        speed = speeds.get(condition, {})
        digits = 2 if what == "error" else 4
        rows.append(
            [
                condition,
                _mean([scale * run[-1][training] for run in runs], digits),
                _mean([scale * run[-1][validation] for run in looked], digits),
                _mean([scale * row[validation] for run in looked for row in run[-3:]], digits),
                _mean(test, digits),
                _mean([100 * run[-1]["validation_unsettled"] for run in looked], 1),
                *(f"{speed[key]:.3g}" if key in speed else "-" for key in collect.SPEEDS),
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
