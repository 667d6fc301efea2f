"""The settings of a run as a whole, from and to TOML. Importing this never imports JAX."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from eqprop.config.sections import (
    CheckpointConfig,
    Count,
    DataConfig,
    EvaluationConfig,
    FreePhaseConfig,
    LearningConfig,
    NetworkConfig,
    NudgedPhaseConfig,
    Settings,
    TopologyConfig,
    TrainingConfig,
)
from eqprop.errors import ConfigError

_ONE_PHASE = ("implicit", "through-time", "backpropagation")
"""Rules without a second relaxation."""


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
    data: DataConfig = DataConfig()
    training: TrainingConfig = TrainingConfig()
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
        rate = self.learning.learning_rate
        gaps = len(self.topology.layer_sizes) - 1
        if isinstance(rate, tuple):
            if len(rate) != gaps:
                raise ValueError(
                    f"`learning.learning_rate` must have one entry per pair of adjacent layers, "
                    f"{gaps}, got {len(rate)}: {list(rate)}"
                )
            skips = self.topology.wiring != "layered"
            inside = self.topology.connects_inside_layers
            for kind, present in (("skip", skips), ("intralayer", inside)):
                if present and getattr(self.learning, f"{kind}_rate") is None:
                    raise ValueError(
                        f"`learning.{kind}_rate` must be given when learning_rate is a list and "
                        f"the network can have {kind} connections. Set it, or use one global rate"
                    )
        if self.training.budget and self.learning.schedule != "constant":
            raise ValueError(
                f"`learning.schedule` must be 'constant' with `training.budget`, got "
                f"'{self.learning.schedule}', which spans all epochs and hardly moves before the "
                "budget is spent. Remove one of them"
            )
        self._check_rule()
        if self.data.batch_size % self.training.data_shards:
            raise ValueError(
                f"`training.data_shards` must divide `data.batch_size`, got "
                f"{self.training.data_shards} for batches of {self.data.batch_size}. "
                "Change one of them"
            )
        if self.nudged.method == "block" and self.learning.rule == "equilibrium-propagation":
            worst = self.learning.beta
            if self.learning.nudging != "one-sided":
                worst = -abs(worst)
            if 1 + 2 * self.network.cost_factor * worst <= 0:
                raise ValueError(
                    f"`learning.beta` must be above {-0.5 / self.network.cost_factor:g} for a "
                    f"nudged phase by block coordinate descent, got {worst:g}: the output layer "
                    'would have no minimum. Use nudged.method = "euler" or a smaller beta'
                )
        return self

    def _check_rule(self) -> None:
        smooth, rule = self.network.activation != "hard-sigmoid", self.learning.rule
        for name in ("free", "nudged"):
            if smooth and rule != "backpropagation" and getattr(self, name).method == "block":
                raise ValueError(
                    f"`{name}.method` must be 'euler' with activation '{self.network.activation}', "
                    f"got 'block', which needs the hard sigmoid. Set {name}.method = \"euler\""
                )
            if getattr(self, name).steps == 0 and (name, rule) != ("free", "through-time"):
                raise ValueError(
                    f"`{name}.steps` must be 1 or more, got 0: the states would never move. Only "
                    "rule 'through-time' may have no free phase before the steps that it "
                    "differentiates"
                )
        if rule == "holomorphic" and not smooth:
            raise ValueError(
                "`network.activation` must have a complex derivative for rule 'holomorphic', got "
                "'hard-sigmoid', which has corners. Use sigmoid, shifted-sigmoid or tanh"
            )
        if rule == "holomorphic" and self.nudged.nudging_step != "joint":
            raise ValueError(
                "`nudged.nudging_step` must be 'joint' for rule 'holomorphic', got 'split'. "
                'Set nudged.nudging_step = "joint"'
            )
        if rule == "recurrent-backpropagation" and self.nudged.method != "euler":
            raise ValueError(
                "`nudged.method` must be 'euler' for rule 'recurrent-backpropagation', whose "
                "adjoint has no blocks"
            )
        if rule in _ONE_PHASE and self.nudged != NudgedPhaseConfig():
            raise ValueError(
                f"`nudged` belongs to rules with a second relaxation, got settings of its own with "
                f"rule '{rule}'; remove them"
            )
        if rule == "backpropagation" and self.topology.connects_inside_layers:
            raise ValueError(
                "`topology` must have no intralayer connections for rule 'backpropagation', which "
                "reads the wiring forwards; Algorithm 1 makes some, too. Set "
                "topology.drop_intralayer = true"
            )
        if rule == "backpropagation" and self.evaluation.audit_every:
            raise ValueError(
                "`evaluation.audit_every` must be 0 for rule 'backpropagation', got "
                f"{self.evaluation.audit_every}: its gradient is that of the wiring read forwards, "
                "not of the network that the audit settles"
            )
        if self.network.cost == "cross-entropy" and self.network.cost_factor != 1:
            raise ValueError(
                "`network.cost_factor` belongs to cost 'squared-error', got "
                f"{self.network.cost_factor:g} with 'cross-entropy'; remove it"
            )
        if self.network.cost == "cross-entropy" and rule in ("contrastive-hebbian", "coupled"):
            raise ValueError(
                f"`network.cost` must be 'squared-error' for rule '{rule}', which holds outputs at "
                "their targets; those of a read-out are no states of units"
            )
        if self.network.cost == "cross-entropy" and self.nudged.method == "block":
            raise ValueError(
                "`nudged.method` must be 'euler' with cost 'cross-entropy', whose outputs have no "
                'minimum in closed form. Set nudged.method = "euler"'
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


def load(path: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Reads a TOML file and applies overrides such as `training.epochs=3`."""
    return build(override(_read(path), overrides), str(path))


