"""The sections of a run's settings. Never imports JAX.

What is chosen by name (a rule, a relaxation, a data set, ...) brings its own settings with it: they
stand in the module `settings` of the room of that thing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from eqprop.data.settings import DatasetChoice, Mnist5kSettings
from eqprop.devices.settings import DeviceChoice, IdealSettings
from eqprop.energy.settings import (
    ActivationChoice,
    CostChoice,
    HardSigmoidSettings,
    NoTerm,
    SquaredErrorSettings,
    TermChoice,
)
from eqprop.learning.settings import EquilibriumPropagationSettings, RuleChoice
from eqprop.registry import Above0, Choice, Count, Positive, Rate, Section, Settings
from eqprop.relaxation.settings import (
    NUDGED_STEPS,
    RELAXATIONS,
    BlockSettings,
    EulerSettings,
    NudgedStepChoice,
    RelaxationChoice,
    ResidualSettings,
    SplitSettings,
    TerminationChoice,
)
from eqprop.topology.settings import LayeredSettings, WiringChoice
from eqprop.training.settings import (
    ConstantSettings,
    OptimizerChoice,
    ScheduleChoice,
    SgdSettings,
)


class TopologyConfig(Section):
    """Which units are wired."""

    layer_sizes: tuple[Positive, ...] = Field(
        default=(784, 500, 500, 500, 10), min_length=2, description="units per layer, input first"
    )
    file: str | None = Field(
        default=None,
        description="wiring of your own to begin with, instead of full layers: a list of edges "
        "(.csv, .tsv, .txt), GraphML, or an adjacency matrix (.npz)",
    )
    layers: tuple[tuple[str, ...], ...] | None = Field(
        default=None,
        min_length=2,
        description="nodes of that file, layer by layer, by name or pattern such as x*",
    )
    edge_weights: bool = Field(
        default=False, description="whether the weights in that file are the initial ones"
    )
    wiring: WiringChoice = Field(
        default=LayeredSettings(),
        description="how skip connections are made; rewire is Algorithm 1; layered: none",
    )
    intralayer: bool = Field(
        default=False,
        description="whether hidden layers are first made full inside, as Algorithm 1 does",
    )
    drop_intralayer: bool = Field(
        default=False,
        description="whether intralayer connections are left out at the end, so that the wiring "
        "can be read forwards",
    )

    @model_validator(mode="before")
    @classmethod
    def _sizes_of_the_file(cls, values: Any) -> Any:
        """The layers of a wiring of one's own are those of its file."""
        if not isinstance(values, Mapping) or not isinstance(values.get("file"), str):
            return values
        path = os.path.abspath(os.path.expanduser(values["file"]))  # found from elsewhere, too
        values = {**values, "file": path}
        if "layer_sizes" in values:
            return values
        from eqprop.data.wirings import read_topology

        found = read_topology(path, layers=values.get("layers"))
        return {**values, "layer_sizes": found.layer_sizes}

    @model_validator(mode="after")
    def _belongs_to_a_file(self) -> TopologyConfig:
        if self.file is None and (self.layers is not None or self.edge_weights):
            given = "layers" if self.layers is not None else "edge_weights"
            raise ValueError(
                f"`{given}` belongs to a wiring of your own, got no `file`. Name one, or remove it"
            )
        return self

    @property
    def connects_inside_layers(self) -> bool:
        """Whether the finished wiring can have intralayer connections."""
        if self.drop_intralayer:
            return False
        return self.intralayer or self.file is not None or self.wiring.connects_inside_layers

    @property
    def skips_layers(self) -> bool:
        """Whether the finished wiring can have skip connections."""
        return self.file is not None or self.wiring.skips


