"""Where the effect comes from: networks that have only a part of what rewiring brings."""

from __future__ import annotations

import itertools
from typing import Any

from eqprop.config.paper import CONNECTIONS, SMALL_CONNECTIONS
from eqprop.experiments.experiment import (
    Experiment,
    Settings,
    five_by_100,
    lasting,
    replaced,
)
from eqprop.experiments.figure3 import three_by_500


def _controls(preset: str) -> dict[str, Settings]:
    shapes = {
        "3x500": (three_by_500(preset), CONNECTIONS),
        "5x100": (five_by_100(preset)["layer_sizes"], SMALL_CONNECTIONS),
    }
    # All but the first two have as many draws; where skips may not start at the input, all of them
    # go to hidden pairs, which then have about four times as many as in `rewired`.
    found: dict[str, Settings] = {}
    for shape, (sizes, connections) in shapes.items():
        last = len(sizes) - 1
        pairs = [(b, a) for a, b in itertools.combinations(range(len(sizes)), 2) if b - a > 1]

        def rewired(sizes: Any = sizes, connections: int = connections, **changes: Any) -> Any:
            return replaced(preset, connections, layer_sizes=sizes, **changes)

        skips = [list(pair) for pair in pairs]
        no_input = [list(pair) for pair in pairs if pair[1] != 0]
        no_direct = [list(pair) for pair in pairs if pair != (last, 0)]
        topologies = {
            "layered": {"layer_sizes": sizes},
            "intralayer-only": {"layer_sizes": sizes, "intralayer": True},
            "rewired": rewired(),
            # As many connections as the layered network has, and about as many skips as the
            # rewired one: as many draws, and all of them become skips.
            "skips-without-intralayer": rewired(receivers=skips) | {"intralayer": False},
            "no-skip-from-input": rewired(receivers=no_input),
            "no-input-output-skip": rewired(receivers=no_direct),
        }
        found |= {f"{shape}-{name}": {"topology": t} for name, t in topologies.items()}
    return found


CONTROLS = Experiment(
    name="controls",
    about="networks with a part of what rewiring brings",
    presets=lasting(2, 2, 4),
    conditions=_controls,
    seeds=3,
    quick_seeds=1,
)
