"""Weights held by imperfect devices: a range, levels or pulses, spread, faults, noise, drift."""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from eqprop.devices.base import AbstractDevice, Held
from eqprop.devices.writing import AbstractWriting, Range, normal
from eqprop.energy import Connections, Network
from eqprop.energy.groups import Group, replaced
from eqprop.energy.noise import StepNoise
from eqprop.errors import ConfigError
from eqprop.relaxation.base import is_traced
from eqprop.topology import Block

ReadEach = Literal["batch", "phase", "step"]


class Effects(eqx.Module):
    """How strong everything is that is not the writing itself; all 0: nothing.

    **Attributes:**

    - `spread`: of a device's steps, from device to device: a factor 1 + spread N(0, 1), not below
      0, or exp(spread N(0, 1)) of an `Analog` that is `log_normal`; for both directions; frozen.
    - `up_down_spread`: of what that factor is more for steps up, and less for those down; frozen.
      Of a pair, whose devices only grow, each has a factor of its own, and nothing else.
    - `range_spread`: of both ends of the range, factors 1 + spread N(0, 1).
    - `stuck_low`, `stuck_high`: shares of the devices that stay at the ends of their range.
    - `leak`: share of its value that a device loses between two updates.
    - `write_noise`: of the value that a write leaves, in weights; drawn anew by each write that
      moves a device, and seen by every read until the next.
    - `read_noise`: of every read, in weights.
    - `drift`: exponent nu of (1 + age)^-nu, age in updates since a device was written last.
    - `wires`: share of a read that the wires take at the far corner of the array of a pair of
      layers; it grows linearly with the distance from the near one, along both wires.
    """

    spread: Array
    up_down_spread: Array
    range_spread: Array
    stuck_low: Array
    stuck_high: Array
    leak: Array
    write_noise: Array
    read_noise: Array
    drift: Array
    wires: Array

    @staticmethod
    def of(
        spread: float = 0.0,
        up_down_spread: float = 0.0,
        range_spread: float = 0.0,
        stuck_low: float = 0.0,
        stuck_high: float = 0.0,
        leak: float = 0.0,
        write_noise: float = 0.0,
        read_noise: float = 0.0,
        drift: float = 0.0,
        wires: float = 0.0,
    ) -> Effects:
        """From plain numbers."""
        own = (
            spread, up_down_spread, range_spread, stuck_low, stuck_high, leak, write_noise,
            read_noise, drift, wires,
        )  # fmt: skip
        return Effects(*(jnp.float32(value) for value in own))


class Sensor(eqx.Module):
    """What is read of the states for an update: by a converter of so many steps, with noise.

    States of the hard sigmoid lie in [0, 1]. The states themselves go on as they are.

    **Arguments:**

    - `step`: of the converter, 0 for none.
    - `noise`: of a reading.
    - `readings`: of each state, 1 or more; what is seen is their mean.
    """

    step: Array
    noise: Array
    readings: Array

    @staticmethod
    def of(bits: int | None = None, noise: float = 0.0, readings: int = 1) -> Sensor:
        """A converter of so many bits over [0, 1], at whose ends it stops."""
        step = 0.0 if bits is None else 1 / (2**bits - 1)
        return Sensor(jnp.float32(step), jnp.float32(noise), jnp.int32(readings))

    def seen(self, key: Array, states: Array) -> Array:
        """States as they are read."""

        def one_more(number: Array, total: Array) -> Array:
            return total + self._one(jax.random.fold_in(key, number), states)

        total = lax.fori_loop(1, self.readings, one_more, self._one(key, states))
        return total / self.readings

    def _one(self, key: Array, states: Array) -> Array:
        read = states + self.noise * normal(key, states, self.noise)
        step = jnp.where(self.step > 0, self.step, 1)
        return jnp.where(self.step > 0, step * jnp.round(jnp.clip(read, 0, 1) / step), read)