class NetworkConfig(Section):
    """Energy, cost and initial weights."""

    activation: ActivationChoice = Field(
        default=HardSigmoidSettings(),
        description="rho; sigmoid, shifted-sigmoid and tanh need Euler in both phases, or "
        "activities with that rho",
    )
    cost: CostChoice = Field(
        default=SquaredErrorSettings(),
        description="cross-entropy reads the last layer by a softmax of its own parameters",
    )
    term: TermChoice = Field(default=NoTerm(), description="what is added to the Hopfield energy")
    feedback: Annotated[float, Field(gt=0, le=1)] = Field(
        default=1.0,
        description="g, by which each layer weakens what it sends back; 1 is the paper's network, "
        "0.01 is nearly feed-forward",
    )
    skip_scale: Rate | Literal["glorot"] = Field(
        default=0.05,
        description="initial skip weights are U[-scale, scale]; glorot: the mean of the layers' "
        "Glorot limits, as in the journal version",
    )
    intralayer_scale: Rate = Field(default=0.05, description="the same for intralayer weights")


class PhaseConfig(Section):
    """How a phase relaxes."""

    method: RelaxationChoice = Field(description="relaxation method")
    steps: Count = Field(
        description="steps or sweeps, at most; 0 in the free phase with rule 'through-time' alone, "
        "which then differentiates through all"
    )
    cold_steps: Positive | None = Field(
        default=None, description="instead, in the first epoch, while the particles are cold"
    )
    termination: TerminationChoice = Field(description="when it stops earlier")


class FreePhaseConfig(PhaseConfig):
    """The free phase: block coordinate descent until nine in ten examples have settled."""

    method: RelaxationChoice = Field(default=BlockSettings(), description="relaxation method")
    steps: Count = Field(default=100, description=PhaseConfig.model_fields["steps"].description)
    termination: TerminationChoice = Field(
        default=ResidualSettings(tolerance=1e-3, share=0.9), description="when it stops earlier"
    )


class NudgedPhaseConfig(PhaseConfig):
    """The nudged phase: 8 Euler steps as released."""

    method: RelaxationChoice = Field(default=EulerSettings(), description="relaxation method")
    steps: Count = Field(default=8, description="steps or sweeps, at most")
    termination: TerminationChoice = Field(
        default=ResidualSettings(tolerance=0.0), description="when it stops earlier"
    )
    nudging_step: NudgedStepChoice = Field(
        default=SplitSettings(),
        description="split as released (Euler only, and the default there) or joint as written",
    )

    @classmethod
    def default_choice(cls, name: str, values: Mapping[str, Any]) -> Choice:
        """The nudging step is the usual one of the method."""
        default = cls.model_fields[name].default
        if name != "nudging_step":
            return default
        method = values.get("method", cls.model_fields["method"].default)
        chosen: Any = method if isinstance(method, Choice) else RELAXATIONS.find(method)()
        return NUDGED_STEPS.find(chosen.nudged_steps[0])()


class LearningConfig(Section):
    """How equilibria become updates."""

    rule: RuleChoice = Field(default=EquilibriumPropagationSettings(), description="learning rule")
    learning_rate: Rate | tuple[Rate, ...] = Field(
        default=0.02,
        description="one for all, or one per pair of adjacent layers, input side first",
    )
    bias_rates: Literal["below", "above", "as_released"] = Field(
        default="below", description="with a rate per layer: which one biases take"
    )
    skip_rate: Rate | None = Field(
        default=None,
        description="of skip connections; needed with a rate per layer, else the global one",
    )
    intralayer_rate: Rate | None = Field(
        default=None,
        description="of intralayer connections; needed with a rate per layer, else the global one",
    )
    own_rates: Annotated[dict[str, Rate], Field(min_length=1)] | None = Field(
        default=None, description="of single arrays of parameters by their name, such as biases_1"
    )
    optimizer: OptimizerChoice = Field(default=SgdSettings(), description="from Optax")
    weight_decay: Rate = Field(
        default=0.0,
        description="share of each parameter taken off per update, times its rate (adamw, lion); "
        "added to the gradient with the other optimisers, which for sgd without momentum is the "
        "same",
    )
    schedule: ScheduleChoice = Field(
        default=ConstantSettings(), description="of all rates, over the whole run"
    )
    max_weight: Above0 | None = Field(
        default=None, description="weights are clipped to +-this after each update"
    )


class DeviceConfig(Section):
    """How weights are held, written and read."""

    kind: DeviceChoice = Field(
        default=IdealSettings(), description="of device; all but ideal are imperfect"
    )


