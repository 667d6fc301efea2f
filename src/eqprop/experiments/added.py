"""Connections added against connections replaced."""

from __future__ import annotations

from eqprop.config.paper import CONNECTIONS
from eqprop.experiments.experiment import Experiment, Published, Settings, lasting, replaced


def conditions(preset: str) -> dict[str, Settings]:
    rewired = replaced(preset, CONNECTIONS)
    added = {"wiring": "add", "intralayer": True}
    # At smoke size as many as the paper's p replaces there.
    added["connections"] = 99 if preset == "smoke" else CONNECTIONS
    return {"replaced": {"topology": rewired}, "added": {"topology": added}}


ADDED = Experiment(
    "added",
    "connections added against connections replaced",
    lasting(2, 4, 4),
    conditions,
    seeds=3,
    published=Published(
        "Section 2: adding connections gives results similar to replacing them.",
    ),
)
