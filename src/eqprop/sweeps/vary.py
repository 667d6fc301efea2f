"""Conditions from varied settings, and the cells of conditions and seeds."""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from eqprop.config.overrides import Overrides, assignments
from eqprop.config.recipes import cook
from eqprop.config.run_config import RunConfig
from eqprop.config.toml import read, value_of
from eqprop.errors import ConfigError
from eqprop.sweeps.sweep import Cell

Values = Mapping[str, Sequence[Any]]
Changes = TypeVar("Changes")


_LONGEST = 150  # of the name of a folder, which a file system cuts at 255; seeds come behind it


def cells_of(
    conditions: Mapping[str, Changes],
    seeds: Iterable[int],
    configured: Callable[[Changes, str, int], RunConfig],
) -> dict[Cell, RunConfig]:
    """The settings of every run, condition by condition within a seed.

    **Arguments:**

    - `conditions`: what each changes.
    - `configured`: the settings of a condition, given what it changes, the run's name and its seed.
    """
    cells, names = {}, _folders(conditions)
    for seed in seeds:
        for condition, changes in conditions.items():
            name = f"{names[condition]}-seed{seed}"
            cells[Cell(name, condition, seed)] = configured(changes, name, seed)
    return cells


def _folders(conditions: Iterable[str]) -> dict[str, str]:
    """Names of conditions as folders have them, each once."""
    found: dict[str, str] = {}
    for condition in conditions:
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", condition)[:_LONGEST].strip("-.") or "condition"
        taken = set(found.values())
        numbered = itertools.chain([plain], (f"{plain}-{k}" for k in itertools.count(2)))
        found[condition] = next(name for name in numbered if name not in taken)
    return found


def parsed(entries: Sequence[str]) -> dict[str, list[Any]]:
    """Settings and their values from what `--vary` says: `section.key=value,value`.

    Values are TOML; a word that is none is text.

    >>> parsed(["topology.p=0.01,0.3", "learning.rule=equilibrium-propagation"])
    {'topology.p': [0.01, 0.3], 'learning.rule': ['equilibrium-propagation']}
    """
    found: dict[str, list[Any]] = {}
    for entry in entries:
        name, equals, text = (part.strip() for part in entry.partition("="))
        if not equals or not name or not text:
            raise ConfigError(
                f"`--vary` must look like section.key=value,value, got '{entry}'. For example: "
                "--vary topology.p=0.01,0.1"
            )
        if name in found:
            raise ConfigError(
                f"`--vary` must name a setting once, got '{name}' again. Give all its values at "
                "once, with commas between."
            )
        try:
            values = tomllib.loads(f"values = [{text}]")["values"]
        except tomllib.TOMLDecodeError:
            values = [value_of(part) for part in text.split(",")]
        found[name] = values
    return found


def conditions_of(vary: Values, *, zipped: bool = False) -> dict[str, dict[str, Any]]:
    """What each condition changes, by a name that says it.

    **Arguments:**

    - `vary`: the values of each setting, by its dotted name.
    - `zipped`: the first values of all together, then the second ones, and so on, instead of every
      value with every other.

    **Raises:** `ConfigError` for nothing to vary, and for what seeds and names are for.

    >>> list(conditions_of({"topology.p": [0.1, 0.3], "free.steps": [5]}))
    ['p=0.1, steps=5', 'p=0.3, steps=5']
    """
    if not vary or not all(vary.values()):
        raise ConfigError(
            "a sweep must vary something, got nothing. For example: --vary topology.p=0.01,0.1"
        )
    for name, way in {"seed": "Say how many seeds with --seeds", "name": "Leave it out"}.items():
        if name in vary:
            raise ConfigError(f"`{name}` cannot be varied, got {list(vary[name])}. {way}.")
    if zipped and len({len(values) for values in vary.values()}) > 1:
        counts = ", ".join(f"{len(values)} of {name}" for name, values in vary.items())
        raise ConfigError(f"with `--zip` all settings must have as many values, got {counts}.")
    rows = zip(*vary.values(), strict=True) if zipped else itertools.product(*vary.values())
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        changes = dict(zip(vary, row, strict=True))
        name = label(changes)
        if name in found:
            raise ConfigError(f"every condition must be another, got {name} twice. Remove one.")
        found[name] = changes
    return found


def label(changes: Mapping[str, Any]) -> str:
    """A condition by what it changes; settings by their last names, as far as these differ.

    >>> label({"free.steps": 5, "nudged.steps": 3, "learning.rule": "coupled-learning"})
    'free.steps=5, nudged.steps=3, rule=coupled-learning'
    """
    short = {name: name.rpartition(".")[2] for name in changes}
    shown = {
        name: last if list(short.values()).count(last) == 1 else name
        for name, last in short.items()
    }
    return ", ".join(f"{shown[name]}={_told(value)}" for name, value in changes.items())


def _told(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_told, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def refuse_seeds(said: Mapping[str, Any]) -> None:
    """Refuses a seed among settings: each run of several has its own.

    **Raises:** `ConfigError` for one other than 0, which every printed file says.
    """
    if said.get("seed"):
        raise ConfigError(
            f"`seed` must be left to --seeds and --first-seed where there are several runs, got "
            f"{said['seed']}. Say --first-seed {said['seed']}."
        )


def varied_cells(
    conditions: Mapping[str, Mapping[str, Any]],
    seeds: Iterable[int],
    *,
    recipe: str | None = None,
    given: Path | Mapping[str, Any] | None = None,
    overrides: Overrides = (),
    shape: tuple[int, int] | None = None,
) -> dict[Cell, RunConfig]:
    """The settings of every run of `conditions_of`; the other arguments are those of `cook`."""

    said = assignments(overrides)
    refuse_seeds(said)
    if given is not None:
        refuse_seeds(given if isinstance(given, Mapping) else read(given))

    def configured(changes: Mapping[str, Any], name: str, seed: int) -> RunConfig:
        all_of = said | dict(changes) | {"name": name, "seed": seed}
        return cook(recipe, given, all_of, shape=shape)

    return cells_of(conditions, seeds, configured)
