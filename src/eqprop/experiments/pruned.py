"""Skip connections that are taken away again after training, and training on without them.

As the recipe `deep` trains, which learns random skip connections well; preset `rule` by the rule of
the paper. As many connections of other kinds are taken away for comparison.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eqprop.config.paper import CONNECTIONS, PAPER_P
from eqprop.experiments.experiment import (
    WITH_TANH,
    Experiment,
    Published,
    Settings,
    merged,
    replaced,
    short,
)

if TYPE_CHECKING:
    from eqprop.analysis.tables import Drawn

_LENGTH = {"smoke": (4, 1), "quick": (12, 8), "paper": (20, 12), "rule": (10, 6)}
"""Epochs in all, and those before the first connections are taken away."""
_PARTS = 4


def _conditions(preset: str) -> dict[str, Settings]:
    epochs, after = _LENGTH[preset]
    rule = preset == "rule"
    hidden = [16] * 3 if preset == "smoke" else [500] * 3
    sizes = [20 if preset == "smoke" else 784, *hidden, *([10] if rule else [])]
    own: Settings = {} if rule else WITH_TANH
    dataset = {"smoke": "teacher", "quick": "mnist-5k"}.get(preset, "mnist")
    own = merged(own, {"data": {"dataset": dataset}})
    wiring = replaced(preset, CONNECTIONS) if rule else {"wiring": "rewire", "p": PAPER_P}

    def network(topology: Settings, **pruning: Any) -> Settings:
        made = merged(own, {"topology": {"layer_sizes": sizes, **topology}})
        if pruning:
            made = merged(made, {"pruning": {"after": after, **pruning}})
        return made

    parts = min(_PARTS, epochs - after)
    every = max(1, (epochs - after) // (2 * parts))
    return {
        "layered": network({}),
        "skips": network(wiring),
        "skips, at once": network(wiring, what="skips"),
        "skips, in parts": network(wiring, what="skips", steps=parts, every=every),
        "skips, in parts at random": network(
            wiring, what="skips", steps=parts, every=every, order="random"
        ),
        "others, at once": network(wiring, what="others"),
        "others, at random": network(wiring, what="others", order="random"),
    }


COLUMNS = ("condition", "seed", "before", "after", "end", "connections")


def rows_of(drawn: Drawn) -> list[dict[str, Any]]:
    """A row per finished run: its validation error before, after and long after, as shares.

    Before the first part is taken away, after the last one is, and at the end. A network of which
    nothing is taken away has its end alone.
    """
    from eqprop.analysis import collect

    rows = []
    for cell, summary in collect.summaries(drawn.sweep).items():
        wanted = drawn.sweep.config(cell).pruning
        own = collect.of_cell(drawn.epochs, cell)
        looks = {row["epoch"]: row["validation_error"] for row in own}
        found = drawn.sweep.run(cell).recorded("pruning")
        rows.append(
            {
                "condition": cell.condition,
                "seed": cell.seed,
                "before": looks[wanted.after] if found else None,
                "after": found[-1]["validation_error"] if found else None,
                "end": summary["validation_error"],
                "connections": sum(
                    summary["connections"][k] for k in ("interlayer", "intralayer", "skip")
                ),
            }
        )
    return rows


def _tables(drawn: Drawn) -> list[str]:
    """Each condition's errors before, after and at the end, means over seeds."""
    from eqprop.analysis import collect
    from eqprop.analysis.numbers import means_of

    rows = rows_of(drawn)
    collect.write_rows(rows, COLUMNS, drawn.sweep.path / "pruned-errors.csv")
    words = {"before": "before", "after": "after", "end": "at the end"}
    return means_of(rows, words, "validation error ")


PRUNED = Experiment(
    name="pruned",
    about="skip connections taken away after training, at once or in parts, and training on",
    presets={
        name: merged(short({}, epochs), {"evaluation": {"full_every": 1}})
        for name, (epochs, _) in _LENGTH.items()
    },
    conditions=_conditions,
    seeds=3,
    quick_seeds=1,
    tables=_tables,
    published=Published(
        "Section 4.3 asks whether skip connections can be removed again after training."
    ),
)
