"""Numbers and tables in words: means, intervals, Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from eqprop.analysis import collect
from eqprop.analysis.collect import Rows


def number(value: float, factor: int = 100, sign: str = "") -> str:
    """An error in percent, or a cost, by the factor that `collect.measure_of` has for it."""
    return f"{factor * value:{sign}.{2 if factor == 100 else 4}f}"


def shorter(text: str) -> str:
    """Numbers to four digits; anything else as it is."""
    try:
        return text if text.lstrip("-").isdigit() else f"{float(text):.4g}"
    except ValueError:
        return text


def mean_and_singles(
    values: Sequence[float], factor: int = 100, form: Callable[..., str] = number
) -> str:
    """Mean and, of several, single values; `form` spells one with a factor."""
    mean = form(sum(values) / len(values), factor)
    singles = ", ".join(form(value, factor) for value in values)
    return mean if len(values) == 1 else f"{mean} ({singles})"


def with_interval(values: Sequence[float], factor: int = 100, sign: str = "") -> str:
    """Mean, with the 95 % interval of Student's t where there are several values."""
    mean, half = collect.mean_and_interval(values)
    interval = "" if half is None else f" +- {number(half, factor)}"
    return number(mean, factor, sign) + interval


def points(differences: Sequence[float], factor: int = 100) -> str:
    """Mean difference in points, with its interval."""
    return with_interval(differences, factor, "+")


def means_of(rows: Rows, columns: Mapping[str, str], what: str = "") -> list[str]:
    """A line per condition: the mean of each column with its interval over seeds, in percent.

    **Arguments:** `columns`: with the words before them; `what`: said before all. A column that no
    run of a condition has is left out.
    """
    lines = []
    for condition in collect.conditions_of(rows):
        told = []
        for name, words in columns.items():
            of_runs = (row[name] for row in rows if row["condition"] == condition)
            if values := [value for value in of_runs if value is not None]:
                told.append(f"{words} {with_interval(values)} %")
        lines.append(f"{condition}: {what}{', '.join(told)}")
    return lines


def lay_out(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
