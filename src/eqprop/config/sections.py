"""The sections of a run's settings, one class each. pydantic only: never imports JAX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Above0 = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Pair = tuple[Count, Count]


class Settings(BaseModel):
    """Base: frozen, and an unknown key is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class TopologyConfig(Settings):
    """Which units are wired."""

    layer_sizes: tuple[Positive, ...] = Field(
        default=(784, 500, 500, 500, 10), min_length=2, description="units per layer, input first"
    )
    wiring: Literal["layered", "rewire", "rewire_each", "add"] = Field(
        default="layered", description="how skip connections are made; rewire is Algorithm 1"
    )
    intralayer: bool = Field(
        default=False,
        description="whether hidden layers are first made full inside, as Algorithm 1 does",
    )
    connections: Count | None = Field(
        default=None, description="n, connections replaced (rewire) or added (add)"
    )
    p: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="instead of n: the paper's p (rewire), or the probability",
    )
    receivers: tuple[Pair, ...] | None = Field(
        default=None, description="pairs of layers (later, earlier) that may receive connections"
    )
    drop_intralayer: bool = Field(
        default=False,
        description="whether intralayer connections are left out at the end, so that the wiring "
        "can be read forwards",
    )

    @model_validator(mode="after")
    def _fits(self) -> TopologyConfig:
        given = [name for name in ("connections", "p") if getattr(self, name) is not None]
        needed = {
            "layered": [],
            "rewire": [["connections"], ["p"]],
            "rewire_each": [["p"]],
            "add": [["connections"]],
        }[self.wiring]
        if (given and not needed) or (needed and given not in needed):
            rule = " or ".join(f"`{n[0]}`" for n in needed) or "neither `connections` nor `p`"
            raise ValueError(
                f"wiring '{self.wiring}' takes {rule}, got "
                f"connections={self.connections} and p={self.p}"
            )
        if self.wiring == "rewire" and self.p == 1:
            raise ValueError(
                "`p` must lie in [0, 1) for wiring 'rewire', got 1.0: repeated draws never reach "
                "every connection. Use wiring 'rewire_each'"
            )
        if self.receivers is not None and self.wiring == "layered":
            raise ValueError("`receivers` has no meaning for wiring 'layered'; remove it")
        return self

    @property
    def connects_inside_layers(self) -> bool:
        """Whether the finished wiring can have intralayer connections."""
        if self.drop_intralayer:
            return False
        anywhere = self.wiring in ("rewire", "add") and self.receivers is None
        received = any(later == earlier for later, earlier in self.receivers or ())
        return self.intralayer or anywhere or received


class NetworkConfig(Settings):
    """Energy, cost and initial weights."""

    activation: Literal["hard-sigmoid", "sigmoid", "shifted-sigmoid", "tanh"] = Field(
        default="hard-sigmoid", description="rho; all but the first need Euler in both phases"
    )
    cost: Literal["squared-error", "cross-entropy"] = Field(
        default="squared-error",
        description="cross-entropy reads the last layer by a softmax of its own parameters",
    )
    cost_factor: Above0 = Field(
        default=1.0, description="squared error: C = factor |y - target|^2; Eq. 3 has 0.5"
    )
    skip_scale: Rate | Literal["glorot"] = Field(
        default=0.05,
        description="initial skip weights are U[-scale, scale]; glorot: the mean of the layers' "
        "Glorot limits, as in the journal version",
    )
    intralayer_scale: Rate = Field(default=0.05, description="the same for intralayer weights")


class PhaseConfig(Settings):
    """How a phase relaxes."""

    method: Literal["block", "euler"] = Field(description="relaxation method")
    step_size: Above0 = Field(
        description="of the method; above 1 is over-relaxation for block; the paper's Euler has 0.5"
    )
    block_size: Count = Field(
        description="block only: most units updated at once; 0 for whole layers"
    )
    steps: Count = Field(
        description="steps or sweeps, at most; 0 in the free phase with rule 'through-time' alone, "
        "which then differentiates through all"
    )
    cold_steps: Positive | None = Field(
        default=None, description="instead, in the first epoch, while the particles are cold"
    )
    tolerance: Rate = Field(
        description="stop earlier once the residuals are within it; 0 takes every step"
    )
    cold_tolerance: Rate = Field(
        description="instead, in the first epoch; a hundredth unless said: outputs that are still "
        "at 0 come to life slowly, with small residuals"
    )
    share: Annotated[float, Field(gt=0, le=1)] = Field(
        description="of the examples (of a shard) that must be within the tolerance"
    )
    nudging_step: Literal["split", "joint"] = Field(
        description="split as released or joint as written; Euler only"
    )

    @model_validator(mode="before")
    @classmethod
    def _defaults_that_follow(cls, values: Any) -> Any:
        """The step size follows the method, the first tolerance that of the other epochs."""
        if not isinstance(values, Mapping):
            return values
        values = dict(values)
        if "step_size" not in values:
            method = values.get("method", cls.model_fields["method"].default)
            values["step_size"] = 0.5 if method == "euler" else 1.5
        if "cold_tolerance" not in values:
            tolerance = values.get("tolerance", cls.model_fields["tolerance"].default)
            if isinstance(tolerance, int | float):
                values["cold_tolerance"] = tolerance / 100
        return values

    @model_validator(mode="after")
    def _fits(self) -> PhaseConfig:
        if self.method == "block" and self.nudging_step == "split":
            raise ValueError(
                "nudging_step 'split' belongs to method 'euler', got method 'block'. "
                'Set method = "euler" or nudging_step = "joint"'
            )
        if self.method == "block" and self.step_size >= 2:
            raise ValueError(
                f"step_size must be below 2 for method 'block', got {self.step_size:g}: from 2 on "
                "no network settles. Try 1.5"
            )
        return self


