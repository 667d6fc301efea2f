"""The settings of a run as a whole, from and to TOML. Importing this never imports JAX."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import Field, ValidationError, model_validator

from eqprop.config.sections import (
    CheckpointConfig,
    DataConfig,
    DeviceConfig,
    EvaluationConfig,
    FreePhaseConfig,
    LearningConfig,
    NetworkConfig,
    NudgedPhaseConfig,
    PruningConfig,
    TopologyConfig,
    TrainingConfig,
)
from eqprop.errors import ConfigError
from eqprop.learning.settings import RULES
from eqprop.registry import Count, Kind, Section, Settings, owners
from eqprop.topology.settings import count_connections


class RunConfig(Settings):
    """One network trained once."""

    name: str = Field(
        default="run", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="of the run"
    )
    seed: Count = Field(
        default=0, description="of wiring, initial weights, order and signs of beta"
    )
    deterministic: bool = Field(
        default=False, description="one thread: the same bits again on the same kind of machine"
    )
    topology: TopologyConfig = TopologyConfig()
    network: NetworkConfig = NetworkConfig()
    free: FreePhaseConfig = FreePhaseConfig()
    nudged: NudgedPhaseConfig = NudgedPhaseConfig()
    learning: LearningConfig = LearningConfig()
    device: DeviceConfig = DeviceConfig()
    data: DataConfig = DataConfig()
    training: TrainingConfig = TrainingConfig()
    pruning: PruningConfig = PruningConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()

    @model_validator(mode="before")
    @classmethod
    def _shards_that_fit(cls, values: Any) -> Any:
        """Batches of an odd size have one part unless something else is said."""
        if not isinstance(values, Mapping):
            return values
        data, training = (values.get(name, {}) for name in ("data", "training"))
        if not isinstance(data, Mapping) or not isinstance(training, Mapping):
            return values
        size = data.get("batch_size", 20)
        if "data_shards" in training or not isinstance(size, int) or size % 2 == 0:
            return values
        return {**values, "training": {**training, "data_shards": 1}}

    @model_validator(mode="after")
    def _fits(self) -> RunConfig:
        self._check_rates()
        if self.training.budget and not self.learning.schedule.is_constant:
            raise ValueError(
                f"`learning.schedule` must be 'constant' with `training.budget`, got "
                f"'{self.learning.schedule.name}', which spans all epochs and hardly moves before "
                "the budget is spent. Remove one of them"
            )
        if self.training.patience is not None and self.data.split == "journal":
            raise ValueError(
                "`training.patience` must be left out with data.split 'journal', whose looks are "
                f"at the test examples, got {self.training.patience}: nothing is chosen by those. "
                'Remove it, or take data.split = "paper"'
            )
        self._check_phases()
        for name in type(self).model_fields:
            section = getattr(self, name)
            if isinstance(section, Section):
                for part in section.parts():
                    part.check(self)
        self._check_pruning()
        if self.data.batch_size % self.training.data_shards:
            raise ValueError(
                f"`training.data_shards` must divide `data.batch_size`, got "
                f"{self.training.data_shards} for batches of {self.data.batch_size}. "
                "Change one of them"
            )
        return self

    def _check_pruning(self) -> None:
        wanted = self.pruning
        if wanted.what == "nothing":
            return
        last = wanted.after + (wanted.steps - 1) * wanted.every
        if last > self.training.epochs:
            raise ValueError(
                f"`pruning` must be over when `training.epochs` are, got its last part after "
                f"epoch {last} of {self.training.epochs}. Begin earlier, or train longer"
            )
        if not self.topology.skips_layers:
            raise ValueError(
                f"`pruning.what` must be 'nothing' in a wiring without skips, got '{wanted.what}': "
                "as many connections go as there are skips. Set topology.p"
            )
        if self.device.kind.name != "ideal":
            raise ValueError(
                f"`pruning.what` must be 'nothing' with devices, got '{wanted.what}' with "
                f"'{self.device.kind.name}': a device that is taken away would go on to be read. "
                'Take device.kind = "ideal"'
            )

    def _check_rates(self) -> None:
        rate = self.learning.learning_rate
        gaps = len(self.topology.layer_sizes) - 1
        if not isinstance(rate, tuple):
            return
        if len(rate) != gaps:
            raise ValueError(
                f"`learning.learning_rate` must have one entry per pair of adjacent layers, "
                f"{gaps}, got {len(rate)}: {list(rate)}"
            )
        kinds = {
            "skip": self.topology.skips_layers,
            "intralayer": self.topology.connects_inside_layers,
        }
        for kind, present in kinds.items():
            if present and getattr(self.learning, f"{kind}_rate") is None:
                raise ValueError(
                    f"`learning.{kind}_rate` must be given when learning_rate is a list and "
                    f"the network can have {kind} connections. Set it, or use one global rate"
                )

    def _check_phases(self) -> None:
        """Whether energy, cost, phases and rule go together."""
        rule, network = self.learning.rule, self.network
        for name, phase in (("free", self.free), ("nudged", self.nudged)):
            blocks = phase.method.needs_blocks and not rule.reads_forwards
            if blocks and not network.activation.has_box:
                raise ValueError(
                    f"`{name}.method` must be 'euler' with activation '{network.activation.name}', "
                    f"got '{phase.method.name}', which needs the hard sigmoid or activities. Set "
                    f'{name}.method = "euler", or network.activation = "activities" and '
                    f'network.rho = "{network.activation.name}"'
                )
            if blocks and network.term.adds:
                raise ValueError(
                    f"`{name}.method` must be 'euler' with term '{network.term.name}', got "
                    f"'{phase.method.name}': nothing is known of its minima. Set {name}.method = "
                    '"euler"'
                )
            if phase.steps == 0 and (name, rule.name) != ("free", "through-time"):
                raise ValueError(
                    f"`{name}.steps` must be 1 or more, got 0: the states would never move. Only "
                    "rule 'through-time' may have no free phase before the steps that it "
                    "differentiates"
                )
        step, method = self.nudged.nudging_step.name, self.nudged.method
        if step not in method.nudged_steps:
            raise ValueError(
                f"`nudged.nudging_step` '{step}' belongs to method 'euler', got method "
                f"'{method.name}'. Set nudged.method = \"euler\" or nudged.nudging_step = "
                f'"{method.nudged_steps[0]}"'
            )
        if rule.relaxations < 2 and self.nudged != NudgedPhaseConfig():
            raise ValueError(
                f"`nudged` belongs to rules with a second relaxation, got settings of its own with "
                f"rule '{rule.name}'; remove them"
            )
        if rule.holds_outputs and not network.cost.holds_targets:
            raise ValueError(
                f"`network.cost` must be 'squared-error' for rule '{rule.name}', which holds "
                "outputs at their targets; those of a read-out are no states of units"
            )
        no_minimum = network.activation.is_parabola and network.cost.curvature() is None
        if self.nudged.method.needs_blocks and no_minimum:
            raise ValueError(
                f"`nudged.method` must be 'euler' with cost '{network.cost.name}', whose outputs "
                'have no minimum in closed form. Set nudged.method = "euler"'
            )

    def to_toml(self) -> str:
        """The settings as TOML, every value written out; `load` reads it back."""
        return to_toml(self.model_dump(mode="json", exclude_none=True))

    def flat(self) -> dict[str, Any]:
        """Every setting that is not none by its dotted name, as `--set` spells it.

        >>> RunConfig().flat()["free.method"]
        'block'
        """
        found: dict[str, Any] = {}
        for section, values in self.model_dump(mode="json", exclude_none=True).items():
            if isinstance(values, dict):
                found |= {f"{section}.{key}": value for key, value in values.items()}
            else:
                found[section] = values
        return found

    def differences(self, other: RunConfig) -> dict[str, tuple[Any, Any]]:
        """The settings that the two do not share, by dotted name: this one's and the other's."""
        ours, theirs = self.flat(), other.flat()
        return {
            name: (ours.get(name), theirs.get(name))
            for name in dict.fromkeys([*theirs, *ours])
            if ours.get(name) != theirs.get(name)
        }


def build(values: Mapping[str, Any], source: str = "the configuration") -> RunConfig:
    """Checks a mapping of settings, or raises one `ConfigError` that names each fault."""
    try:
        return RunConfig.model_validate(values)
    except ValidationError as problem:
        raise ConfigError(_explain(problem, source)) from None


Overrides = Sequence[str] | Mapping[str, Any]
"""Changed settings: `section.key=value`, whose values are TOML; or values by dotted name."""


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
            complete[name] = _of_what_is_chosen(name, section)
    if _has_no_nudged_phase(complete):
        del complete["nudged"]  # says nothing: defaults of its version, which may have changed
    return build(complete, source)


def _of_what_is_chosen(name: str, values: dict[str, Any]) -> dict[str, Any]:
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


def read(path: Path) -> dict[str, Any]:
    """What a TOML file says, unchecked."""
    if Path(path).suffix in (".csv", ".tsv", ".npz"):
        raise ConfigError(
            f"`config` must be a TOML file of settings, got the data {path}. Data are a setting: "
            f"eqprop train --recipe fast --set data.dataset={path} --set data.target=COLUMN"
        )
    try:
        text = Path(path).read_text("utf-8-sig")
        return tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise ConfigError(
            f"`config` must be a readable TOML file, got {path}: {reason}. "
            "`eqprop config` prints one to start from."
        ) from None


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


def value_of(text: str) -> Any:
    """A value of TOML; a bare word is text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text.strip()


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
    said since; so do those of the same name where the new one has another default, such as the
    step size of another method. With a rule that has no nudged phase go those of that phase.
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
    if "nudged" not in said and _has_no_nudged_phase(said):
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
        gone = set(result) - set(_of_what_is_chosen(name, result))
    for setting in choices.keys() & said.keys() & values.keys():
        gone |= _unlike(choices[setting], values[setting], said[setting])
    if name == "topology":
        replaced = {"connections": "p", "p": "connections"}
        gone |= {replaced[setting] for setting in said if setting in replaced}
    return {key: value for key, value in result.items() if key in said or key not in gone}


