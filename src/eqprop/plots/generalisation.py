"""Error against the share of connections that are replaced or added: rows in, picture out."""

from __future__ import annotations

from pathlib import Path

from eqprop.analysis.collect import Row, Rows, by_seed, conditions_of
from eqprop.plots.style import PAGE, color, figure, legend_above, means_and_runs

_ERRORS = {
    "training_error": "training error, online (%)",
    "validation_kept_error": "validation error, kept (%)",
    "validation_error": "validation error, cold (%)",
}


def error_against_share(rows: Rows, stem: Path) -> None:
    """Errors of the last epoch against p; `.png`, `.svg`, `.pdf`.

    A point is a run, a line goes through the means. All lines begin at the layered network.
    """
    found: dict[str, dict[float, list[Row]]] = {}
    for condition in conditions_of(rows):
        kind, _, share = condition.partition(", p=")
        ends = [run[-1] for run in by_seed(rows, condition)]
        found.setdefault(kind, {})[float(share or 0)] = ends
    start = found.pop("layered", {})
    kinds = found or {"layered": {}}
    with figure(stem, columns=len(_ERRORS), size=(PAGE, 2.8)) as grid:
        for axes, (name, label) in zip(grid[0], _ERRORS.items(), strict=True):
            for position, (kind, by_share) in enumerate(kinds.items()):
                points = {
                    share: [100 * float(end[name]) for end in ends if end[name] not in (None, "")]
                    for share, ends in {**start, **by_share}.items()
                }
                points = {share: values for share, values in points.items() if values}
                means_and_runs(axes, points, color(position), label=kind)
            axes.set_xlabel("p, or connections added as a share")
            axes.set_ylabel(label)
            axes.set_ylim(bottom=0)
        legend_above(grid[0, -1])
