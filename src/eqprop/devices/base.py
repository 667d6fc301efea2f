"""What a device is: the way from an update to a parameter, and from there to the phases.

    gradient -> optimiser -> rate -> mask -> write

An update meets its learning rate once, before it is written. A phase, an evaluation and an audit
see parameters as they are read.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
from jax import Array

from eqprop.energy import Network
from eqprop.energy.groups import Group


class Held(eqx.Module):
    """What devices hold.

    **Attributes:**

    - `network`: the parameters.
    - `state`: whatever else the devices remember, a tree of arrays; `()` if nothing.
    """

    network: Network
    state: Any = ()


class AbstractDevice(eqx.Module):
    """How parameters are held, written and read.

    Its array leaves are strengths of effects: they may change without a new compilation.
    """

    @abc.abstractmethod
    def hold(self, key: Array, network: Network) -> Held:
        """The devices of a network before the first update."""

    @abc.abstractmethod
    def write(self, key: Array, held: Held, update: Network) -> Held:
        """After an update, which has its learning rate already.

        Entries where no connection exists are 0 in `update`, and stay as they are.
        """

    @abc.abstractmethod
    def read(self, key: Array, held: Held) -> Network:
        """The parameters as a phase sees them."""

    def reread(self, held: Held) -> Callable[[Array], Network] | None:
        """`read` for the later phases of a batch; None where one read serves all of its phases."""
        return None

    def groups(self, network: Network) -> list[Group]:
        """The parameters that devices hold; the others are as exact as without."""
        return []

    def cells(self, key: Array, held: Held) -> Network:
        """The parameters as one who programs the devices reads them: units change nothing."""
        return self.read(key, held)

    def careful(self) -> AbstractDevice:
        """The device as it is programmed: rounded to the nearest, and no write is rounded away.

        What a write scatters by stays.
        """
        return self

    def memory(self, held: Held) -> Any:
        """What `read` needs of the state once nothing is written any more, on the host.

        None where a read is what is held, to the bit.
        """
        return held.state

    def ledger(self, held: Held) -> dict[str, Any]:
        """What devices have gone through, by pair of layers; nothing where nobody counts."""
        return {}

    def seen(self, key: Array, states: Array) -> Array:
        """States `[batch, free units]` as they are read for an update; they go on as they are."""
        return states
