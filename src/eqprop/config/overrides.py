"""Settings in place of others: what was said since, and what goes with what it replaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from eqprop.config.run_config import RunConfig
from eqprop.config.sections import TopologyConfig
from eqprop.config.toml import value_of
from eqprop.errors import ConfigError
from eqprop.learning.settings import RULES
from eqprop.registry import Kind, Section, owners
from eqprop.topology.settings import count_connections

Overrides = Sequence[str] | Mapping[str, Any]
"""Changed settings: `section.key=value`, whose values are TOML; or values by dotted name."""


def assignments(overrides: Overrides) -> dict[str, Any]:
    """Values by dotted name.

    >>> assignments(["seed=3", "data.dataset=mnist"])
    {'seed': 3, 'data.dataset': 'mnist'}
    """
    if isinstance(overrides, Mapping):
        return dict(overrides)
    found: dict[str, Any] = {}
    for entry in overrides:
        key, equals, text = entry.partition("=")
        if not equals or not key.strip():
            raise ConfigError(
                f"`--set` must look like section.key=value, got '{entry}'. "
                "For example: --set training.epochs=3"
            )
        found[key.strip()] = value_of(text)
    return found


def override(values: Mapping[str, Any], overrides: Overrides) -> dict[str, Any]:
    """`over`, with values by dotted name.

    >>> override({"seed": 0}, ["seed=3", "data.dataset=mnist"])
    {'seed': 3, 'data': {'dataset': 'mnist'}}
    """
    changes = assignments(overrides)
    said: dict[str, Any] = {}
    for key, value in changes.items():
        *sections, last = key.split(".")
        place, before = said, values
        for section in sections:
            place, before = place.setdefault(section, {}), before.get(section, {})
            if not (isinstance(place, dict) and isinstance(before, Mapping)):
                raise ConfigError(f"`--set` must name a setting, got '{key}': no such section.")
        place[last] = value
    result = over(values, said)
    _rescale(values, result, set(changes))
    return result


def over(values: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """`values`, and in their place what was said since.

    With a choice that has been replaced go the settings that belonged to it, but those that were
    said since; with the method of a phase also those of the same name that have another default
    in the new one, such as its step size; with a rule that has no nudged phase those of that one.
    `connections` and `p` replace each other.

    >>> cosine = {"learning": {"schedule": "cosine", "final_rate": 0.1}}
    >>> over(cosine, {"learning": {"schedule": "constant"}})
    {'learning': {'schedule': 'constant'}}
    """
    result = {k: dict(v) if isinstance(v, Mapping) else v for k, v in values.items()}
    for name, value in said.items():
        before = result.get(name)
        if isinstance(before, dict) and isinstance(value, Mapping):
            value = _section_over(name, before, value)
        result[name] = value
    if "nudged" not in said and has_no_nudged_phase(said):
        result.pop("nudged", None)
    return result


def _section_over(name: str, values: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """`over`, of a section."""
    result = dict(values)
    for setting, value in said.items():
        before = result.get(setting)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            value = {**before, **value}
        result[setting] = value
    gone: set[str] = set()
    choices = _choices(name)
    if choices.keys() & said.keys():
        gone = set(result) - set(of_what_is_chosen(name, result))
    if name in ("free", "nudged") and "method" in said:
        usual = getattr(RunConfig(), name).method.name
        gone |= _unlike(choices["method"], values.get("method", usual), said["method"])
    if name == "topology":
        replaced = {"connections": "p", "p": "connections"}
        gone |= {replaced[setting] for setting in said if setting in replaced}
    return {key: value for key, value in result.items() if key in said or key not in gone}


def of_what_is_chosen(name: str, values: dict[str, Any]) -> dict[str, Any]:
    """A section without the settings of what it did not choose."""
    model: Any = RunConfig.model_fields[name].annotation
    if not issubclass(model, Section):
        return values
    rest = dict(values)
    try:
        kept = model.taken(rest)
    except ConfigError:
        return values  # `build` names what does not exist
    return kept | {key: value for key, value in rest.items() if not owners(model.choices(), key)}


def has_no_nudged_phase(values: Mapping[str, Any]) -> bool:
    """Whether settings name a rule without a second relaxation."""
    learning = values.get("learning")
    rule = learning.get("rule") if isinstance(learning, Mapping) else None
    return rule in RULES.names() and RULES.find(rule).relaxations < 2


def _choices(section: str) -> dict[str, Kind]:
    """The settings of a section that choose something."""
    field = RunConfig.model_fields.get(section)
    model: Any = None if field is None else field.annotation
    return model.choices() if model and issubclass(model, Section) else {}


def _unlike(kind: Kind, before: Any, after: Any) -> set[str]:
    """The settings that two choices of a kind both have, with defaults of their own."""
    if before not in kind.names() or after not in kind.names():
        return set()  # `build` says what is wrong
    old, new = (kind.find(name).model_fields for name in (before, after))
    return {name for name in old.keys() & new.keys() if old[name].default != new[name].default}


def _rescale(before: Mapping[str, Any], after: dict[str, Any], names: set[str]) -> None:
    """Keeps how much of a network is rewired where its layers, and nothing else, were changed."""
    said = {"topology.connections", "topology.p", "topology.wiring", "topology.intralayer"}
    if "topology.layer_sizes" not in names or said & names:
        return
    try:
        old = TopologyConfig.model_validate(before.get("topology", {}))
        new = TopologyConfig.model_validate(after["topology"])
    except ValidationError:
        return  # `build` says what is wrong
    counts = [count_connections(each.layer_sizes, each.intralayer) for each in (old, new)]
    if counts[0] != counts[1]:
        changes = old.wiring.for_sizes(*counts)
        after["topology"] = {
            name: value
            for name, value in (after["topology"] | changes).items()
            if value is not None
        }