class FreePhaseConfig(PhaseConfig):
    """The free phase: block coordinate descent until nine in ten examples have settled."""

    method: Literal["block", "euler"] = "block"
    step_size: Above0 = 1.5
    block_size: Count = 64
    steps: Count = 100
    tolerance: Rate = 1e-3
    cold_tolerance: Rate = 1e-5
    share: Annotated[float, Field(gt=0, le=1)] = 0.9
    nudging_step: Literal["split", "joint"] = "joint"


class NudgedPhaseConfig(PhaseConfig):
    """The nudged phase: 8 Euler steps as released."""

    method: Literal["block", "euler"] = "euler"
    step_size: Above0 = 0.5
    block_size: Count = 64
    steps: Count = 8
    tolerance: Rate = 0.0
    cold_tolerance: Rate = 0.0
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    nudging_step: Literal["split", "joint"] = "split"


class LearningConfig(Settings):
    """How equilibria become updates."""

    rule: Literal[
        "equilibrium-propagation",
        "holomorphic",
        "contrastive-hebbian",
        "coupled",
        "recurrent-backpropagation",
        "implicit",
        "through-time",
        "backpropagation",
    ] = Field(default="equilibrium-propagation", description="learning rule")
    nudging: Literal["random-sign", "one-sided", "centered"] = Field(
        default="random-sign", description="which values of beta are compared"
    )
    beta: float = Field(
        default=1.0,
        allow_inf_nan=False,
        description="nudging strength, not 0; holomorphic: radius of the circle; coupled: eta",
    )
    points: Annotated[int, Field(ge=2)] = Field(
        default=4, description="holomorphic: points on the circle"
    )
    differentiated_steps: Positive = Field(
        default=30, description="through-time: steps of the free phase that are differentiated"
    )
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
    optimizer: Literal["sgd", "adam", "adamw", "rmsprop", "adagrad", "lion"] = Field(
        default="sgd", description="from Optax"
    )
    momentum: float = Field(default=0.0, ge=0, lt=1, description="of sgd")
    weight_decay: Rate = Field(
        default=0.0,
        description="share of each parameter taken off per update, times its rate (adamw, lion); "
        "added to the gradient with the other optimisers, which for sgd without momentum is the "
        "same",
    )
    schedule: Literal["constant", "cosine", "exponential"] = Field(
        default="constant", description="of all rates, over the whole run"
    )
    final_rate: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.1, description="with a schedule: the last rate, as a share of the first"
    )
    max_weight: Above0 | None = Field(
        default=None, description="weights are clipped to +-this after each update"
    )

    @model_validator(mode="after")
    def _fits(self) -> LearningConfig:
        if self.beta == 0:
            raise ValueError(
                "`beta` must not be 0: without a nudge nothing is learned. Try beta = 1.0"
            )
        if self.momentum and self.optimizer != "sgd":
            raise ValueError("`momentum` belongs to optimizer 'sgd'; set it to 0")
        owners = {
            "nudging": ("equilibrium-propagation",),
            "beta": ("equilibrium-propagation", "holomorphic", "coupled"),
            "points": ("holomorphic",),
            "differentiated_steps": ("through-time",),
        }
        for name, rules in owners.items():
            changed = getattr(self, name) != type(self).model_fields[name].default
            if changed and self.rule not in rules:
                listed = ", ".join(f"'{rule}'" for rule in rules)
                raise ValueError(
                    f"`{name}` belongs to rule {listed}, got {getattr(self, name)!r} with "
                    f"rule '{self.rule}'; remove it"
                )
        if self.rule in ("holomorphic", "coupled") and self.beta < 0:
            raise ValueError(f"`beta` must be above 0 for rule '{self.rule}', got {self.beta:g}")
        if self.rule == "coupled" and self.beta > 1:
            raise ValueError(f"`beta` is eta for rule 'coupled' and at most 1, got {self.beta:g}")
        return self


class DataConfig(Settings):
    """What is learned."""

    dataset: Literal["mnist", "fashion-mnist", "mnist-5k", "wine", "diabetes", "teacher"] = Field(
        default="mnist-5k", description="name of the data set"
    )
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
    persistent: bool = Field(
        default=True, description="whether free states are kept between epochs"
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
