"""Optimisers and schedules by name: what `learning` chooses beside its rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from eqprop.registry import Choice, Kind, Share

if TYPE_CHECKING:
    import optax

OPTIMIZERS = Kind("optimizer", "eqprop.training.settings")
SCHEDULES = Kind("schedule", "eqprop.training.settings")


class ScheduleChoice(Choice):
    """How all rates change over the run."""

    kind = SCHEDULES
    is_constant: ClassVar[bool] = False

    def build(self, updates: int) -> Any:
        """The factor on all rates: a number, or a function of the number of updates before."""
        raise NotImplementedError


class ConstantSettings(ScheduleChoice, name="constant"):
    """Not at all."""

    is_constant = True

    def build(self, updates: int) -> float:
        return 1.0


class CosineSettings(ScheduleChoice, name="cosine"):
    """Half a cosine, from 1 to the last."""

    final_rate: Share = Field(default=0.1, description="the last rate, as a share of the first")

    def build(self, updates: int) -> Any:
        import optax

        return optax.cosine_decay_schedule(1.0, updates, alpha=self.final_rate)


class ExponentialSettings(ScheduleChoice, name="exponential"):
    """By the same factor at every update, from 1 to the last."""

    final_rate: Share = Field(default=0.1, description="the last rate, as a share of the first")

    def build(self, updates: int) -> Any:
        import optax

        return optax.exponential_decay(1.0, updates, self.final_rate)


class OptimizerChoice(Choice):
    """From Optax.

    `decays`: whether it takes weight decay off the parameters itself; else decay is added to the
    gradient.
    """

    kind = OPTIMIZERS
    decays: ClassVar[bool] = False

    def build(self, rate: Any, decay: float) -> optax.GradientTransformation:
        """The optimiser with a factor on its rate (`ScheduleChoice.build`)."""
        raise NotImplementedError


class SgdSettings(OptimizerChoice, name="sgd"):
    """Plain descent."""

    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.0, description="share of the update before that is made again"
    )

    def build(self, rate: Any, decay: float) -> optax.GradientTransformation:
        import optax

        return optax.sgd(rate, momentum=self.momentum or None)


class _Named(OptimizerChoice):
    """An optimiser of Optax under its own name."""

    def build(self, rate: Any, decay: float) -> optax.GradientTransformation:
        import optax

        options = {"weight_decay": decay} if self.decays else {}
        return getattr(optax, self.name)(rate, **options)


class AdamSettings(_Named, name="adam"):
    """Adam."""


class AdamWSettings(_Named, name="adamw"):
    """Adam with decoupled weight decay."""

    decays = True


class RmsPropSettings(_Named, name="rmsprop"):
    """RMSProp."""


class AdagradSettings(_Named, name="adagrad"):
    """Adagrad."""


class LionSettings(_Named, name="lion"):
    """Lion."""

    decays = True
