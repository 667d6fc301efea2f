"""Devices by name: what `device.kind` chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from eqprop.learning.settings import RULES
from eqprop.registry import Above0, Choice, Kind, Positive, Rate

if TYPE_CHECKING:
    from eqprop.devices.analog import Effects, Mismatch, Sensor
    from eqprop.devices.base import AbstractDevice
    from eqprop.devices.writing import AbstractWriting, Pulses, Range

DEVICES = Kind("device", "eqprop.devices.presets")

Share = Annotated[float, Field(ge=0, le=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class DeviceChoice(Choice):
    """How weights are held, written and read."""

    kind = DEVICES

    @property
    def is_without_energy(self) -> bool:
        """Whether what units see has no energy."""
        return False

    def build(self) -> AbstractDevice:
        """The device."""
        raise NotImplementedError

    def given(self, x: np.ndarray) -> np.ndarray:
        """Inputs, pixels or in [0, 1], as they reach the network."""
        return x


class IdealSettings(DeviceChoice, name="ideal"):
    """Every update is added as it is."""

    def build(self) -> AbstractDevice:
        from eqprop.devices.ideal import Ideal

        return Ideal()


MOST_BITS = 24
"""What a number in single precision has."""


SpreadKind = Literal["normal", "log-normal"]


class AnalogSettings(DeviceChoice):
    """What all imperfect devices have."""

    low: Number = Field(default=-1.0, description="low end of the range of a weight, below 0")
    high: Above0 = Field(default=1.0, description="high end of it")
    pair: bool = Field(
        default=False,
        description="whether a weight is G+ - G-, from 0 to `high` and from 0 to -`low`, of which "
        "updates up write the one and updates down the other",
    )
    biases: bool = Field(default=False, description="whether biases are held by such devices too")
    spread: Rate = Field(
        default=0.0,
        description="of steps from device to device, as a share, up and down alike; frozen",
    )
    spread_kind: SpreadKind = Field(default="normal", description="of that spread")
    up_down_spread: Rate = Field(
        default=0.0,
        description="of what a device's steps up are larger by, and those down smaller; frozen; "
        "none in a pair, whose devices only grow",
    )
    range_spread: Rate = Field(
        default=0.0, description="of both ends of the range from device to device; frozen"
    )
    stuck_low: Share = Field(
        default=0.0, description="share of the devices that stay at the low end"
    )
    stuck_high: Share = Field(default=0.0, description="the same at the high end")
    leak: Share = Field(
        default=0.0, description="share of its value that a device loses with each update"
    )
    write_noise: Rate = Field(
        default=0.0,
        description="of what a write leaves, in weights, until the device is written again",
    )
    read_noise: Rate = Field(
        default=0.0, description="in weights, new for every batch and for every look"
    )
    read_each: Literal["batch", "phase", "step"] = Field(
        default="batch",
        description="phase: the noise of reads is new for every phase of a batch too; step: for "
        "every step of a relaxation and every example, so that states never come to rest",
    )
    drift: Rate = Field(
        default=0.0,
        description="exponent nu of (1 + age)^-nu, age in updates since a device was written",
    )
    wires: Share = Field(
        default=0.0,
        description="share of a read that is lost in the wires at the far corner of the array of a "
        "pair of layers, linearly less nearer by",
    )
    gain: Rate = Field(default=0.0, description="spread of the gain of units, as a share; frozen")
    offset: Rate = Field(default=0.0, description="spread of what is added to their pull; frozen")
    unequal: Rate = Field(
        default=0.0,
        description="spread, as a share, of what a connection passes on backwards against "
        "forwards; frozen; with it, or with `gain`, no energy exists",
    )
    state_bits: Annotated[int, Field(ge=1, le=MOST_BITS)] | None = Field(
        default=None,
        description="of the converter (ADC) by which states are read out for an update",
    )
    state_noise: Rate = Field(default=0.0, description="of a reading of these states")
    state_readings: Positive = Field(
        default=1, description="readings of each of these states; their mean counts"
    )
    input_bits: Annotated[int, Field(ge=1, le=MOST_BITS)] | None = Field(
        default=None,
        description="of the converter (DAC) before inputs in [0, 1], in training and at every look",
    )

    @model_validator(mode="after")
    def _fits(self) -> AnalogSettings:
        if self.low >= 0:
            raise ValueError(f"`low` must lie below 0, got {self.low}")
        if self.state_readings > 1 and not self.state_noise:
            raise ValueError(
                "`state_readings` must be 1 without `state_noise`, since all would be the same, "
                f"got {self.state_readings}"
            )
        if self.stuck_low + self.stuck_high > 1:
            raise ValueError(
                f"`stuck_low` and `stuck_high` must be 1 at most together, got {self.stuck_low} "
                f"and {self.stuck_high}"
            )
        return self

    @property
    def is_without_energy(self) -> bool:
        return bool(self.gain or self.unequal)

    def check(self, config: Any) -> None:
        if self.is_without_energy:
            self._check_without_energy(config)
        carried = getattr(config.learning, "carried", False)
        if self.read_each != "batch" and (carried or not config.learning.rule.compares_states):
            raise ValueError(
                "`device.read_each` must be 'batch' for a rule that does not compare the states of "
                f"two phases, got '{self.read_each}' with '{config.learning.rule.name}'"
                + (" and the difference carried" if carried else "")
            )
        if self.state_bits is None and not self.state_noise:
            return
        if carried or not config.learning.rule.compares_states:
            raise ValueError(
                "`device.state_bits` and `device.state_noise` need a rule that compares the states "
                f"of two phases, got '{config.learning.rule.name}'"
                + (" with the difference carried" if carried else "")
            )
        activation = config.network.activation
        if not activation.states_are_shares:
            raise ValueError(
                "`device.state_bits` and `device.state_noise` are of states in [0, 1], got "
                f"{activation.told}, whose states leave it. Set "
                'network.activation = "hard-sigmoid"'
            )

    def _check_without_energy(self, config: Any) -> None:
        """What needs an energy, which units of unlike gain or unequal directions have not."""
        why = "no energy exists with `device.gain` or `device.unequal`"
        if not config.learning.rule.compares_states:
            fitting = ", ".join(name for name, rule in RULES.each() if rule.compares_states)
            raise ValueError(
                f"the rule must compare states of two phases ({fitting}), got "
                f"'{config.learning.rule.name}': {why}"
            )
        if starts := config.evaluation.starts:
            raise ValueError(f"`evaluation.starts` must be 0, got {starts}: {why}")

    def writing(self, room: Range) -> AbstractWriting:
        """How an update is written."""
        raise NotImplementedError

    def given(self, x: np.ndarray) -> np.ndarray:
        if self.input_bits is None:
            return x
        most = 2**self.input_bits - 1
        whole = np.float32(255 if x.dtype == np.uint8 else 1)
        return (np.round(np.clip(x / whole, 0, 1) * most) / most).astype(np.float32)

    def build(self) -> AbstractDevice:
        import jax.numpy as jnp

        from eqprop.devices.analog import Analog
        from eqprop.devices.writing import Range

        room = Range(jnp.float32(self.low), jnp.float32(self.high))
        return Analog(
            room, self.writing(room), self._effects(), self._sensor(), self._mismatch(),
            pair=self.pair, with_biases=self.biases, read_each=self.read_each,
            log_normal=self.spread_kind == "log-normal",
        )  # fmt: skip

    def _effects(self) -> Effects:
        from eqprop.devices.analog import Effects

        names = (
            "spread", "up_down_spread", "range_spread", "stuck_low", "stuck_high", "leak",
            "write_noise", "read_noise", "drift", "wires",
        )  # fmt: skip
        return Effects.of(**{name: getattr(self, name) for name in names})

    def _mismatch(self) -> Mismatch | None:
        from eqprop.devices.analog import Mismatch

        strengths = (self.gain, self.offset, self.unequal)
        return Mismatch.of(*strengths) if any(strengths) else None

    def _sensor(self) -> Sensor | None:
        from eqprop.devices.analog import Sensor

        if self.state_bits is None and not self.state_noise:
            return None
        return Sensor.of(self.state_bits, self.state_noise, self.state_readings)


Rounding = Literal["nearest", "stochastic"]


class AddedSettings(AnalogSettings, name="analog"):
    """Updates of any size, in a range, with whatever else is said."""

    def writing(self, room: Range) -> AbstractWriting:
        from eqprop.devices.writing import Added

        return Added()


class RoundedSettings(AnalogSettings, name="rounded"):
    """Weights of so many bits: each update ends at a level."""

    bits: Annotated[int, Field(ge=2, le=MOST_BITS)] = Field(
        default=8, description="2^bits - 1 levels over the range, so that 0 is one of them"
    )
    rounding: Rounding = Field(
        default="stochastic",
        description="nearest, where small updates vanish; stochastic, right on average",
    )

    def writing(self, room: Range) -> AbstractWriting:
        from eqprop.devices.writing import Rounded

        return Rounded.to_levels(2**self.bits - 1, room, self.rounding)


class PulsedSettings(AnalogSettings):
    """What devices have that are written by pulses."""

    step: Above0 = Field(
        default=0.002, description="of a pulse, in weights: at 0, or the factor of exponential ones"
    )
    up_down: Annotated[float, Field(gt=-1, lt=1)] = Field(
        default=0.0, description="steps up are 1 + it times as large, steps down 1 - it times"
    )
    cycle: Rate = Field(
        default=0.0,
        description="spread of a step from pulse to pulse, in steps of the device: linear ones at "
        "0, exponential ones where it stands",
    )
    most: Positive | None = Field(default=None, description="pulses at most for one update")
    rounding: Rounding = Field(
        default="stochastic", description="of the number of pulses that an update takes"
    )

    def pulses(self) -> Pulses:
        """What both kinds of pulses share."""
        from eqprop.devices.writing import Pulses

        most = float("inf") if self.most is None else self.most
        return Pulses.of(self.step, self.up_down, self.cycle, most, self.rounding)


class LinearSettings(PulsedSettings, name="pulses"):
    """Pulses of a constant size, or one that shrinks linearly towards the ends of the range."""

    slope_up: Rate = Field(
        default=0.0, description="steps up are 1 - it w / high times that at 0; 1: soft bounds"
    )
    slope_down: Rate = Field(default=0.0, description="the same downwards, with `low`")
    noise_grows: bool = Field(
        default=False, description="whether `cycle` is in steps where the device stands, not at 0"
    )

    def writing(self, room: Range) -> AbstractWriting:
        import jax.numpy as jnp

        from eqprop.devices.writing import LinearPulses

        slopes = (jnp.float32(self.slope_up), jnp.float32(self.slope_down))
        return LinearPulses(self.pulses(), *slopes, self.noise_grows)


class ExponentialSettings(PulsedSettings, name="exponential"):
    """Pulses whose size depends exponentially on the value."""

    a_up: Number = Field(
        default=0.0, description="steps up are max(1 - a exp(gamma z), 0) times `step`"
    )
    a_down: Number = Field(default=0.0, description="the same downwards, with -gamma z")
    gamma_up: Number = Field(default=1.0, description="of steps up")
    gamma_down: Number = Field(default=1.0, description="of steps down")
    scale: Number = Field(
        default=1.0, description="a in z = 2 a w / (high - low) + b, of which steps depend"
    )
    shift: Number = Field(default=0.0, description="b in the same")
    noise_floor: Rate = Field(
        default=0.0,
        description="in weights; noise of a pulse is `cycle` times the sum of its step and this",
    )
    noise_slope: Rate = Field(
        default=0.0, description="by which that sum grows with what the device holds, per weight"
    )

    def writing(self, room: Range) -> AbstractWriting:
        import jax.numpy as jnp

        from eqprop.devices.writing import ExponentialPulses

        names = (
            "a_up", "a_down", "gamma_up", "gamma_down", "scale", "shift",
            "noise_floor", "noise_slope",
        )  # fmt: skip
        return ExponentialPulses(self.pulses(), **{n: jnp.float32(getattr(self, n)) for n in names})
