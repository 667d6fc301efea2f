"""What an experiment is: conditions that are compared, at presets of different size."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eqprop.config.overrides import assignments, override
from eqprop.config.paper import PAPER_P
from eqprop.config.recipes import RECIPES
from eqprop.config.run_config import RunConfig
from eqprop.config.settings import build
from eqprop.errors import ConfigError, unknown_name
from eqprop.registry import Kind
from eqprop.sweeps.sweep import Cell
from eqprop.sweeps.vary import cells_of, refuse_seeds

if TYPE_CHECKING:
    from eqprop.analysis.tables import Drawn

EXPERIMENTS = Kind("experiment", "eqprop.experiments.catalogue")
"""Figures and questions; those of this package stand in modules beside this one."""

Settings = Mapping[str, Any]
"""Changes of the default configuration, `{section: {key: value}}`."""


@dataclasses.dataclass(frozen=True)
class Published:
    """What a paper says of an experiment, to stand beside full-size runs.

    **Attributes:**

    - `text`: its claims, with where they stand.
    - `errors`: training / test error in percent by condition, or by data set and condition.
    - `mnist_alone`: whether its numbers are of MNIST only.
    """

    text: str
    errors: Mapping[str, str] = dataclasses.field(default_factory=dict)
    mnist_alone: bool = True


def draw_errors(drawn: Drawn, stem: Path) -> None:
    """The picture of most experiments: errors against epochs."""
    from eqprop.plots.curves import error_curves

    error_curves(drawn.epochs, stem)


def nothing_more(drawn: Drawn) -> list[str]:
    """Most experiments have no further tables."""
    return []


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A figure or question, answered by training the same data under several conditions.

    **Attributes:**

    - `name`, `about`: for the command line.
    - `presets`: what each changes for all conditions.
    - `conditions`: given the preset's name, what each condition changes, in the order of tables;
      this wins over the preset.
    - `seeds`: how many, unless the command says otherwise; `quick_seeds`, at that preset, so
      that many conditions take minutes there.
    - `more`: given a name that is not among the conditions, what that changes, or None: values
      that can be asked for beside the usual ones.
    """

    name: str
    about: str
    presets: Mapping[str, Settings]
    conditions: Callable[[str], Mapping[str, Settings]]
    seeds: int = 1
    quick_seeds: int | None = None
    more: Callable[[str], Settings | None] = lambda name: None
    picture: Callable[[Drawn, Path], None] = draw_errors
    tables: Callable[[Drawn], list[str]] = nothing_more
    speed: str = "late_update"
    published: Published | None = None

    def __post_init__(self) -> None:
        EXPERIMENTS.add(self.name, self)

    def default_seeds(self, preset: str) -> int:
        """How many seeds unless the command says otherwise."""
        return self.quick_seeds if preset == "quick" and self.quick_seeds else self.seeds

    def cells(
        self,
        preset: str,
        seeds: Sequence[int] | None = None,
        *,
        epochs: int | None = None,
        dataset: str | None = None,
        only: Sequence[str] = (),
        overrides: Sequence[str] = (),
    ) -> dict[Cell, RunConfig]:
        """The configuration of every run, condition by condition within a seed.

        **Arguments:**

        - `preset`: of `presets`.
        - `epochs`, `dataset`: instead of the preset's.
        - `only`: names of the conditions that are wanted; none means all.
        - `overrides`: further settings, `section.key=value`, for every run.

        **Raises:** `ConfigError` for a preset or condition that does not exist, for what does not
        fit, and for overrides of what tells runs or conditions apart.
        """
        if preset not in self.presets:
            raise ConfigError(unknown_name("preset", preset, self.presets))
        conditions = dict(self.conditions(preset))
        for name in only:
            changes = conditions.get(name, self.more(name))
            if changes is None:
                raise ConfigError(unknown_name("condition", name, conditions))
            conditions[name] = changes

        chosen = {name: c for name, c in conditions.items() if not only or name in only}
        said = assignments(overrides)
        refuse_seeds(said)
        if "name" in said:
            raise ConfigError(
                f"`--set` must leave `name` to the conditions, got name={said['name']}. Name the "
                "folder by --out."
            )
        for key in said:
            values = {name: _value(changes, key) for name, changes in chosen.items()}
            (first, one), *others = values.items()
            other = next((name for name, value in others if value != one), None)
            if other is not None:
                raise ConfigError(
                    f"`--set` must leave the conditions apart, got {key}={said[key]}, which is "
                    f"{one} in '{first}' and {values[other]} in '{other}'. Ask for one condition "
                    "by --only."
                )

        def configured(changes: Settings, name: str, seed: int) -> RunConfig:
            values = merged(self.presets[preset], changes) | {"name": name, "seed": seed}
            if epochs is not None:
                values = short(values, epochs)
            if dataset is not None:
                values = merged(values, {"data": {"dataset": dataset}})
            return build(override(values, said), self.name)

        seeds = range(self.default_seeds(preset)) if seeds is None else seeds
        return cells_of(chosen, seeds, configured)


