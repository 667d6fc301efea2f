"""Figure 3: training and validation error of the paper's three networks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eqprop.errors import RunFolderError
from eqprop.experiments.config import RunConfig, build, override

NETWORKS = ("layered", "per-layer", "rewired")
"""Section 2.3.2, 2.3.1 and 2.3.3, in the order of the tables."""

REWIRED = {"wiring": "rewire", "intralayer": True, "connections": 100_000}
"""The paper's topology at p = 7.56 %: full hidden layers, n = 100,000."""

_TOPOLOGY = {
    "layered": {"wiring": "layered"},
    "per-layer": {"wiring": "layered"},
    "rewired": REWIRED,
}
_RATES: dict[str, Any] = {
    "layered": 0.02,
    "per-layer": [0.128, 0.032, 0.008, 0.002],
    "rewired": 0.02,
}
_RELEASED = {"method": "euler", "step_size": 0.5, "steps": 500, "tolerance": 0.0, "share": 1.0}

PRESETS: dict[str, dict[str, Any]] = {
    "smoke": {
        "topology": {"layer_sizes": [20, 16, 16, 16, 4]},
        "data": {"dataset": "teacher"},
        "training": {"epochs": 3, "record_every": 10},
    },
    "quick": {
        "data": {"dataset": "mnist-5k"},
        "training": {"epochs": 10, "record_every": 50},
    },
    "paper": {
        "data": {"dataset": "mnist"},
        "training": {"epochs": 250},
    },
    "as-released": {
        "free": _RELEASED,
        "data": {"dataset": "mnist"},
        "training": {"epochs": 250},
    },
}
"""What each preset changes in the default configuration."""


def configs(
    preset: str,
    seeds: Sequence[int],
    *,
    epochs: int | None = None,
    dataset: str | None = None,
    overrides: Sequence[str] = (),
) -> list[RunConfig]:
    """The configuration of every run of the figure, network by network within a seed.

    **Arguments:**

    - `preset`: of `PRESETS`.
    - `epochs`, `dataset`: instead of the preset's.
    - `overrides`: further settings, `section.key=value`, for every run.
    """
    result = []
    for seed in seeds:
        for network in NETWORKS:
            values: dict[str, Any] = {k: dict(v) for k, v in PRESETS[preset].items()}
            values["name"] = f"{network}-seed{seed}"
            values["seed"] = seed
            for section, settings in network_settings(network).items():
                values[section] = values.get(section, {}) | settings
            if preset == "smoke" and network == "rewired":
                values["topology"]["connections"] = 60
            if epochs is not None:
                values["training"]["epochs"] = epochs
            if dataset is not None:
                values["data"]["dataset"] = dataset
            result.append(build(override(values, overrides), "figure3"))
    return result


def network_settings(network: str) -> dict[str, Any]:
    """What one of `NETWORKS` changes in the default configuration."""
    return {
        "topology": dict(_TOPOLOGY[network]),
        "learning": {"learning_rate": _RATES[network]},
    }


RECORD = "figure.json"
"""In the folder of a figure: which runs it is made of."""


def runs_of(path: Path) -> list[str] | None:
    """The names of the runs in a figure's folder, or None if `path` is no such folder.

    **Raises:** `RunFolderError` if its record is damaged.
    """
    record = Path(path) / RECORD
    if not record.is_file():
        return None
    try:
        found = json.loads(record.read_text("utf-8"))
        if found["schema"] != 1 or found["figure"] != "figure3" or not found["runs"]:
            raise ValueError("another schema or figure")
        names = [str(name) for name in found["runs"]]
        if any(Path(name).name != name for name in names):
            raise ValueError("names that leave the folder")
        return names
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise RunFolderError(
            f"the figure's record must be readable, got {record}: {problem!r}. Its runs can still "
            "be resumed one by one."
        ) from None
