"""How an update becomes a change of a device: rounded to levels, or as a number of pulses."""

from __future__ import annotations

import abc
import dataclasses
from typing import Literal, NamedTuple, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax

from eqprop.errors import ConfigError, unknown_name
from eqprop.relaxation.base import is_traced

Rounding = Literal["nearest", "stochastic"]


class Range(NamedTuple):
    """Where a device can be: `low` and `high`, numbers or arrays of the devices' shape."""

    low: Array
    high: Array


class Written(NamedTuple):
    """What a write left behind.

    **Attributes:** `value` of each device, and how many `pulses` it got.
    """

    value: Array
    pulses: Array


def rounded(key: Array, value: Array, how: Rounding) -> Array:
    """Whole numbers: the nearest ones, or one of the two beside a value, right on average.

    >>> print(rounded(jax.random.key(0), jnp.array([0.4, -1.6]), "nearest"))
    [ 0. -2.]
    """
    if how == "nearest":
        return jnp.round(value)
    return jnp.floor(value + jax.random.uniform(key, value.shape, value.dtype))


def normal(key: Array, like: Array, strength: Array) -> Array:
    """Normal numbers; none are drawn where their strength is 0: they cost more than a write."""
    return lax.cond(
        strength > 0,
        lambda: jax.random.normal(key, like.shape, like.dtype),
        lambda: jnp.zeros_like(like),
    )


class AbstractWriting(eqx.Module):
    """How an update is written. Array leaves are strengths."""

    def start(self, key: Array, value: Array, room: Range) -> Array:
        """What devices hold that are set to `value` with all care, once."""
        return jnp.clip(value, room.low, room.high)

    def careful(self) -> AbstractWriting:
        """The same, rounded to the nearest, where an update of any size is a write."""
        return self

    @abc.abstractmethod
    def write(
        self, key: Array, value: Array, update: Array, room: Range, unlike: tuple[Array, Array]
    ) -> Written:
        """After an update.

        **Arguments:** `unlike`: factors on a device's steps up and down, frozen.
        """


class Added(AbstractWriting):
    """Exactly."""

    def write(
        self, key: Array, value: Array, update: Array, room: Range, unlike: tuple[Array, Array]
    ) -> Written:
        moved = value + jnp.where(update > 0, unlike[0], unlike[1]) * update
        return Written(jnp.clip(moved, room.low, room.high), (update != 0).astype(value.dtype))


class Rounded(AbstractWriting):
    """To one of so many levels, evenly spaced from the low end of the range to the high one.

    **Arguments:**

    - `step`: between two of them; with an odd number of levels 0 is one, in a range around 0.
    - `rounding`: `nearest`, where a small update vanishes, or `stochastic`, where it moves a device
      by a level now and then, right on average.
    - `least`: pulses at least for an update that is not 0; the same level may be written again.
    """

    step: Array
    rounding: Rounding = eqx.field(static=True)
    least: int = eqx.field(static=True, default=0)

    @staticmethod
    def to_levels(levels: Array | float, room: Range, rounding: Rounding) -> Rounded:
        """So many levels over a range, 2 or more."""
        if not is_traced(levels) and not bool(jnp.all(jnp.asarray(levels) >= 2)):
            raise ConfigError(f"`levels` must be 2 or more, got {levels}.")
        if rounding not in get_args(Rounding):
            raise ConfigError(unknown_name("rounding", rounding, get_args(Rounding)))
        return Rounded((room.high - room.low) / (jnp.asarray(levels) - 1), rounding)

    def start(self, key: Array, value: Array, room: Range) -> Array:
        return self._on_a_level(key, jnp.clip(value, room.low, room.high), room, "nearest")

    def write(
        self, key: Array, value: Array, update: Array, room: Range, unlike: tuple[Array, Array]
    ) -> Written:
        wanted = value + jnp.where(update > 0, unlike[0], unlike[1]) * update
        found = self._on_a_level(key, jnp.clip(wanted, room.low, room.high), room, self.rounding)
        pulses = jnp.round(jnp.abs(found - value) / self.step)
        return Written(found, jnp.maximum(pulses, _at_least(self.least, update)))

    def careful(self) -> Rounded:
        return Rounded(self.step, "nearest", least=1)

    def _on_a_level(self, key: Array, value: Array, room: Range, how: Rounding) -> Array:
        # Counted from the low end, so that each level is one number, however it was reached.
        level = rounded(key, (value - room.low) / self.step, how)
        return jnp.clip(room.low + level * self.step, room.low, room.high)


