"""Learning rules and nudgings by name: what `learning` chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, model_validator

from eqprop.registry import Choice, Kind, Positive

if TYPE_CHECKING:
    from eqprop.learning.base import AbstractLearningRule, Phase
    from eqprop.learning.nudging import AbstractNudging

RULES = Kind("rule", "eqprop.learning.settings")
NUDGINGS = Kind("nudging", "eqprop.learning.settings")


class NudgingChoice(Choice):
    """Which values of beta are compared."""

    kind = NUDGINGS

    def build(self, beta: float) -> AbstractNudging:
        """The nudging of this strength."""
        raise NotImplementedError

    def lowest(self, beta: float) -> float:
        """The lowest beta that it may take."""
        return -abs(beta)


class RandomSignSettings(NudgingChoice, name="random-sign"):
    """beta or -beta, drawn for each batch, and the free phase: the paper's."""

    def build(self, beta: float) -> AbstractNudging:
        from eqprop.learning.nudging import RandomSign

        return RandomSign(beta)


class OneSidedSettings(NudgingChoice, name="one-sided"):
    """beta and the free phase."""

    def build(self, beta: float) -> AbstractNudging:
        from eqprop.learning.nudging import OneSided

        return OneSided(beta)

    def lowest(self, beta: float) -> float:
        return beta


class CenteredSettings(NudgingChoice, name="centered"):
    """beta and -beta."""

    def build(self, beta: float) -> AbstractNudging:
        from eqprop.learning.nudging import Centered

        return Centered(beta)


class RuleChoice(Choice):
    """How equilibria become updates.

    `relaxations`: how many phases relax, 0 to 2; `holds_outputs`: whether outputs are held at their
    targets, so that these must be states; `reads_forwards`: whether the wiring is read forwards;
    `compares_states`: whether an update is made of states that units had in phases, and of nothing
    that follows from an energy.
    """

    kind = RULES
    relaxations: ClassVar[int] = 2
    holds_outputs: ClassVar[bool] = False
    reads_forwards: ClassVar[bool] = False
    compares_states: ClassVar[bool] = False

    def build(self, free: Phase, nudged: Phase) -> AbstractLearningRule:
        """The rule with these two phases."""
        raise NotImplementedError


CARRIED: Any = Field(
    default=False,
    description="whether the second phase moves the difference of the two states, which then needs "
    "no subtraction: for weakened feedback, where that is below rounding",
)


def check_carried(carried: bool, config: Any) -> None:
    """Refuses to carry a difference by a method that cannot."""
    if carried and not config.nudged.method.carries_differences:
        raise ValueError(
            f"`nudged.method` must be 'block' where the difference of the phases is carried, got "
            f"'{config.nudged.method.name}'. Set nudged.method = \"block\" or learning.carried = "
            "false"
        )


class EquilibriumPropagationSettings(RuleChoice, name="equilibrium-propagation"):
    """The free phase beside a nudged one."""

    compares_states = True
    nudging: NudgingChoice = Field(
        default=RandomSignSettings(), description="which values of beta are compared"
    )
    beta: float = Field(default=1.0, allow_inf_nan=False, description="nudging strength, not 0")
    carried: bool = CARRIED

    @model_validator(mode="after")
    def _fits(self) -> EquilibriumPropagationSettings:
        if self.beta == 0:
            raise ValueError(
                "`beta` must not be 0: without a nudge nothing is learned. Try beta = 1.0"
            )
        return self

    def check(self, config: Any) -> None:
        check_carried(self.carried, config)
        curvature, worst = config.network.cost.curvature(), self.nudging.lowest(self.beta)
        if not config.nudged.method.needs_blocks or curvature is None:
            return
        if 1 + curvature * worst <= 0:
            euler = 'nudged.method = "euler" or '
            raise ValueError(
                f"`learning.beta` must be above {-1 / curvature:g} for a nudged phase by block "
                f"coordinate descent, got {worst:g}: the output layer would have no minimum. Use "
                f"{euler if config.network.activation.has_finite_force else ''}a smaller beta"
            )

    def build(self, free: Phase, nudged: Phase) -> AbstractLearningRule:
        from eqprop.learning.equilibrium_propagation import EquilibriumPropagation

        return EquilibriumPropagation(self.nudging.build(self.beta), free, nudged, self.carried)