def load_recorded(path: Path) -> RunConfig:
    """Reads the `config.toml` of a run's folder, which an earlier version may have written."""
    return recorded(_read(path), str(path))


_FIXED_STEPS = {"block_size": 0, "tolerance": 0.0, "share": 1.0}
_BEFORE = {"free": _FIXED_STEPS, "nudged": _FIXED_STEPS, "training": {"data_shards": 1}}
"""What versions did that had no such setting; `cold_tolerance` was that of the other epochs."""


def recorded(values: Mapping[str, Any], source: str = "the recorded configuration") -> RunConfig:
    """Settings that a run wrote down; what its version did not know is set to what it did."""
    sections = ("learning", *_BEFORE)
    if not all(isinstance(values.get(name, {}), Mapping) for name in sections):
        return build(values, source)  # which names the one that is none
    complete = {k: dict(v) if isinstance(v, Mapping) else v for k, v in values.items()}
    for section, settings in _BEFORE.items():
        complete[section] = settings | complete.get(section, {})
    for phase in ("free", "nudged"):
        complete[phase].setdefault("cold_tolerance", complete[phase]["tolerance"])
    if complete.get("learning", {}).get("rule") in _ONE_PHASE:
        del complete["nudged"]  # says nothing: defaults of its version, which may have changed
    return build(complete, source)


def _read(path: Path) -> dict[str, Any]:
    try:
        text = Path(path).read_text("utf-8")
        return tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise ConfigError(
            f"`config` must be a readable TOML file, got {path}: {reason}. "
            "`eqprop config` prints one to start from."
        ) from None


def override(values: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """A copy of `values` with entries `section.key=value` replaced; values are TOML.

    How much is rewired is said by `connections` or by `p`: one replaces the other, and wiring
    'layered' both.

    >>> override({"seed": 0}, ["seed=3", "data.dataset=mnist"])
    {'seed': 3, 'data': {'dataset': 'mnist'}}
    """
    result = {k: dict(v) if isinstance(v, Mapping) else v for k, v in values.items()}
    for entry in overrides:
        key, equals, text = entry.partition("=")
        if not equals or not key.strip():
            raise ConfigError(
                f"`--set` must look like section.key=value, got '{entry}'. "
                "For example: --set training.epochs=3"
            )
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text.strip()  # a bare word is a string
        *sections, last = key.strip().split(".")
        place: Any = result
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise ConfigError(f"`--set` must name a setting, got '{key}': no such section.")
        place[last] = value
        if sections == ["topology"]:
            other = {"p": ["connections"], "connections": ["p"]}
            for name in ["p", "connections"] if value == "layered" else other.get(last, []):
                place.pop(name, None)
    return result


def to_toml(values: Mapping[str, Any]) -> str:
    """Nested plain values as TOML: first the scalars, then one table per section."""
    lines = [f"{k} = {_toml_value(v)}" for k, v in values.items() if not isinstance(v, dict)]
    for section, table in values.items():
        if isinstance(table, dict):
            lines += ["", f"[{section}]"]
            lines += [f"{k} = {_toml_value(v)}" for k, v in table.items()]
    return "\n".join(lines) + "\n"


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    return repr(value)


def _explain(problem: ValidationError, source: str) -> str:
    lines, members = [], ("tuple[", "float", "constrained-")
    for error in problem.errors(include_url=False):
        # pydantic adds the name of the union member; it is no part of the user's key.
        place = [str(part) for part in error["loc"] if not str(part).startswith(members)]
        key = ".".join(place) or "the settings"
        if error["type"] == "extra_forbidden":
            lines.append(f"`{key}` is no setting.{_near(place)}")
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


def _near(place: Sequence[str]) -> str:
    model: Any = RunConfig
    for section in place[:-1]:
        model = model.model_fields[section].annotation if section in model.model_fields else None
        if model is None:
            return ""
    near = difflib.get_close_matches(place[-1], list(model.model_fields), n=1, cutoff=0.5)
    return f" Did you mean `{'.'.join([*place[:-1], near[0]])}`?" if near else ""
