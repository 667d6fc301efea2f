"""What moves in a second phase: the states, or their difference from those of the free phase."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from eqprop.energy import AbstractClampedEnergy, Difference, Feedback, HopfieldEnergy, Network
from eqprop.energy.base import not_carried
from eqprop.errors import ConfigError
from eqprop.learning.base import Phase, Report
from eqprop.learning.differences import Phases, Slope
from eqprop.relaxation import BlockCoordinateDescent, Equilibrium
from eqprop.shapes import Outputs, States


class SecondPhase(eqx.Module):
    """The energy of a second phase before it is nudged, and where it starts.

    **Attributes:**

    - `energy`: the clamped energy, or the `Difference` around the free state.
    - `start`: `[batch, free units]`.
    - `free_state`: where the free phase ended.
    - `offset`: as of `TotalEnergy`; None where states move.
    """

    energy: AbstractClampedEnergy
    start: States
    free_state: States
    offset: Outputs | None

    @staticmethod
    def of(
        network: Network, clamped: AbstractClampedEnergy, free_state: States, carried: bool
    ) -> SecondPhase:
        """After a free phase; `carried`: whether the difference moves."""
        if not carried:
            return SecondPhase(clamped, free_state, free_state, None)
        around = Difference.around(clamped, free_state)
        offset = network.output(free_state)
        return SecondPhase(around, jnp.zeros_like(free_state), free_state, offset)

    def anew(self, clamped: AbstractClampedEnergy) -> SecondPhase:
        """The same phase on the energy of parameters that are read anew for it.

        **Raises:** `ConfigError` where the difference is carried: it is that of one energy.
        """
        if self.offset is not None:
            raise ConfigError(
                "the difference must not be carried where each phase reads its devices anew, got "
                "carried=True. Set carried=False, or read once for a batch."
            )
        return dataclasses.replace(self, energy=clamped)

    def relax(self, phase: Phase, nudged: AbstractClampedEnergy, key: Array) -> Equilibrium:
        """Lets the phase settle on the energy, once that is nudged."""
        if self.offset is not None:  # differences are 0 before
            phase = dataclasses.replace(phase, is_cold=True)
        return phase.relax(nudged, self.start, key)

    def slopes(self, coefficient: Array, end: Array) -> tuple[Slope, ...]:
        """`coefficient` times what the slope of E is more at `end` than in the free phase."""
        if self.offset is not None:
            return ((coefficient, end),)
        return (coefficient, end), (-coefficient, self.free_state)

    def phases(
        self,
        slopes: tuple[Slope, ...],
        free: Equilibrium,
        others: Sequence[Equilibrium],
        beta: Array,
    ) -> Phases:
        """What a rule returns of its phases; reports show states, whatever moved."""
        report = Report(free, tuple(map(self._told, others)), beta)
        origin = None if self.offset is None else self.free_state
        return Phases(slopes, free.state, report, origin)

    def _told(self, found: Equilibrium) -> Equilibrium:
        if not isinstance(self.energy, Difference):
            return found
        return dataclasses.replace(found, state=self.energy.state(found.state))


def check_difference(network: Network, phase: Phase, carried: bool) -> None:
    """Refuses, by `ConfigError`, to carry a difference where none is derived, or to lose it."""
    energy = network.energy
    if not isinstance(energy, HopfieldEnergy):
        if carried:
            raise not_carried(f"the energy {type(energy).__name__}")
        return
    if not carried:
        feedback = Feedback(energy.feedback, energy.layer_sizes)
        if feedback.weight(1) > float(jnp.finfo(network.dtype).max):
            raise ConfigError(
                f"the difference must be carried for `feedback` {energy.feedback:g} in "
                f"{feedback.last} layers, got carried=False: the weight of the first layer, "
                f"{feedback.weight(1):.0e}, is beyond {network.dtype}. Set carried=True, "
                "learning.carried = true of a run."
            )
        return
    if not energy.activation.carries_differences:
        raise not_carried(f"the activation {type(energy.activation).__name__}")
    for term in energy.terms:
        if not term.carries_differences:
            raise not_carried(f"the term {type(term).__name__}")
    if not isinstance(phase.method, BlockCoordinateDescent):
        raise ConfigError(
            f"the second phase must be `BlockCoordinateDescent` for a carried difference, got "
            f"{type(phase.method).__name__}. Take that, or carried=False."
        )
