"""Settings of a run, checked: from values, from files, from what a run wrote down."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from eqprop.config.faults import explain
from eqprop.config.overrides import (
    Overrides,
    has_no_nudged_phase,
    of_what_is_chosen,
    override,
)
from eqprop.config.run_config import RunConfig
from eqprop.config.sections import TopologyConfig
from eqprop.config.toml import read
from eqprop.errors import ConfigError


def build(values: Mapping[str, Any], source: str = "the configuration") -> RunConfig:
    """Checks a mapping of settings, or raises one `ConfigError` that names each fault."""
    try:
        return RunConfig.model_validate(values)
    except ValidationError as problem:
        raise ConfigError(explain(problem, source)) from None


def load(path: Path, overrides: Overrides = ()) -> RunConfig:
    """Reads a TOML file and applies overrides such as `training.epochs=3`."""
    return build(override(read(path), overrides), str(path))


def load_recorded(path: Path) -> RunConfig:
    """Reads the `config.toml` of a run's folder, which an earlier version may have written."""
    return recorded(read(path), str(path))


_BEFORE = {
    "free": {"tolerance": 0.0, "share": 1.0},
    "nudged": {"tolerance": 0.0, "share": 1.0},
    "training": {"data_shards": 1},
}
"""What versions did that had no such setting; `cold_tolerance` was that of the other epochs."""


def recorded(values: Mapping[str, Any], source: str = "the recorded configuration") -> RunConfig:
    """Settings that a run wrote down; what its version did not know is set to what it did.

    Earlier versions wrote down the settings of things that were not chosen, too: they say nothing.
    """
    sections = ("learning", *_BEFORE)
    if not all(isinstance(values.get(name, {}), Mapping) for name in sections):
        return build(values, source)  # which names the one that is none
    complete = {k: dict(v) if isinstance(v, Mapping) else v for k, v in values.items()}
    for section, settings in _BEFORE.items():
        complete[section] = settings | complete.get(section, {})
    for phase in ("free", "nudged"):
        wanted = complete[phase]
        wanted.setdefault("cold_tolerance", wanted["tolerance"])
        if wanted.get("method") == "block":
            wanted.setdefault("block_size", 0)
    complete["free"].pop("nudging_step", None)  # a free phase has no nudge
    for name, section in complete.items():
        if isinstance(section, dict) and name in RunConfig.model_fields:
            complete[name] = of_what_is_chosen(name, section)
    _without_what_did_nothing(complete)
    if has_no_nudged_phase(complete):
        del complete["nudged"]  # says nothing: defaults of its version, which may have changed
    return build(complete, source)


def _without_what_did_nothing(values: dict[str, Any]) -> None:
    """Takes out what `build` refuses because nothing comes of it, as earlier versions knew."""
    data, training = values.get("data", {}), values.get("training", {})
    if isinstance(data, dict) and data.get("split") == "journal":
        training.pop("patience", None)
    try:
        topology = TopologyConfig.model_validate(values.get("topology", {}))
    except ValidationError:
        return  # `build` says what is wrong
    if not topology.skips_layers:
        values.pop("pruning", None)
