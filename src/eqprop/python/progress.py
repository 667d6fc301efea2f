"""Progress for people: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from eqprop.analysis.collect import measure_of
from eqprop.running.context import Progress as RunProgress
from eqprop.running.context import Reporter


@contextmanager
def reporting(console: Console | None = None) -> Iterator[Reporter]:
    """A reporter for `train`; closes its display at the end."""
    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield _unheard(_plain(console))
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[text]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as display:
        tasks: dict[str, int] = {}

        def report(progress: RunProgress) -> None:
            if progress.notice is not None:
                display.console.print(_notice(progress), markup=False, highlight=False)
                return
            if progress.name not in tasks:
                total = progress.epochs * progress.batches
                tasks[progress.name] = display.add_task(progress.name, total=total, text="")
            done = (progress.epoch - 1) * progress.batches + progress.batches_done
            display.update(tasks[progress.name], completed=done, text=_text(progress))  # type: ignore[arg-type]

        yield _unheard(report)


def _unheard(report: Reporter) -> Reporter:
    """The same where nobody may be listening any more, behind a closed pipe or terminal."""

    def tell(progress: RunProgress) -> None:
        with suppress(OSError):
            report(progress)

    return tell


def _plain(console: Console) -> Reporter:
    def report(progress: RunProgress) -> None:
        if progress.notice is not None:
            console.print(_notice(progress), markup=False, highlight=False, soft_wrap=True)
        elif progress.epoch_done:
            line = f"{progress.name} epoch {progress.epoch}/{progress.epochs} {_text(progress)}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)

    return report


def _notice(progress: RunProgress) -> str:
    return f"{progress.name}: {progress.notice}"


def _text(progress: RunProgress) -> str:
    training, seen = progress.training_error, progress.validation_error
    settled = "" if progress.settled is None else f", {100 * progress.settled:.0f} % settled"
    if measure_of([vars(progress)])[0] == "cost":
        return f"training cost {progress.training_cost or 0:.4g}{settled}"
    validation = "" if seen is None else f", validation error {100 * seen:.2f} %"
    return f"training error {100 * (training or 0):.2f} %{validation}{settled}"