def _value(changes: Settings, key: str) -> Any:
    """What a condition says of a setting, by its dotted name; "as usual" if nothing."""
    found: Any = changes
    for part in key.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return "as usual"
        found = found[part]
    return found


def merged(base: Settings, changes: Settings) -> dict[str, Any]:
    """`base` with `changes`, section by section.

    >>> merged({"data": {"dataset": "mnist", "shuffle": True}}, {"data": {"shuffle": False}})
    {'data': {'dataset': 'mnist', 'shuffle': False}}
    """
    result = dict(base)
    for section, value in changes.items():
        before = result.get(section)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        result[section] = {**before, **value} if both else value  # pyright: ignore[reportGeneralTypeIssues]
    return result


_DEEP: Settings = {
    section: {key: value for key, value in values.items() if key != "epochs"}
    for section, values in RECIPES["deep"].values.items()
}
WITH_TANH: Settings = merged(_DEEP, {"learning": {"learning_rate": 2e-3}})
"""The recipe `deep` but its epochs, which are a preset's, at the rate that suits three layers."""


SMOKE: Settings = {
    "topology": {"layer_sizes": [20, 16, 16, 16, 4]},
    "data": {"dataset": "teacher"},
    "training": {"epochs": 3, "record_every": 10},
}
"""Seconds: a teacher network's labels."""

QUICK: Settings = {
    "data": {"dataset": "mnist-5k"},
    "training": {"epochs": 10, "record_every": 50},
}
"""Minutes: the bundled digits."""

PAPER: Settings = {
    "data": {"dataset": "mnist"},
    "training": {"epochs": 250},
    "evaluation": {"start": "both"},
}
"""Full size. The paper's error is that of states which each validation example keeps from look to
look; the one from a cold start is recorded beside it."""


def short(base: Settings, epochs: int) -> dict[str, Any]:
    """A preset with so many epochs."""
    return merged(base, {"training": {"epochs": epochs}})


def lasting(smoke: int, quick: int, paper: int) -> dict[str, Settings]:
    """The three presets with so many epochs each."""
    return {
        "smoke": short(SMOKE, smoke),
        "quick": short(QUICK, quick),
        "paper": short(PAPER, paper),
    }


def replaced(preset: str, connections: int, **changes: Any) -> dict[str, Any]:
    """The topology of Algorithm 1: so many connections replaced; at smoke size the paper's p."""
    amount = {"p": PAPER_P} if preset == "smoke" else {"connections": connections}
    return {"wiring": "rewire", "intralayer": True} | amount | changes


def five_by_100(preset: str) -> dict[str, Any]:
    """The layer sizes of the paper's second network."""
    hidden = [8] * 5 if preset == "smoke" else [100] * 5
    ends = (20, 4) if preset == "smoke" else (784, 10)
    return {"layer_sizes": [ends[0], *hidden, ends[1]]}