def _has_no_nudged_phase(values: Mapping[str, Any]) -> bool:
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
    if not {before, after} <= set(kind.names()):
        return set()
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


def to_toml(values: Mapping[str, Any]) -> str:
    """Nested plain values as TOML: first the scalars, then one table per section.

    Lists and what lies deeper are written on one line, so that a setting is a line.
    """
    lines = [line(k, v) for k, v in values.items() if not isinstance(v, dict)]
    for section, table in values.items():
        if isinstance(table, dict):
            lines += ["", f"[{section}]", *(line(k, v) for k, v in table.items())]
    return "\n".join(lines) + "\n"


def line(key: str, value: Any) -> str:
    """A setting as a line of TOML."""
    name, _, _ = tomli_w.dumps({key: 0}).rpartition(" = ")
    return f"{name} = {_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(line(k, v) for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return tomli_w.dumps({"v": value}).removeprefix("v = ").rstrip("\n")


def _explain(problem: ValidationError, source: str) -> str:
    lines, members = [], ("tuple[", "float", "constrained-", "dict[")
    for error in problem.errors(include_url=False):
        # pydantic adds the name of the union member; it is no part of the user's key.
        place = [str(part) for part in error["loc"] if not str(part).startswith(members)]
        key = ".".join(place) or "the settings"
        if error["type"] == "extra_forbidden":
            lines.append(_no_setting(place, error["input"]))
        elif error["loc"] == () or error["type"] == "value_error":
            where = f"in [{key}]: " if error["loc"] else ""
            lines.append(where + error["msg"].removeprefix("Value error, ") + ".")
        elif error["type"] == "literal_error":
            lines.append(f"`{key}`: {error['msg']}, got {error['input']!r}.{_near_value(error)}")
        else:
            lines.append(f"`{key}`: {error['msg']}, got {error['input']!r}.")
    return f"{source} does not fit: " + " ".join(_once(lines))


