"""Wirings by name: what `topology.wiring` chooses."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from eqprop.errors import ConfigError
from eqprop.registry import Choice, Count, Kind

if TYPE_CHECKING:
    from eqprop.topology.topology import Topology

WIRINGS = Kind("wiring", "eqprop.topology.settings")

Pair = tuple[Count, Count]


class WiringChoice(Choice):
    """How skip connections are made."""

    kind = WIRINGS

    def build(self, base: Topology, seed: int) -> Topology:
        """The wiring, from the layered one, full inside its hidden layers if that was asked for.

        **Arguments:** `seed`: of whatever it draws.
        """
        raise NotImplementedError

    @property
    def skips(self) -> bool:
        """Whether it can make skip connections."""
        return True

    @property
    def connects_inside_layers(self) -> bool:
        """Whether it can make connections inside a layer."""
        return False

    def for_sizes(self, before: int, after: int) -> dict[str, Any]:
        """What changes of its settings when the base has `after` connections instead of `before`.

        How much of a network is rewired stays the same.
        """
        return {}


class LayeredSettings(WiringChoice, name="layered"):
    """No skip connections."""

    def build(self, base: Topology, seed: int) -> Topology:
        return base

    @property
    def skips(self) -> bool:
        return False


class GivenWiringSettings(WiringChoice, name="given"):
    """A wiring that Python hands over: `eqprop.train(settings, topology=topology)`."""

    def build(self, base: Topology, seed: int) -> Topology:
        raise ConfigError(
            "the wiring must be handed over, got 'given'. In Python: eqprop.train(..., "
            "topology=topology), and eqprop.resume(folder, topology=topology) with the same one."
        )

    @property
    def connects_inside_layers(self) -> bool:
        return True


class _Receiving(WiringChoice):
    """A wiring that makes connections between some pairs of layers."""

    receivers: tuple[Pair, ...] | None = Field(
        default=None, description="pairs of layers (later, earlier) that may receive connections"
    )

    @property
    def connects_inside_layers(self) -> bool:
        return any(later == earlier for later, earlier in self.receivers or ())


class RewireSettings(_Receiving, name="rewire"):
    """Algorithm 1: so many connections are replaced at random."""

    connections: Count | None = Field(default=None, description="n, connections replaced")
    p: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="instead of n: the paper's p, the share of original connections that are drawn "
        "at least once",
    )

    @model_validator(mode="after")
    def _fits(self) -> RewireSettings:
        if (self.connections is None) == (self.p is None):
            raise ValueError(
                "wiring 'rewire' takes `connections` or `p`, got "
                f"connections={self.connections} and p={self.p}"
            )
        if self.p == 1:
            raise ValueError(
                "`p` must lie in [0, 1) for wiring 'rewire', got 1.0: repeated draws never reach "
                "every connection. Use wiring 'rewire_each'"
            )
        return self

    @property
    def connects_inside_layers(self) -> bool:
        return self.receivers is None or super().connects_inside_layers

    def build(self, base: Topology, seed: int) -> Topology:
        from eqprop.topology.rewiring import rewire

        return rewire(base, n=self.connections, p=self.p, seed=seed, receivers=self.receivers)

    def for_sizes(self, before: int, after: int) -> dict[str, Any]:
        from eqprop.topology.rewiring import probability_of

        if self.connections is None:
            return {}
        return {"connections": None, "p": float(f"{probability_of(self.connections, before):.3g}")}


class RewireEachSettings(_Receiving, name="rewire_each"):
    """The journal version: each interlayer connection is replaced with probability p."""

    p: float = Field(ge=0, le=1, description="probability of replacement")

    def build(self, base: Topology, seed: int) -> Topology:
        from eqprop.topology.rewiring import rewire_each

        return rewire_each(base, p=self.p, seed=seed, receivers=self.receivers)


class RewireLayersSettings(WiringChoice, name="rewire_layers"):
    """Whole pairs of layers are connected, and as many other connections removed at random."""

    pairs: tuple[Pair, ...] = Field(
        min_length=1, description="of layers (later, earlier) that are connected as a whole"
    )

    def build(self, base: Topology, seed: int) -> Topology:
        from eqprop.topology.rewiring import rewire_layers

        return rewire_layers(base, pairs=self.pairs, seed=seed)


class AddSettings(_Receiving, name="add"):
    """So many connections are added at random."""

    connections: Count = Field(description="n, connections added")

    def build(self, base: Topology, seed: int) -> Topology:
        from eqprop.topology.rewiring import add_skip_connections

        return add_skip_connections(base, n=self.connections, seed=seed, receivers=self.receivers)

    def for_sizes(self, before: int, after: int) -> dict[str, Any]:
        return {"connections": round(self.connections * after / before)}


def count_connections(layer_sizes: Sequence[int], intralayer: bool) -> int:
    """Connections of a layered network, full inside its hidden layers if so.

    >>> count_connections([784, 500, 500, 500, 10], True)
    1271250
    """
    sizes = list(layer_sizes)
    between = sum(a * b for a, b in itertools.pairwise(sizes))
    inside = sum(n * (n - 1) // 2 for n in sizes[1:-1]) if intralayer else 0
    return between + inside
