"""Relaxations, terminations and nudged steps by name: what `free` and `nudged` choose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from eqprop.registry import Above0, Choice, Count, Kind, Rate, Share

if TYPE_CHECKING:
    from eqprop.relaxation.base import AbstractRelaxation
    from eqprop.relaxation.nudged_step import AbstractNudgedStep
    from eqprop.relaxation.termination import AbstractTermination

RELAXATIONS = Kind("relaxation", "eqprop.relaxation.settings")
TERMINATIONS = Kind("termination", "eqprop.relaxation.settings")
NUDGED_STEPS = Kind("nudged-step", "eqprop.relaxation.settings")


class RelaxationChoice(Choice):
    """How states move.

    `nudged_steps`: the names of the nudged steps that it can take, the usual one first;
    `needs_blocks`: whether the energy must have a minimum over each block in closed form;
    `carries_differences`: whether it can move the difference of two states instead of a state;
    `unit`: what its steps are called.
    """

    kind = RELAXATIONS
    nudged_steps: ClassVar[tuple[str, ...]] = ("joint",)
    needs_blocks: ClassVar[bool] = False
    carries_differences: ClassVar[bool] = False
    unit: ClassVar[str] = "steps"

    def build(self, nudged_step: AbstractNudgedStep) -> AbstractRelaxation:
        """The method; a free phase never asks for the nudged step."""
        raise NotImplementedError


class EulerSettings(RelaxationChoice, name="euler"):
    """Euler steps along the force, the paper's."""

    step_size: Above0 = Field(default=0.5, description="of a step; the paper has 0.5")
    nudged_steps = ("split", "joint")
    unit = "Euler steps"

    def build(self, nudged_step: AbstractNudgedStep) -> AbstractRelaxation:
        from eqprop.relaxation.euler import Euler

        return Euler(self.step_size, nudging_step=nudged_step)


class BlockSettings(RelaxationChoice, name="block"):
    """Block coordinate descent: one block of units after the other goes to its minimum."""

    step_size: Annotated[float, Field(gt=0, lt=2)] = Field(
        default=1.5, description="above 1 is over-relaxation; from 2 on no network settles"
    )
    block_size: Count = Field(
        default=64, description="most units updated at once; 0 for whole layers"
    )
    order: Literal["forwards", "backwards", "alternating"] = Field(
        default="forwards",
        description="of the blocks in a sweep; backwards takes a nudge of the outputs to the "
        "inputs in one sweep",
    )
    needs_blocks = True
    carries_differences = True
    unit = "sweeps"

    def build(self, nudged_step: AbstractNudgedStep) -> AbstractRelaxation:
        from eqprop.relaxation.block import BlockCoordinateDescent

        return BlockCoordinateDescent(self.step_size, self.block_size or None, self.order)


class _Around(RelaxationChoice):
    """A relaxation that is made of the steps of another."""

    moves: RelaxationChoice = Field(
        default=EulerSettings(), description="the relaxation whose steps it takes"
    )

    @property
    def nudged_steps(self) -> tuple[str, ...]:
        return self.moves.nudged_steps

    @property
    def needs_blocks(self) -> bool:
        return self.moves.needs_blocks


class MomentumSettings(_Around, name="momentum"):
    """Steps from a state that has gone on as it last moved."""

    inertia: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.5, description="share of the last move that is made again"
    )

    def build(self, nudged_step: AbstractNudgedStep) -> AbstractRelaxation:
        from eqprop.relaxation.accelerated import Momentum

        return Momentum(self.moves.build(nudged_step), self.inertia)


class AndersonSettings(_Around, name="anderson"):
    """Anderson mixing of the last steps."""

    depth: Annotated[int, Field(ge=1, le=10)] = Field(
        default=3, description="how many earlier steps are mixed"
    )

    def build(self, nudged_step: AbstractNudgedStep) -> AbstractRelaxation:
        from eqprop.relaxation.accelerated import Anderson

        return Anderson(self.moves.build(nudged_step), self.depth)


class NoisySettings(_Around, name="noisy"):
    """Steps with noise on every state."""

    noise: Rate = Field(default=1e-3, description="standard deviation of what a step adds")

    def build(self, nudged_step: AbstractNudgedStep) -> AbstractRelaxation:
        from eqprop.relaxation.accelerated import Noisy

        return Noisy(self.moves.build(nudged_step), self.noise)


class TerminationChoice(Choice):
    """When a phase stops."""

    kind = TERMINATIONS

    @property
    def measures(self) -> bool:
        """As `AbstractTermination.measures`."""
        return True

    def build(self, steps: int, *, cold: bool) -> AbstractTermination:
        """The rule for a phase of at most so many steps; `cold` in the first epoch."""
        raise NotImplementedError


class ResidualSettings(TerminationChoice, name="residual"):
    """Once enough examples have settled."""

    tolerance: Rate = Field(
        default=1e-3, description="stop once residuals are within it; 0 takes every step"
    )
    cold_tolerance: Rate = Field(
        default_factory=lambda values: values.get("tolerance", 0.0) / 100,
        description="instead, in the first epoch; a hundredth of the other unless said: outputs "
        "that are still at 0 come to life slowly, with small residuals",
    )
    share: Share = Field(
        default=1.0,
        description="of the examples of a part of a batch that must be within the tolerance",
    )

    def build(self, steps: int, *, cold: bool) -> AbstractTermination:
        from eqprop.relaxation.termination import FixedSteps, Residual

        tolerance = self.cold_tolerance if cold else self.tolerance
        return Residual(tolerance, steps, self.share) if self.tolerance else FixedSteps(steps)


class FixedStepsSettings(TerminationChoice, name="fixed-steps"):
    """After all steps."""

    measured: bool = Field(
        default=True,
        description="whether the residual is measured at the end, which costs as much as a step; "
        "else it is what the last step saw on its way, which is larger as a rule",
    )

    @property
    def measures(self) -> bool:
        return self.measured

    def build(self, steps: int, *, cold: bool) -> AbstractTermination:
        from eqprop.relaxation.termination import FixedSteps

        return FixedSteps(steps, measured=self.measured)


class NudgedStepChoice(Choice):
    """What a step of a nudged phase does with the cost."""

    kind = NUDGED_STEPS

    def build(self) -> AbstractNudgedStep:
        """The nudged step."""
        raise NotImplementedError


class SplitSettings(NudgedStepChoice, name="split"):
    """The step of the energy first, then that of the cost, as released."""

    def build(self) -> AbstractNudgedStep:
        from eqprop.relaxation.nudged_step import Split

        return Split()


class JointSettings(NudgedStepChoice, name="joint"):
    """Both forces at once, as the paper writes it."""

    def build(self) -> AbstractNudgedStep:
        from eqprop.relaxation.nudged_step import Joint

        return Joint()