def _once(lines: Sequence[str]) -> list[str]:
    """A fault per key: a union reports one per member, and the first of the deepest says enough."""
    first: dict[str, str] = {}
    for line in lines:
        first.setdefault(line.partition("`: ")[0] if line.startswith("`") else line, line)
    return [line for key, line in first.items() if not any(k.startswith(f"{key}.") for k in first)]


def _near_value(error: Any) -> str:
    known = re.findall("'([^']*)'", error["ctx"]["expected"])
    near = difflib.get_close_matches(str(error["input"]), known, n=1, cutoff=0.5)
    return f" Did you mean '{near[0]}'?" if near else ""


def _no_setting(place: Sequence[str], given: Any) -> str:
    """What is said of a key that does not exist, or not with what was chosen."""
    key, (*sections, last) = ".".join(place), place
    model: Any = RunConfig
    for section in sections:
        model = model.model_fields[section].annotation if section in model.model_fields else None
        if model is None:
            return f"`{key}` is no setting.{_meant(key)}"
    choices = model.choices() if issubclass(model, Section) else {}
    found = owners(choices, last)
    if found:
        fields: dict[str, list[str]] = {}
        for field, name in found:
            fields.setdefault(field, []).append(f"'{name}'")
        listed = " and ".join(f"{field} {', '.join(names)}" for field, names in fields.items())
        return (
            f"`{key}` belongs to {listed}, got {given!r} with another. Choose that, or remove it."
        )
    return f"`{key}` is no setting.{_meant(key)}"


def _meant(name: str) -> str:
    """A hint at the setting that is nearest to a name that is none."""
    from eqprop.config.words import nearest  # which is made from these settings

    hint = nearest(name)
    return "" if hint is None else f" Did you mean `{hint}`?"
