"""Activations, costs and terms of the energy by name: what `network` chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field

from eqprop.registry import Above0, Choice, Kind

if TYPE_CHECKING:
    from jax import Array

    from eqprop.energy.activation import AbstractActivation
    from eqprop.energy.base import AbstractCost
    from eqprop.energy.interactions import AbstractInteraction

ACTIVATIONS = Kind("activation", "eqprop.energy.settings")
COSTS = Kind("cost", "eqprop.energy.settings")
TERMS = Kind("term", "eqprop.energy.settings")


class ActivationChoice(Choice):
    """rho.

    `has_box`: whether states are kept in a box in which blocks of units have a minimum in closed
    form; `is_share`: whether rho lies in [0, 1]; `is_parabola`: whether a unit adds s^2/2;
    `is_holomorphic`: whether it has a complex derivative.
    """

    kind = ACTIVATIONS
    has_box: ClassVar[bool] = False
    is_share: ClassVar[bool] = False
    is_parabola: ClassVar[bool] = True
    is_holomorphic: ClassVar[bool] = False

    @property
    def told(self) -> str:
        """As a message says it."""
        return f"activation '{self.name}'"

    @property
    def has_finite_force(self) -> bool:
        """As of the activation."""
        return True

    @property
    def states_are_shares(self) -> bool:
        """Whether states lie in [0, 1]."""
        return self.has_box and self.is_share

    def build(self) -> AbstractActivation:
        """The activation."""
        raise NotImplementedError

    @classmethod
    def describing(cls, made: AbstractActivation) -> Self | None:
        """The settings that build `made`; None where they cannot."""
        found = cls()
        return found if found.build() == made else None


class HardSigmoidSettings(ActivationChoice, name="hard-sigmoid"):
    """clip(s, 0, 1), the paper's."""

    has_box = True
    is_share = True

    def build(self) -> AbstractActivation:
        from eqprop.energy.activation import HardSigmoid

        return HardSigmoid()


class SigmoidSettings(ActivationChoice, name="sigmoid"):
    """1 / (1 + exp(-s))."""

    is_holomorphic = True
    is_share = True

    def build(self) -> AbstractActivation:
        from eqprop.energy.activation import Sigmoid

        return Sigmoid()


class ShiftedSigmoidSettings(ActivationChoice, name="shifted-sigmoid"):
    """1 / (1 + exp(2 - 4 s)), the smooth curve nearest to the hard sigmoid."""

    is_holomorphic = True
    is_share = True

    def build(self) -> AbstractActivation:
        from eqprop.energy.activation import ShiftedSigmoid

        return ShiftedSigmoid()


class TanhSettings(ActivationChoice, name="tanh"):
    """tanh(s)."""

    is_holomorphic = True

    def build(self) -> AbstractActivation:
        from eqprop.energy.activation import Tanh

        return Tanh()


class ActivitiesSettings(ActivationChoice, name="activities"):
    """States that are activities rho(h), as in Hopfield's energy of 1984."""

    rho: ActivationChoice = Field(
        default=TanhSettings(), description="rho of a unit whose state is its activity"
    )
    has_box = True
    is_parabola = False

    @property
    def told(self) -> str:
        return f"{super().told} of rho '{self.rho.name}'"

    @property
    def has_finite_force(self) -> bool:
        return self.rho.has_box

    @property
    def states_are_shares(self) -> bool:
        return self.rho.is_share

    def build(self) -> AbstractActivation:
        from eqprop.energy.activation import Activities

        return Activities(self.rho.build())

    @classmethod
    def describing(cls, made: AbstractActivation) -> Self | None:
        from eqprop.energy.activation import Activities

        inside = (
            choice.describing(made.rho)
            for name, choice in ACTIVATIONS.each()
            if isinstance(made, Activities) and name != cls.name
        )
        rho = next((choice for choice in inside if choice is not None), None)
        return None if rho is None else cls(rho=rho)


class CostChoice(Choice):
    """What the outputs should have been.

    `holds_targets`: whether its targets are states of output units. `learns_classes`: whether they
    must be classes, or a share of each.
    """

    kind = COSTS
    holds_targets: ClassVar[bool] = False
    learns_classes: ClassVar[bool] = False

    def curvature(self) -> float | None:
        """As `AbstractCost.curvature`."""
        return None

    def build(self, outputs: int, targets: int, key: Array) -> AbstractCost:
        """The cost of a network with so many output units and targets; `key` for its parameters."""
        raise NotImplementedError

    @classmethod
    def describing(cls, made: AbstractCost) -> Self | None:
        """The settings that build such a cost as `made`; None where they cannot."""
        return None


class SquaredErrorSettings(CostChoice, name="squared-error"):
    """``factor * |y - target|^2``, summed over the outputs."""

    cost_factor: Above0 = Field(
        default=1.0, description="C = factor |y - target|^2; Eq. 3 has 0.5, section 2.3 has 1"
    )
    holds_targets = True

    def curvature(self) -> float:
        return 2 * self.cost_factor

    def build(self, outputs: int, targets: int, key: Array) -> AbstractCost:
        from eqprop.energy.cost import SquaredError

        return SquaredError(self.cost_factor)

    @classmethod
    def describing(cls, made: AbstractCost) -> Self | None:
        from eqprop.energy.cost import SquaredError

        return cls(cost_factor=made.factor) if isinstance(made, SquaredError) else None


class CrossEntropySettings(CostChoice, name="cross-entropy"):
    """The last layer read by a softmax with parameters of its own."""

    learns_classes = True

    def build(self, outputs: int, targets: int, key: Array) -> AbstractCost:
        from eqprop.energy.cost import CrossEntropy

        return CrossEntropy.initialize(outputs, targets, key)

    @classmethod
    def describing(cls, made: AbstractCost) -> Self | None:
        from eqprop.energy.cost import CrossEntropy

        return cls() if isinstance(made, CrossEntropy) else None


class TermChoice(Choice):
    """What is added to the Hopfield energy."""

    kind = TERMS

    def build(self, layer_sizes: tuple[int, ...], key: Array) -> tuple[AbstractInteraction, ...]:
        """The terms that are added; `key` for their initial parameters."""
        raise NotImplementedError

    @property
    def adds(self) -> bool:
        """Whether anything is added."""
        return True


class NoTerm(TermChoice, name="none"):
    """Nothing."""

    def build(self, layer_sizes: tuple[int, ...], key: Any) -> tuple[()]:
        return ()

    @property
    def adds(self) -> bool:
        return False
