"""A step of a relaxation as one formula for every unit: what a kernel can repeat by itself."""

from __future__ import annotations

import abc
import dataclasses
from typing import Literal

import equinox as eqx
from jax import Array

from eqprop.energy import AbstractClampedEnergy
from eqprop.energy.linear import Linear
from eqprop.relaxation.base import AbstractRelaxation


@dataclasses.dataclass(frozen=True)
class Plan:
    """How the work of a step is dealt out.

    **Attributes:**

    - `examples`: of a group of programs.
    - `members`: programs of a group; each moves every `members`-th tile of a block.
    - `tile`: units that a program moves at once; a power of 2.
    - `columns`: of the coupling that it reads at once; a power of 2.
    - `warps`: of a program.
    """

    examples: int
    members: int
    tile: int = 8
    columns: int = 128
    warps: int = 8

    @property
    def chunk(self) -> int:
        """How many times so many columns are read at once, as far as registers last."""
        held = max(1, self.tile * self.columns // (32 * self.warps))  # of the coupling, by a thread
        shared = max(1, self.examples // 2) if self.examples <= 4 else self.examples
        return max(1, 48 // held // shared)

    @staticmethod
    def fitting(batch: int, block: int, cores: int) -> Plan:
        """For so many examples on a device with so many multiprocessors.

        Few examples a group and many members make a step short; members pay as long as each has a
        tile of a block, whose largest has `block` units. Tiles of 16 settle blocks of 64 sooner
        than tiles of 8 with twice the members (H100).

        >>> Plan.fitting(20, 64, 132)
        Plan(examples=2, members=4, tile=16, columns=128, warps=8)
        """
        examples = next((n for n in (2, 4, 10) if -(-batch // n) * 8 <= cores), batch)
        members = min(max(1, cores // -(-batch // examples)), -(-block // 16))
        share, widest = -(-block // members), 32 if examples <= 4 else 16
        return Plan(examples, members, min(widest, 1 << max(4, (share - 1).bit_length())))


@dataclasses.dataclass(frozen=True)
class Kernel:
    """Who takes the steps of a phase.

    **Attributes:**

    - `policy`: `device`, a kernel where the device has one (the default); `plain`, never;
      `interpret`, the kernel's own code on any device, slowly.
    - `plan`: of the kernel, instead of the one that fits.
    """

    policy: Literal["device", "plain", "interpret"] = "device"
    plan: Plan | None = None


class Moves(eqx.Module):
    """s <- project(keep * s + gain * (coupling @ s) + push), one block of units after the other.

    **Attributes:**

    - `linear`: the coupling, and how units lie in layers.
    - `keep`, `gain`: `[free units]`; `push`: `[batch, free units]`.
    - `step`: by which a move is divided to give the residual that is seen on the way.
    - `blocks`: first and last unit of each block, in their order.
    - `is_projected`: whether that residual is of the projected move, or of the whole move
      projected (`|project(s + move / step) - s|`).
    """

    linear: Linear
    keep: Array
    gain: Array
    push: Array
    step: Array
    blocks: tuple[tuple[int, int], ...] = eqx.field(static=True)
    is_projected: bool = eqx.field(static=True, default=False)


class AbstractLinearRelaxation(AbstractRelaxation):
    """A relaxation whose steps are `Moves` where the energy is quadratic in its box.

    The driver then leaves the steps of a phase to one kernel, on devices that have one.
    """

    @property
    @abc.abstractmethod
    def taken_by(self) -> Kernel:
        """Who takes its steps."""

    @abc.abstractmethod
    def moves(self, prepared: AbstractClampedEnergy) -> Moves | None:
        """Its step on a prepared energy; None where it is none of this form."""