class Mismatch(eqx.Module):
    """What units and the two directions of a connection differ by, frozen.

    A unit i is drawn by gain_i (sum of what it receives + bias) + offset_i. The earlier unit of a
    connection gets 1 + `unequal` N(0, 1) times of what the later one gets.

    **Attributes:** `gain`: of factors 1 + gain N(0, 1), not below 0; `offset`: of what is added;
    `unequal`; `keeps_energy`: whether gains are 1 and directions equal, so that an energy exists.
    """

    gain: Array
    offset: Array
    unequal: Array
    keeps_energy: bool = eqx.field(static=True)

    @staticmethod
    def of(gain: float = 0.0, offset: float = 0.0, unequal: float = 0.0) -> Mismatch:
        """From plain numbers."""
        sizes = (jnp.float32(size) for size in (gain, offset, unequal))
        return Mismatch(*sizes, keeps_energy=not (gain or unequal))

    def draw(self, key: Array, network: Network) -> dict[str, Any]:
        """The normal numbers of every unit and connection."""
        units, directions = jax.random.split(key)
        energy = network.hopfield
        found: dict[str, Any] = {"gain": {}, "offset": {}, "back": {}}
        for layer, bias in energy.biases.items():
            both = jax.random.normal(jax.random.fold_in(units, layer), (2, *bias.shape), bias.dtype)
            found["gain"][layer], found["offset"][layer] = both
        for (post, pre), weight in energy.weights.items():
            if pre:
                drawing = jax.random.fold_in(jax.random.fold_in(directions, post), pre)
                found["back"][post, pre] = jax.random.normal(drawing, weight.shape, weight.dtype)
        return found

    def seen(self, network: Network, own: dict[str, Any]) -> Network:
        """The network as its units see it."""
        energy = network.hopfield
        shifts = {k: self.offset * own["offset"][k] for k in energy.biases}
        if self.keeps_energy:
            biases = {k: bias + shifts[k] for k, bias in energy.biases.items()}
            return eqx.tree_at(lambda n: n.energy.biases, network, biases)
        gains = {k: jnp.maximum(1 + self.gain * n, 0) for k, n in own["gain"].items()}
        biases = {k: gains[k] * bias + shifts[k] for k, bias in energy.biases.items()}
        wired = self._wired(energy.connections, gains, own["back"])
        return eqx.tree_at(
            lambda n: (n.energy.interactions[0], n.energy.biases), network, (wired, biases)
        )

    def _wired(
        self, connections: Connections, gains: dict[int, Array], unlike: dict[Block, Array]
    ) -> Connections:
        weights, back = {}, {}
        for (post, pre), weight in connections.weights.items():
            weights[post, pre] = gains[post][:, None] * weight
            if pre:
                unequal = 1 + self.unequal * unlike[post, pre]
                back[post, pre] = gains[pre][None] * (unequal * weight)
            else:
                back[post, pre] = weights[post, pre]  # inputs get nothing
        noise = connections.noise
        if noise is not None:
            deviations = self._wired(noise.deviations, gains, unlike)
            biases = {layer: gains[layer] * deviation for layer, deviation in noise.biases.items()}
            noise = StepNoise(deviations, biases, noise.key)
        return dataclasses.replace(connections, weights=weights, back=back, noise=noise)