class Pulses(eqx.Module):
    """How many pulses an update takes, and how unlike they are.

    So many pulses are sent as come nearest to the update, for a device at 0.

    **Attributes:**

    - `step`: of a pulse, above 0, in the units of the weights.
    - `up_down`: in (-1, 1): steps up are (1 + it) times as large, steps down (1 - it) times.
    - `cycle`: spread of a step from pulse to pulse, in steps of the device.
    - `most`: pulses at most for one update.
    - `rounding`: as of `Rounded`.
    - `least`: pulses at least for an update that is not 0.
    """

    step: Array
    up_down: Array
    cycle: Array
    most: Array
    rounding: Rounding = eqx.field(static=True)
    least: int = eqx.field(static=True, default=0)

    @staticmethod
    def of(
        step: float,
        up_down: float = 0.0,
        cycle: float = 0.0,
        most: float = float("inf"),
        rounding: Rounding = "stochastic",
    ) -> Pulses:
        """From plain numbers."""
        numbers = [jnp.float32(value) for value in (step, up_down, cycle, most)]
        return Pulses(numbers[0], numbers[1], numbers[2], numbers[3], rounding)

    def careful(self) -> Pulses:
        """Of these, the nearest number that is not 0."""
        return dataclasses.replace(self, rounding="nearest", least=1)

    def sent(self, key: Array, update: Array, step: Array | None = None) -> Array:
        """How many for each device.

        **Arguments:** `step`: of a device at 0, where that is another one than `self.step`.
        """
        size = self.step if step is None else step
        wanted = rounded(key, jnp.abs(update) / size, self.rounding)
        return jnp.minimum(jnp.maximum(wanted, _at_least(self.least, update)), self.most)

    def size(self, up: Array, unlike: tuple[Array, Array]) -> Array:
        """Of a device's steps in the direction of its pulses."""
        factor = jnp.where(up, (1 + self.up_down) * unlike[0], (1 - self.up_down) * unlike[1])
        return self.step * factor

    def ends(
        self,
        key: Array,
        before: Array,
        moved: Array,
        pulses: Array,
        room: Range,
        varied: Array,
    ) -> Written:
        """Where devices end that pulses `moved`, each a little more or less.

        **Arguments:** `varied`: of which the noise of a pulse is the share `cycle`.
        """
        noise = normal(key, before, self.cycle)
        found = before + moved + jnp.sqrt(pulses) * self.cycle * varied * noise
        return Written(jnp.where(pulses > 0, jnp.clip(found, room.low, room.high), before), pulses)


def _at_least(least: int, update: Array) -> Array:
    return jnp.where(update == 0, 0, least).astype(update.dtype)


