"""The settings of a run as a whole. Importing this never imports JAX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

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
from eqprop.config.toml import to_toml
from eqprop.registry import Count, Section, Settings


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
                    f"`{name}.method` must be 'euler' with {network.activation.told}, "
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
