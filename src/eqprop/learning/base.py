"""What a learning rule is: from a batch and its states to a gradient."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from eqprop.energy import AbstractClampedEnergy, Network
from eqprop.energy.pixels import inputs
from eqprop.errors import ConfigError
from eqprop.relaxation import (
    AbstractRelaxation,
    AbstractTermination,
    Among,
    Equilibrium,
    relax,
)
from eqprop.shapes import FreeUnits, InputUnits, OfEach, States, TargetUnits
from eqprop.topology.work import Wires, Work

Rule = TypeVar("Rule", bound="AbstractLearningRule")


class Phase(eqx.Module):
    """How one phase relaxes.

    **Attributes:**

    - `method`: `Euler`, `BlockCoordinateDescent`, ...
    - `termination`: `FixedSteps` or `Residual`.
    - `is_cold`: whether it starts with all units at 0, whatever state it is given.
    """

    method: AbstractRelaxation
    termination: AbstractTermination
    is_cold: bool = eqx.field(static=True, default=False)

    def relax(self, energy: AbstractClampedEnergy, state: States, key: Array) -> Equilibrium:
        """Lets a batch of states settle in this phase."""
        start = jnp.zeros_like(state) if self.is_cold else state
        how = self.method, self.termination
        return relax(energy, start, *how, key=key, at_zero=self.is_cold)


class Report(eqx.Module):
    """The equilibria a gradient was made of.

    **Attributes:**

    - `free`: of the free phase.
    - `nudged`: of each phase after it, nudged, clamped or adjoint; none for some rules.
    - `beta`: the first nudging strength used, a scalar; 0 where there is none.
    """

    free: Equilibrium
    nudged: tuple[Equilibrium, ...]
    beta: Array


class Estimate(eqx.Module):
    """**Attributes:**

    - `gradient`: descent sign, mean over the batch, in the network's own structure (None where
      the network holds no parameter), so that Optax takes it as it is.
    - `free_states`: `[batch, free units]`, to be kept as persistent particles.
    - `report`: how the phases settled.
    """

    gradient: Network
    free_states: States
    report: Report


class AbstractLearningRule(eqx.Module):
    """How equilibria become a gradient.

    `rereads`: whether later phases take the network that `Batch.reread` gives them;
    `reads_forwards`: whether the wiring is read forwards, in training and in looks.
    """

    rereads: ClassVar[bool] = False
    reads_forwards: ClassVar[bool] = False

    @abc.abstractmethod
    def check(self, network: Network) -> None:
        """Refuses, before anything is compiled, a network that the rule cannot train."""

    def check_reads(self, reread: Callable[[Array], Network] | None) -> None:
        """Refuses, by `ConfigError`, devices that are read anew by phases of a rule that has none.

        **Arguments:** `reread`: as of `Batch`.
        """
        if reread is not None and not self.rereads:
            raise ConfigError(
                "the rule must take a network for each phase where each reads its devices anew, "
                f"got {type(self).__name__}. Read them once for a batch."
            )

    @abc.abstractmethod
    def work(self, wires: Wires, free_steps: float, other_steps: float) -> Work:
        """Multiply-adds per example of an update.

        **Arguments:**

        - `wires`: the network's connections.
        - `free_steps`, `other_steps`: taken in the free phase, and in all phases after it.
        """

    @abc.abstractmethod
    def estimate(self, network: Network, batch: Batch, *, axis: str | None = None) -> Estimate:
        """The gradient on a batch.

        **Arguments:**

        - `network`: what is trained.
        - `batch`: the examples.
        - `axis`: where the batch is spread over devices, the name of that axis of the mesh. The
          states are then those of this device's part, the gradient that of all parts together.
        """

    def estimate_parts(
        self, network: Network, parts: Batch, *, axis: str | None = None
    ) -> tuple[Network, Array, Report]:
        """The gradient on a batch in parts that settle independently, as training takes it.

        **Arguments:** `parts`: a batch with an axis of parts in front; one key for all.

        **Returns:** the gradient of all parts, which may be anything where no connection exists,
        so that a mask costs no pass of its own: `Network.constrain` it; the free states `[parts,
        batch, free units]`; and the `Report` of each part, `[parts, ...]`.
        """
        found = [self.among(part).estimate(network, part) for part in parts.each(axis)]
        gradient = jax.tree.map(lambda *leaves: sum(leaves), *(one.gradient for one in found))
        states, report = stacked([(one.free_states, one.report) for one in found])
        return summed(gradient, axis), states, report

    def among(self: Rule, batch: Batch) -> Rule:
        """The rule for a part of a batch: it stops `Among` its examples, with noise of its own."""
        part = 0 if batch.part is None else batch.part

        def told(node: Any) -> Any:
            return (
                Among(rule=node, present=batch.present, part=part)
                if isinstance(node, AbstractTermination)
                else node
            )

        return jax.tree.map(told, self, is_leaf=lambda n: isinstance(n, AbstractTermination))


class Batch(eqx.Module):
    """Examples, and where their free phases start.

    **Attributes:**

    - `x`: `[batch, inputs]`, in [0, 1]; `of` takes uint8 pixels too.
    - `target`: `[batch, targets]`.
    - `states`: where the free phases start, `[batch, free units]`.
    - `key`: a JAX random key, for rules that draw.
    - `weights`: `[batch]`, what each example counts in the sum that the gradient is.
    - `present`: `[batch]`, which places hold an example; the others only fill up the batch.
    - `part`: the number of this part of a batch; None for a whole one.
    - `seen`: what is read of states for an update, given a key; None for all of them.
    - `reread`: the network as a later phase sees it, given a key, where each phase reads its
      devices anew; None where all phases see one network.
    """

    x: InputUnits
    target: TargetUnits
    states: FreeUnits
    key: Array
    weights: OfEach
    present: OfEach
    part: Array | int | None = None
    seen: Callable[[Array, Array], Array] | None = None
    reread: Callable[[Array], Network] | None = None

    @staticmethod
    def of(
        x: Array, target: Array, states: States, key: Array | None = None, weights: Any = None
    ) -> Batch:
        """A batch whose places all hold an example.

        **Arguments:** `key`: default `jax.random.key(0)`; `weights`: default 1 / batch, so that the
        gradient is the mean.
        """
        key = jax.random.key(0) if key is None else key
        x, target = inputs(x, states.dtype), target.astype(states.dtype)  # whole numbers too
        if weights is None:
            weights = jnp.full(len(x), 1 / len(x), x.dtype)
        return Batch(x, target, states, key, weights, jnp.ones(len(x), bool))

    def each(self, axis: str | None = None) -> list[Batch]:
        """Every part of a batch with an axis of parts in front.

        **Arguments:** `axis`: of the devices, whose parts are counted on.

        Let them settle one after the other: side by side those that are done would wait for the
        last, and on a CPU a product with twice the examples takes twice the time.
        """
        arrays, rest = self._apart()
        parts = [jax.tree.map(lambda leaf, k=k: leaf[k], arrays) for k in range(len(self.x))]
        first = 0 if axis is None else lax.axis_index(axis) * len(self.x)
        return [dataclasses.replace(part, **rest, part=first + k) for k, part in enumerate(parts)]

    def joined(self) -> Batch:
        """All parts of a batch with an axis of parts in front, as one."""
        arrays, rest = self._apart()
        flat = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), arrays)
        return dataclasses.replace(flat, **rest)

    def again(self, phase: int) -> Network:
        """The network as a phase after the first sees it, of a batch with `reread`."""
        assert self.reread is not None
        return self.reread(jax.random.fold_in(jax.random.fold_in(self.key, _AGAIN), phase))

    def _apart(self) -> tuple[Batch, dict[str, Any]]:
        """What has a row per example, and what is shared by all."""
        rest = {"key": self.key, "seen": self.seen, "reread": self.reread}
        return dataclasses.replace(self, **dict.fromkeys(rest), part=None), rest


_AGAIN = 2**31 - 5
"""The stream of what later phases read, beside those of a rule."""

Again = Callable[[int], Network]
"""From the number of a phase, 2 for the first one after the free phase, to its network."""


def stacked(parts: Sequence[Any]) -> Any:
    """What every part has, along a new first axis."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *parts)


def summed(gradient: Network, axis: str | None) -> Network:
    """The sum of the gradients of all devices."""
    return gradient if axis is None else lax.psum(gradient, axis)


def gathered(parts: tuple[Array, ...], axis: str | None) -> tuple[Array, ...]:
    """Arrays `[batch, n]` of this device's part, put together with those of the other devices.

    What one batch does to the weights is a product of its states, and states are far smaller
    than weights: it is cheaper to hand the states round than the sum of the products.
    """
    if axis is None:
        return parts
    ends = np.cumsum([part.shape[1] for part in parts])[:-1].tolist()
    # In one go: each handshake costs a core more than what it hands over.
    whole = lax.all_gather(jnp.concatenate(parts, axis=1), axis, tiled=True)
    found = zip(parts, jnp.split(whole, ends, axis=1), strict=True)
    return tuple(one if jnp.iscomplexobj(part) else jnp.real(one) for part, one in found)


def apply_updates(network: Network, updates: Network) -> Network:
    """`network` + `updates`, with every connection that does not exist kept at zero.

    `updates` is what an Optax optimiser made of a gradient; whatever it adds where there is
    no connection (weight decay, noise, momentum) is dropped.
    """
    return eqx.apply_updates(network, network.constrain(updates))