class LinearPulses(AbstractWriting):
    """Pulses whose steps shrink linearly towards the ends of the range.

    A step up is 1 - `slope_up` w / high times that at 0, a step down 1 - `slope_down` w / low
    times. Slope 0 has constant steps; slope 1 soft bounds, which no number of pulses reaches. The
    noise of a pulse is in proportion to the device's step at 0, or with `noise_grows` to that where
    it stands before an update.

    **References:** the step models of IBM's aihwkit, `LinearStepDevice` and `SoftBoundsDevice`.

    >>> room = Range(jnp.float32(-1), jnp.float32(1))
    >>> soft = LinearPulses(Pulses.of(0.1), jnp.float32(1), jnp.float32(1))
    >>> same = (jnp.ones(1), jnp.ones(1))
    >>> key, start = jax.random.key(0), jnp.zeros(1)
    >>> print(soft.write(key, start, jnp.array([0.2]), room, same).value.round(4))
    [0.19]
    """

    pulses: Pulses
    slope_up: Array
    slope_down: Array
    noise_grows: bool = eqx.field(static=True, default=False)

    def careful(self) -> LinearPulses:
        return dataclasses.replace(self, pulses=self.pulses.careful())

    def write(
        self, key: Array, value: Array, update: Array, room: Range, unlike: tuple[Array, Array]
    ) -> Written:
        counting, varying = jax.random.split(key)
        pulses, up = self.pulses.sent(counting, update), update > 0
        size = self.pulses.size(up, unlike)
        slope = jnp.where(up, self.slope_up, self.slope_down)
        # Downwards everything is upwards from the other end.
        end, place = jnp.where(up, room.high, -room.low), jnp.where(up, value, -value)
        # place -> place + size (1 - slope place / end), so many times, in closed form.
        is_sloped = slope > 0
        goal = end / jnp.where(is_sloped, slope, 1)
        left = jnp.maximum(1 - slope * size / end, 0.0) ** pulses
        moved = jnp.where(is_sloped, (goal - place) * (1 - left), pulses * size)
        moved = jnp.where(up, moved, -moved)
        varied = size * jnp.maximum(1 - slope * place / end, 0) if self.noise_grows else size
        return self.pulses.ends(varying, value, moved, pulses, room, varied)


class ExponentialPulses(AbstractWriting):
    """Pulses whose steps depend exponentially on the value.

    A step up is max(1 - `a_up` exp(`gamma_up` z), 0) times `step`, a step down
    max(1 - `a_down` exp(-`gamma_down` z), 0) times, with z = 2 `scale` w / (high - low) + `shift`.
    All pulses of one update are those of the value before it. Their number is the update over the
    mean of a step up and a step down at 0. The noise of a pulse is `pulses.cycle` times the sum of
    its step, `noise_floor`, and `noise_slope` times the size of the value.

    **References:** `ExpStepDevice` of IBM's aihwkit, which takes pulses one by one.
    """

    pulses: Pulses
    a_up: Array
    a_down: Array
    gamma_up: Array
    gamma_down: Array
    scale: Array
    shift: Array
    noise_floor: Array
    noise_slope: Array

    def careful(self) -> ExponentialPulses:
        return dataclasses.replace(self, pulses=self.pulses.careful())

    def write(
        self, key: Array, value: Array, update: Array, room: Range, unlike: tuple[Array, Array]
    ) -> Written:
        counting, varying = jax.random.split(key)
        same = jnp.ones((), value.dtype), jnp.ones((), value.dtype)
        ups, downs = (self._size(jnp.asarray(up), self.shift, same) for up in (True, False))
        pulses, up = self.pulses.sent(counting, update, (ups + downs) / 2), update > 0
        z = 2 * self.scale * value / (room.high - room.low) + self.shift
        size = self._size(up, z, unlike)
        moved = jnp.where(up, pulses * size, -pulses * size)
        varied = size + self.noise_floor + self.noise_slope * jnp.abs(value)
        return self.pulses.ends(varying, value, moved, pulses, room, varied)

    def _size(self, up: Array, z: Array, unlike: tuple[Array, Array]) -> Array:
        """Of a device's steps in a direction, where it stands at `z`."""
        power = jnp.where(up, self.gamma_up * z, -self.gamma_down * z)
        factor = jnp.maximum(1 - jnp.where(up, self.a_up, self.a_down) * jnp.exp(power), 0)
        return self.pulses.size(up, unlike) * factor
