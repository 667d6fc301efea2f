"""Table 1: both methods compared, counted from the implementation."""

from __future__ import annotations

from pathlib import Path

from eqprop.experiments.drawing import Drawing


def _draw(folder: Path, preset: str) -> list[str]:
    from eqprop.analysis import collect, complexity

    columns, rows = complexity.table(complexity.measured())
    columns[0] = "what"
    entries = [dict(zip(columns, row, strict=True)) for row in rows]
    collect.write_rows(entries, columns, folder / "table1.csv")
    return [
        f"{entry['what']}\n  " + "\n  ".join(f"{name}: {entry[name]}" for name in columns[1:])
        for entry in entries
    ]


TABLE1 = Drawing("table1", "both methods compared, counted from the implementation", _draw)
