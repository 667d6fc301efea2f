"""Random layer-skipping connections: Algorithm 1 of the paper and its relatives.

Everything here works on one flat list of *slots*: all pairs of units that may be connected.
A slot is either connected or free, and replacing a connection swaps a connected slot with a
free one, so the numbers of both stay what they were.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from eqprop.errors import ConfigError
from eqprop.topology.layers import connectable_pairs, skip_pairs
from eqprop.topology.topology import Block, Rewiring, Topology


def replacements_for(p: float, connections: int) -> int:
    """The number n of replacements that gives p = 1 - ((N - 1)/N)^n (section 2.3.3).

    **Arguments:**

    - `p`: share of the original connections drawn at least once, in [0, 1).
    - `connections`: N, the number of connections before replacement.

    >>> replacements_for(0.0756, 1_271_250)
    99933
    """
    if not 0 <= p < 1:
        raise ConfigError(
            f"`p` must lie in [0, 1), got {p}. Repeated draws never reach every connection, so "
            "p = 1 needs infinitely many. Use `rewire_each` to replace every connection."
        )
    if connections < 2:
        raise ConfigError(f"`connections` must be 2 or more, got {connections}.")
    return round(math.log1p(-p) / math.log1p(-1 / connections))


def probability_of(n: int, connections: int) -> float:
    """The paper's p = 1 - ((N - 1)/N)^n for n replacements among N connections.

    >>> round(probability_of(100_000, 1_271_250), 4)
    0.0756
    """
    return -math.expm1(n * math.log1p(-1 / connections))


def rewire(
    topology: Topology,
    *,
    n: int | None = None,
    p: float | None = None,
    seed: int,
    receivers: Iterable[Block] | None = None,
) -> Topology:
    """Replaces n connections at random: Algorithm 1 as written.

    n times: draw one of the current connections uniformly (earlier replacements included),
    connect a uniformly drawn unconnected pair, remove the drawn connection. Never connects a
    unit to itself, two input units, or two output units. Make the hidden layers full first
    (`with_intralayer`) for the paper's topology; then every pair that is free at the start is
    layer-skipping.

    **Arguments:**

    - `topology`: the network before replacement.
    - `n` or `p`: how many replacements, or the paper's probability in [0, 1), from which n
      follows (`replacements_for`). Exactly one of them.
    - `seed`: of the wiring; the same seed and NumPy version give the same wiring.
    - `receivers`: pairs of layers `(post, pre)` that may receive the new connections
      (default: all that Algorithm 1 allows). Pairs freed by a replacement stay candidates.

    **Returns:** a topology whose masks cover every pair of layers that may hold a connection,
    so that all p and seeds share one compiled program.

    **Raises:** `ConfigError` for p outside [0, 1), n below 0, or no free pair to connect.

    >>> import eqprop
    >>> paper = eqprop.with_intralayer(eqprop.layered([784, 500, 500, 500, 10]))
    >>> rewired = eqprop.rewire(paper, n=100_000, seed=0)
    >>> rewired.num_connections == paper.num_connections
    True
    """
    if (n is None) == (p is None):
        raise ConfigError(
            f"exactly one of `n` and `p` must be given, got n={n} and p={p}. Drop one of them."
        )
    before = topology.num_connections
    if n is None:
        assert p is not None
        n = replacements_for(p, before)
    _check_count(n)
    slots = _Slots(topology, receivers)
    connected, free = slots.connected.tolist(), slots.free.tolist()
    if n and not (connected and free):
        wanted = f"`n` must be 0 here, got {n}" if p is None else f"`p` must be 0 here, got {p:g}"
        raise ConfigError(
            f"{wanted}: the topology has {len(connected)} connections and {len(free)} free pairs "
            "to receive them. Add a hidden layer or change `receivers`."
        )
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(connected), size=n).tolist() if n else []
    places = rng.integers(len(free), size=n).tolist() if n else []
    for drawn, place in zip(draws, places, strict=True):
        connected[drawn], free[place] = free[place], connected[drawn]
    # A slot of the list is drawn at least once exactly if its original is: what stands there
    # later is a replacement, and drawing that again leaves the original drawn.
    drawn_once = len(set(draws))
    return slots.build(np.array(connected, np.int64), Rewiring(n, before, drawn_once))


def rewire_each(
    topology: Topology, *, p: float, seed: int, receivers: Iterable[Block] | None = None
) -> Topology:
    """Replaces each interlayer connection with probability p, in one pass (journal version).

    Candidates for the new connection are the unconnected pairs of `receivers` and the pairs
    freed earlier in the pass, so the net number of skip connections is smaller than the
    number of replacements.

    **Arguments:**

    - `topology`: the network before replacement; the paper's journal version uses `layered`.
    - `p`: probability of replacement, in [0, 1].
    - `seed`: of the wiring.
    - `receivers`: pairs of layers that may receive connections (default: distance >= 2).

    **References:** Gammell, Buckley, Nam, McCaughan, "Layer-skipping connections improve the
    effectiveness of equilibrium propagation on layered networks", Front. Comput. Neurosci.
    15:627357 (2021).

    >>> import eqprop
    >>> eqprop.rewire_each(eqprop.layered([20, 9, 9, 4]), p=0.5, seed=1).num_connections
    297
    """
    if not 0 <= p <= 1:
        raise ConfigError(f"`p` must lie in [0, 1], got {p}. It is a probability. Try p=0.1.")
    slots = _Slots(topology, skip_pairs(topology) if receivers is None else receivers)
    rng = np.random.default_rng(seed)
    interlayer = slots.distance[slots.connected] == 1
    chosen = np.flatnonzero(interlayer & (rng.random(len(slots.connected)) < p))
    connected, free = slots.connected.tolist(), slots.free.tolist()
    if len(chosen) and not free:
        raise ConfigError(
            f"`p` must be 0 here, got {p}: no pair of layers is free to receive a connection. "
            "Use more layers or name `receivers`."
        )
    places = rng.integers(len(free), size=len(chosen)).tolist() if len(chosen) else []
    for drawn, place in zip(chosen.tolist(), places, strict=True):
        connected[drawn], free[place] = free[place], connected[drawn]
    count = Rewiring(len(chosen), topology.num_connections, len(chosen))
    return slots.build(np.array(connected, np.int64), count)


def add_skip_connections(
    topology: Topology, *, n: int, seed: int, receivers: Iterable[Block] | None = None
) -> Topology:
    """Adds n skip connections between uniformly drawn unconnected pairs.

    On a network with full hidden layers that is Algorithm 1 without the removal.

    **Arguments:** as `rewire`; `receivers`, by default all pairs of layers at distance two or more.
    **Raises:** `ConfigError` if fewer than n pairs are free.

    >>> import eqprop
    >>> base = eqprop.with_intralayer(eqprop.layered([20, 9, 9, 4]))
    >>> eqprop.add_skip_connections(base, n=30, seed=0).accounting().skip
    30
    """
    _check_count(n)
    slots = _Slots(topology, skip_pairs(topology) if receivers is None else receivers)
    if n > len(slots.free):
        raise ConfigError(
            f"`n` must be at most the number of free pairs, {len(slots.free)}, got {n}. "
            "Add fewer connections or allow more pairs of layers in `receivers`."
        )
    added = np.random.default_rng(seed).choice(slots.free, size=n, replace=False)
    count = Rewiring(n, topology.num_connections, 0)
    return slots.build(np.concatenate([slots.connected, added]), count)


def rewire_layers(topology: Topology, *, pairs: Iterable[Block], seed: int) -> Topology:
    """Connects whole pairs of layers, and removes as many other connections at random.

    What residual networks have at the same number of connections: every unit of one layer reaches
    every unit of the other.

    **Arguments:**

    - `pairs`: of layers `(post, pre)` at distance two or more.
    - `seed`: of what is removed, drawn from the connections that were there before.

    **Raises:** `ConfigError` for other pairs, or too few connections to remove.

    >>> import eqprop
    >>> base = eqprop.layered([20, 9, 9, 9, 4])
    >>> wired = eqprop.rewire_layers(base, pairs=[(3, 1)], seed=0)
    >>> wired.num_connections == base.num_connections, wired.accounting().skip
    (True, 81)
    """
    pairs = [(max(pair), min(pair)) for pair in pairs]
    skips = skip_pairs(topology)
    if wrong := [pair for pair in pairs if pair not in skips]:
        raise ConfigError(
            f"`pairs` must be layers at distance two or more, out of {list(skips)}, got {wrong[0]}."
        )
    slots = _Slots(topology, pairs)
    starts = np.cumsum([0, *map(len, slots.cells)])
    chosen = [np.arange(starts[k], starts[k + 1]) for k, b in enumerate(slots.blocks) if b in pairs]
    new = np.setdiff1d(np.concatenate(chosen) if chosen else [], slots.connected).astype(np.int64)
    if len(new) > len(slots.connected):
        raise ConfigError(
            f"`pairs` must take {len(slots.connected)} connections at most, as many as can be "
            f"removed, got {len(new)}. Name fewer pairs."
        )
    rng = np.random.default_rng(seed)
    kept = rng.choice(slots.connected, len(slots.connected) - len(new), replace=False)
    count = Rewiring(len(new), topology.num_connections, len(new))
    return slots.build(np.concatenate([kept, new]), count)


class _Slots:
    """All pairs of units that may be connected, numbered block after block."""

    def __init__(self, topology: Topology, receivers: Iterable[Block] | None) -> None:
        self.sizes, self.names = topology.layer_sizes, topology.names
        allowed = connectable_pairs(topology)
        if receivers is None:
            receivers = allowed
        receivers = [(max(pair), min(pair)) for pair in receivers]
        for pair in receivers:
            if pair not in allowed:
                raise ConfigError(
                    f"`receivers` must be pairs of layers out of {list(allowed)}, got {pair}. "
                    "Layer 0 is the input; two inputs or two outputs are never connected."
                )
        self.blocks = sorted(set(topology.blocks) | set(receivers))
        self.cells: list[np.ndarray] = []
        existing, receiving, distance = [], [], []
        for post, pre in self.blocks:
            shape = (self.sizes[post], self.sizes[pre])
            if post == pre:
                cells = np.ravel_multi_index(np.tril_indices(shape[0], -1), shape)
            else:
                cells = np.arange(shape[0] * shape[1])
            mask = topology.masks.get((post, pre))
            self.cells.append(cells)
            existing.append(np.zeros(len(cells), bool) if mask is None else mask.ravel()[cells])
            receiving.append(np.full(len(cells), (post, pre) in receivers))
            distance.append(np.full(len(cells), post - pre, np.int16))
        exists = np.concatenate(existing)
        self.distance = np.concatenate(distance)
        self.connected = np.flatnonzero(exists)
        self.free = np.flatnonzero(~exists & np.concatenate(receiving))

    def build(self, connected: np.ndarray, count: Rewiring) -> Topology:
        """The topology with exactly the slots `connected`."""
        exists = np.zeros(len(self.distance), bool)
        exists[connected] = True
        masks, start = {}, 0
        for (post, pre), cells in zip(self.blocks, self.cells, strict=True):
            mask = np.zeros((self.sizes[post], self.sizes[pre]), bool)
            mask.ravel()[cells] = exists[start : start + len(cells)]
            start += len(cells)
            masks[post, pre] = mask
        return Topology(self.sizes, masks, count, self.names)


def _check_count(n: int) -> None:
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 0:
        raise ConfigError(f"`n` must be a whole number of 0 or more, got {n!r}.")