class Analog(AbstractDevice):
    """Weights, and biases if wanted, held one per device.

    A weight is a conductance with a reference, or with `pair` the difference G+ - G- of two, G+
    from 0 to the high end of the range, G- from 0 to minus the low one: updates up write G+,
    updates down write G-.

    **Arguments:**

    - `room`: the range of weights, around 0.
    - `writing`: how an update is written.
    - `effects`: everything else.
    - `pair`: whether a weight is a pair of devices.
    - `with_biases`: whether biases are held by such devices too.
    - `sensor`: what is read of the states for an update.
    - `mismatch`: of units, and of the two directions of a connection.
    - `log_normal`: whether spread is, of steps.
    - `read_each`: how often the noise of reads is new: for every `"batch"`, every `"phase"` of it,
      or every `"step"` of a phase, of every example.

    >>> import eqprop, jax
    >>> from eqprop.devices import Rounded
    >>> network = eqprop.Network.initialize(eqprop.layered([40, 3, 2]), seed=0)
    >>> room = Range(jnp.float32(-1), jnp.float32(1))
    >>> device = Analog(room, Rounded.to_levels(9, room, "nearest"))
    >>> held = device.hold(jax.random.key(0), network)
    >>> sorted({abs(float(w)) for w in held.network.energy.weights[1, 0].ravel()})
    [0.0, 0.25]
    """

    room: Range
    writing: AbstractWriting
    effects: Effects
    sensor: Sensor | None
    mismatch: Mismatch | None
    pair: bool = eqx.field(static=True)
    with_biases: bool = eqx.field(static=True)
    log_normal: bool = eqx.field(static=True)
    read_each: ReadEach = eqx.field(static=True)

    def __init__(
        self,
        room: Range,
        writing: AbstractWriting,
        effects: Effects | None = None,
        sensor: Sensor | None = None,
        mismatch: Mismatch | None = None,
        *,
        pair: bool = False,
        with_biases: bool = False,
        log_normal: bool = False,
        read_each: ReadEach = "batch",
    ) -> None:
        if not is_traced(room.low) and not is_traced(room.high):
            low, high = float(np.max(room.low)), float(np.min(room.high))
            if not low <= 0 <= high or low == high:
                raise ConfigError(
                    f"`room` must be a range around 0, got {low:g} to {high:g}: devices begin at 0."
                )
        self.room, self.writing = room, writing
        self.effects = effects or Effects.of()
        self.sensor, self.mismatch = sensor, mismatch
        self.pair, self.with_biases, self.read_each = pair, with_biases, read_each
        self.log_normal = log_normal

    def groups(self, network: Network) -> list[Group]:
        return [
            group
            for group in network.groups()
            if group.clipped or (self.with_biases and group.kind == "biases")
        ]

    def hold(self, key: Array, network: Network) -> Held:
        groups, values, state = self.groups(network), [], {}
        for number, group in enumerate(groups):
            drawing = jax.random.split(jax.random.fold_in(key, number), 3)
            value = group.of(network)
            nothing = jnp.zeros_like(value)
            own: dict[str, Array] = {
                "unlike": jax.random.normal(drawing[0], (4, *value.shape), value.dtype),
                "fate": jax.random.uniform(drawing[1], value.shape, value.dtype),
                "noise": nothing, "age": nothing, "pulses": nothing, "writes": nothing,
            }  # fmt: skip
            held = self._stuck(self.writing.start(drawing[2], value, self._room(own)), own)
            if self.pair:
                own["minus"] = jnp.maximum(-held, 0)
            values.append(_existing(group, held))
            state[group.name] = own
        if self.mismatch is not None:
            state[_UNITS] = self.mismatch.draw(jax.random.fold_in(key, len(groups)), network)
        return Held(replaced(network, groups, values), state)

    def write(self, key: Array, held: Held, update: Network) -> Held:
        groups, values, state = self.groups(held.network), [], {}
        moved = eqx.apply_updates(held.network, update)
        for number, group in enumerate(groups):
            own = dict(held.state[group.name])
            writing, noising = jax.random.split(jax.random.fold_in(key, number))
            before, change = group.of(held.network), group.of(update)
            kept = before - self.effects.leak * before
            if self.pair:
                own["minus"] -= self.effects.leak * own["minus"]
                value, pulses = self._pair(writing, kept, own, change)
            else:
                value, pulses = self.writing.write(
                    writing, kept, change, self._room(own), self._steps(own)
                )
            # Nobody touches a device that has nothing to learn: rounding would undo its leak.
            value, pulses = jnp.where(change == 0, kept, value), jnp.where(change == 0, 0, pulses)
            is_written = pulses > 0
            noise = normal(noising, value, self.effects.write_noise)
            own["noise"] = jnp.where(is_written, noise, own["noise"])
            own["age"] = jnp.where(is_written, 0, own["age"] + 1)
            own["pulses"] += pulses
            own["writes"] += is_written.astype(pulses.dtype)
            values.append(_existing(group, self._stuck(value, own)))
            state[group.name] = own
        if self.mismatch is not None:
            state[_UNITS] = held.state[_UNITS]
        return Held(replaced(moved, groups, values), state)

    def read(self, key: Array, held: Held) -> Network:
        if self.read_each != "step":
            network = self.cells(key, held)
        else:
            network = self._read(key, held, jnp.float32(0))
            noise = self._step_noise(network, self.groups(network), key)
            wired = dataclasses.replace(network.hopfield.connections, noise=noise)
            network = eqx.tree_at(lambda n: n.energy.interactions[0], network, wired)
        return network if self.mismatch is None else self.mismatch.seen(network, held.state[_UNITS])

    def cells(self, key: Array, held: Held) -> Network:
        return self._read(key, held, self.effects.read_noise)

    def careful(self) -> Analog:
        return dataclasses.replace(self, writing=self.writing.careful())

    def _read(self, key: Array, held: Held, read_noise: Array) -> Network:
        groups, values, effects = self.groups(held.network), [], self.effects
        for number, group in enumerate(groups):
            own, value = held.state.get(group.name, {}), group.of(held.network)
            noise = normal(jax.random.fold_in(key, number), value, read_noise)
            value = value * (1 + own.get("age", 0)) ** -effects.drift
            value = value + effects.write_noise * own.get("noise", 0) + read_noise * noise
            values.append(_existing(group, value * self._passed(value.shape)))
        return replaced(held.network, groups, values)

    def reread(self, held: Held) -> Callable[[Array], Network] | None:
        return (lambda key: self.read(key, held)) if self.read_each == "phase" else None

    def memory(self, held: Held) -> Any:
        effects = self.effects
        kept = [
            name
            for name, strength in (("age", effects.drift), ("noise", effects.write_noise))
            if float(strength)
        ]
        found: dict[str, Any] = {}
        if kept:
            for group in self.groups(held.network):
                found[group.name] = {name: held.state[group.name][name] for name in kept}
        if self.mismatch is not None:
            found[_UNITS] = held.state[_UNITS]
        is_exact = not (found or float(effects.read_noise) or float(effects.wires))
        return None if is_exact else found

    def seen(self, key: Array, states: Array) -> Array:
        return states if self.sensor is None else self.sensor.seen(key, states)

    def ledger(self, held: Held) -> dict[str, Any]:
        found = {}
        for group in self.groups(held.network):
            exists = np.ones(group.of(held.network).shape, bool)
            exists = exists if group.mask is None else np.asarray(group.mask)
            if exists.any():
                counts = (np.asarray(held.state[group.name][n])[exists] for n in _COUNTED)
                found[group.label] = {
                    name: {"mean": float(count.mean()), "most": float(count.max())}
                    for name, count in zip(_COUNTED, counts, strict=True)
                }
        return found

    def _passed(self, shape: tuple[int, ...]) -> Array:
        """What the wires of an array leave of a read of each device."""
        return 1 - self.effects.wires * _distance(shape)

    def _step_noise(self, network: Network, groups: Sequence[Group], key: Array) -> StepNoise:
        deviations = []
        for group in groups:
            each = jnp.full_like(group.of(network), self.effects.read_noise)
            deviations.append(_existing(group, each * self._passed(each.shape)))
        held = replaced(network, groups, deviations).hopfield
        return StepNoise(held.connections, held.biases if self.with_biases else {}, key)

    def _pair(
        self, key: Array, value: Array, own: dict[str, Array], change: Array
    ) -> tuple[Array, Array]:
        """Both of two devices, which writes only ever raise; `own` learns where G- is."""
        low, high = self._room(own)
        up, down = jax.random.split(key)
        minus, (faster, slower) = own["minus"], self._steps(own)
        plus, more = self.writing.write(
            up, value + minus, jnp.maximum(change, 0), Range(0 * high, high), (faster, slower)
        )
        own["minus"], less = self.writing.write(
            down, minus, jnp.maximum(-change, 0), Range(0 * low, -low), (slower, faster)
        )
        return plus - own["minus"], more + less

    def _steps(self, own: dict[str, Array]) -> tuple[Array, Array]:
        """Factors on each device's steps up and down; of a pair, on those of each of the two."""
        first, second = own["unlike"][:2]
        if self.pair:
            found = self._alike(first), self._alike(second)
        else:
            factor, apart = self._alike(first), self.effects.up_down_spread * second
            found = factor + apart, factor - apart
        return jnp.maximum(found[0], 0), jnp.maximum(found[1], 0)

    def _alike(self, drawn: Array) -> Array:
        """What the steps of each device are larger by."""
        spread = self.effects.spread * drawn
        return jnp.exp(spread) if self.log_normal else 1 + spread

    def _room(self, own: dict[str, Array]) -> Range:
        """Each device's range."""
        factors = jnp.maximum(1 + self.effects.range_spread * own["unlike"][2:], _NARROW)
        return Range(self.room.low * factors[0], self.room.high * factors[1])

    def _stuck(self, value: Array, own: dict[str, Array]) -> Array:
        low, high = self._room(own)
        value = jnp.where(own["fate"] < self.effects.stuck_low, low, value)
        return jnp.where(own["fate"] >= 1 - self.effects.stuck_high, high, value)


def _distance(shape: tuple[int, ...]) -> Array:
    """Of each device from the near corner of its array, 1 at the far corner; along both wires."""
    # Sparse, so that a compiled program holds a number per wire instead of one per device.
    ways = jnp.meshgrid(*(jnp.linspace(0, 1, size) for size in shape), indexing="ij", sparse=True)
    return functools.reduce(operator.add, ways) / len(shape)


_UNITS = "units"
_COUNTED = ("pulses", "writes")
_NARROW = 0.01  # of its range a device has at least


def _existing(group: Group, value: Array) -> Array:
    return value if group.mask is None else jnp.where(group.mask, value, 0)