class DataConfig(Section):
    """What is learned."""

    dataset: DatasetChoice = Field(default=Mnist5kSettings(), description="name of the data set")
    split: Literal["paper", "journal"] = Field(
        default="paper",
        description="journal: train on train and validation, and look at the test examples "
        "instead of the validation ones; nothing is chosen by them",
    )
    batch_size: Positive = Field(default=20, description="examples per update")
    shuffle: bool = Field(
        default=False, description="a new order each epoch; the paper keeps file order"
    )
    num_train: Positive | None = Field(default=None, description="use only the first so many")
    num_validation: Positive | None = Field(default=None, description="use only the first so many")


class TrainingConfig(Settings):
    """How long, and what is recorded."""

    epochs: Positive = Field(default=10, description="passes through the training examples")
    budget: Above0 | None = Field(
        default=None,
        description="stop earlier, in the middle of an epoch, after so many multiply-adds",
    )
    patience: Positive | None = Field(
        default=None,
        description="stop earlier, after so many looks without a smaller validation error (cost, "
        "for a regression); the best network is kept beside the last one",
    )
    persistent: bool = Field(
        default=True, description="whether free states are kept between epochs"
    )
    cold_share: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.0,
        description="share of the batches that start cold though states are kept, so that the "
        "network learns from cold starts too",
    )
    chunk_batches: Positive = Field(default=40, description="batches per compiled program")
    record_every: Positive = Field(
        default=500, description="batches between two records of the size of the updates"
    )
    data_shards: Positive = Field(
        default=2,
        description="parts of a batch that relax independently, each on a core or device of its "
        "own as far as there are some; must divide the batch size",
    )


class PruningConfig(Settings):
    """Connections that are taken away during training."""

    what: Literal["nothing", "skips", "others"] = Field(
        default="nothing",
        description="skips: all connections that skip a layer; others: as many of the rest, for "
        "comparison",
    )
    order: Literal["magnitude", "random"] = Field(
        default="magnitude", description="magnitude: those with the smallest weights go first"
    )
    after: Positive = Field(default=5, description="epochs before the first are taken away")
    steps: Positive = Field(default=1, description="in so many equal parts")
    every: Positive = Field(default=1, description="epochs from one part to the next")

    def due(self, epoch: int) -> int | None:
        """Which part is due when so many epochs are done, from 1; None for none.

        >>> [PruningConfig(after=2, steps=2, every=3).due(k) for k in range(1, 7)]
        [None, 1, None, None, 2, None]
        """
        later, rest = divmod(epoch - self.after, self.every)
        return later + 1 if not rest and 0 <= later < self.steps else None


class EvaluationConfig(Settings):
    """How often, on how many, and from where the validation error is measured."""

    every: Positive = Field(default=1, description="epochs between two looks")
    examples: Positive = Field(
        default=2000, description="stratified validation examples at each look"
    )
    full_every: Positive = Field(default=10, description="epochs between two looks at all examples")
    start: Literal["cold", "kept", "both"] = Field(
        default="cold",
        description="cold: units at 0; kept: where the look before left each example, as "
        "released, of all examples at every look; both: the error from kept states is recorded "
        "beside the one from a cold start",
    )
    starts: Count = Field(
        default=0,
        description="when a run ends, the validation error of the equilibrium of lowest energy of "
        "so many starts is recorded too (zeros, halves, ones, then random ones); 0: not",
    )
    max_steps: Positive = Field(
        default=300, description="sweeps at most; the share unsettled is reported"
    )
    batch_size: Positive = Field(default=500, description="examples relaxed together")
    audit_every: Count = Field(
        default=0, description="epochs between two gradient audits of the training; 0 for none"
    )
    audit_examples: Positive = Field(default=20, description="training examples of an audit")


class CheckpointConfig(Settings):
    """How often a run can be resumed, and what happens when it cannot be saved."""

    every_epochs: Rate = Field(default=1.0, description="epochs at least between two savings")
    every_minutes: Rate = Field(default=3.0, description="and minutes at least between them")
    keep: Positive = Field(default=2, description="resume points kept while the run goes on")
    keep_finished: bool = Field(default=False, description="keep them after the run's end too")
    on_failure: Literal["stop", "continue"] = Field(
        default="stop", description="when saving fails: stop, or go on without"
    )
