"""What a sweep says: its files, its tables, its picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from eqprop.analysis import collect, varied
from eqprop.analysis.tables import LEGEND, Drawn, table_of
from eqprop.errors import RunFolderError
from eqprop.experiments.experiment import EXPERIMENTS, Experiment, draw_errors, nothing_more
from eqprop.records import RunFolder
from eqprop.sweeps.sweep import Sweep


@dataclasses.dataclass(frozen=True)
class Told:
    """What is printed of a sweep.

    **Attributes:** `caption`; `columns` and `rows` of the table; `legend` of its columns; `lines`
    that follow; `picture`.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    legend: str
    lines: Sequence[str]
    picture: Path


_OF_CONDITIONS = (
    "Mean over the seeds ± half of its 95 % interval (Student's t). minus first: the difference "
    "from the first condition, seed by seed. cold: validation error from units at 0; kept: from "
    "states that each example keeps from look to look. test: cold, at the end of the run."
)


def tell(sweep: Sweep) -> Told:
    """Writes picture, CSV and caption from the records of the cells that are finished.

    **Raises:** `RunFolderError`, before anything is written, where records have been cut.
    """
    drawn = Drawn.of(sweep)
    if cut := collect.cut(sweep, drawn.epochs):
        raise RunFolderError(
            f"the records of finished runs must reach the epoch of their summary.json, got "
            f"metrics.jsonl of {', '.join(cell.name for cell in cut)} in {sweep.path} that end "
            "before. Put back a copy of that file, or delete the run's summary.json and resume."
        )
    stem = sweep.path / sweep.figure
    collect.write_rows(drawn.epochs, collect.EPOCH_COLUMNS, Path(f"{stem}.csv"))
    collect.write_rows(drawn.updates, collect.UPDATE_COLUMNS, Path(f"{stem}-updates.csv"))
    collect.write_rows(drawn.layers, collect.LAYER_COLUMNS, Path(f"{stem}-layers.csv"))
    RunFolder(sweep.path).write_text("caption.txt", drawn.caption + "\n")
    picture(drawn, stem)
    if sweep.varied:
        compared = varied.compared(varied.ends(drawn))
        collect.write_rows(compared, varied.COLUMNS, Path(f"{stem}-conditions.csv"))
    columns, rows, legend = table(drawn)
    experiment = experiment_of(sweep)
    lines = (experiment.tables if experiment else nothing_more)(drawn)
    return Told(drawn.caption, columns, rows, legend, lines, Path(f"{stem}.png"))


def picture(drawn: Drawn, stem: Path) -> None:
    """Draws a sweep: as its experiment does, against what was varied, or over the epochs."""
    experiment = experiment_of(drawn.sweep)
    if experiment is not None:
        experiment.picture(drawn, stem)
        return
    from eqprop.plots.varied import against_a_number, is_number

    rows, names = varied.ends(drawn), drawn.sweep.varied
    numbers = [name for name in names if all(is_number(row[name]) for row in rows)]
    if numbers and len(names) <= 2 and len({row[numbers[0]] for row in rows}) > 2:
        number = numbers[0]
        lines = next((name for name in names if name != number), None)
        _, scale = collect.measure_of(drawn.epochs)
        against_a_number(rows, number, lines, varied.NAMES, scale, stem)
        return
    draw_errors(drawn, stem)


def table(drawn: Drawn) -> tuple[Sequence[str], Sequence[Sequence[str]], str]:
    """Columns, rows and legend of a sweep's table."""
    experiment = experiment_of(drawn.sweep)
    if not drawn.sweep.varied:
        return (*table_of(drawn, experiment.speed if experiment else "late_update"), LEGEND)
    _, scale = collect.measure_of(drawn.epochs)
    return (*varied.told(varied.compared(varied.ends(drawn)), scale), _OF_CONDITIONS)


def experiment_of(sweep: Sweep) -> Experiment | None:
    """The experiment that a sweep is of; None for one of another version or of the user's own."""
    if sweep.varied or sweep.figure not in EXPERIMENTS.names():
        return None
    found = EXPERIMENTS.find(sweep.figure)
    return found if isinstance(found, Experiment) else None