class HolomorphicSettings(RuleChoice, name="holomorphic"):
    """Nudges on a circle in the complex plane."""

    beta: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        default=1.0, description="radius of the circle"
    )
    points: Annotated[int, Field(ge=2)] = Field(default=4, description="points on the circle")

    def check(self, config: Any) -> None:
        if not config.network.activation.is_holomorphic:
            raise ValueError(
                "`network.activation` must have a complex derivative for rule 'holomorphic', got "
                f"'{config.network.activation.name}', which has corners. Use sigmoid, "
                "shifted-sigmoid or tanh"
            )
        if config.nudged.nudging_step.name != "joint":
            raise ValueError(
                "`nudged.nudging_step` must be 'joint' for rule 'holomorphic', got "
                f"'{config.nudged.nudging_step.name}'. Set nudged.nudging_step = \"joint\""
            )

    def build(self, free: Phase, nudged: Phase) -> AbstractLearningRule:
        from eqprop.learning.holomorphic import HolomorphicEquilibriumPropagation

        return HolomorphicEquilibriumPropagation(self.beta, free, nudged, self.points)


class ContrastiveHebbianSettings(RuleChoice, name="contrastive-hebbian"):
    """The free phase beside one with outputs held at their targets."""

    carried: bool = CARRIED
    holds_outputs = True
    compares_states = True

    def check(self, config: Any) -> None:
        check_carried(self.carried, config)

    def build(self, free: Phase, nudged: Phase) -> AbstractLearningRule:
        from eqprop.learning.contrastive import ContrastiveHebbian

        return ContrastiveHebbian(free, nudged, self.carried)


class CoupledSettings(RuleChoice, name="coupled"):
    """The free phase beside one with outputs held a part of the way to their targets."""

    beta: Annotated[float, Field(gt=0, le=1)] = Field(
        default=1.0, description="eta, the part of the way to the target"
    )
    carried: bool = CARRIED
    holds_outputs = True
    compares_states = True

    def check(self, config: Any) -> None:
        check_carried(self.carried, config)

    def build(self, free: Phase, nudged: Phase) -> AbstractLearningRule:
        from eqprop.learning.contrastive import CoupledLearning

        return CoupledLearning(self.beta, free, nudged, self.carried)


class RecurrentBackpropagationSettings(RuleChoice, name="recurrent-backpropagation"):
    """The exact gradient, its adjoint by a relaxation."""

    def check(self, config: Any) -> None:
        if config.nudged.method.needs_blocks:
            raise ValueError(
                "`nudged.method` must be 'euler' for rule 'recurrent-backpropagation', whose "
                "adjoint has no blocks"
            )

    def build(self, free: Phase, nudged: Phase) -> AbstractLearningRule:
        from eqprop.learning.recurrent_backpropagation import RecurrentBackpropagation

        return RecurrentBackpropagation(free, nudged)


class ImplicitSettings(RuleChoice, name="implicit"):
    """The exact gradient by a dense solve."""

    relaxations = 1

    def build(self, free: Phase, nudged: Phase) -> AbstractLearningRule:
        from eqprop.learning.exact import ImplicitDifferentiation

        return ImplicitDifferentiation(free)


class ThroughTimeSettings(RuleChoice, name="through-time"):
    """Backpropagation through the last steps of the free phase."""

    differentiated_steps: Positive = Field(
        default=30, description="steps of the free phase that are differentiated"
    )
    relaxations = 1

    def build(self, free: Phase, nudged: Phase) -> AbstractLearningRule:
        from eqprop.learning.through_time import BackpropagationThroughTime

        return BackpropagationThroughTime(free, self.differentiated_steps)


class BackpropagationSettings(RuleChoice, name="backpropagation"):
    """Backpropagation on the same wiring, read forwards."""

    relaxations = 0
    reads_forwards = True

    def check(self, config: Any) -> None:
        if config.topology.connects_inside_layers:
            raise ValueError(
                "`topology` must have no intralayer connections for rule 'backpropagation', which "
                "reads the wiring forwards; Algorithm 1 makes some, too. Set "
                "topology.drop_intralayer = true"
            )
        if config.evaluation.audit_every:
            raise ValueError(
                "`evaluation.audit_every` must be 0 for rule 'backpropagation', got "
                f"{config.evaluation.audit_every}: its gradient is that of the wiring read "
                "forwards, not of the network that the audit settles"
            )

    def build(self, free: Phase, nudged: Phase) -> AbstractLearningRule:
        from eqprop.learning.backpropagation import Backpropagation

        return Backpropagation()
