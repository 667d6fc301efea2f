"""Which units are wired to which: the frozen, host-side description of a network."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import scipy.sparse

from eqprop.errors import ConfigError

Block = tuple[int, int]
"""A pair of layers `(post, pre)` with `post >= pre`; layer 0 is the input."""


@dataclasses.dataclass(frozen=True)
class Rewiring:
    """What a rewiring did, counted while it was done.

    **Attributes:**

    - `requested`: number of replacements or additions carried out.
    - `originals`: number of connections before it.
    - `originals_drawn`: how many of those were drawn at least once.
    """

    requested: int
    originals: int
    originals_drawn: int


@dataclasses.dataclass(frozen=True, eq=False)
class Topology:
    """Which connections exist between the units of a layered set of units.

    Units are ordered input, hidden layers, output. Connections are undirected and stored
    once, per pair of layers: `masks[post, pre]` with `post >= pre` is a boolean array
    `[size of post, size of pre]`; inside a layer (`post == pre`) it is strictly lower
    triangular. A pair of layers that is absent from `masks` can hold no connection: that is
    the static structure of the network, while the entries of the masks are data.

    **Arguments:**

    - `layer_sizes`: units per layer, input first and output last; at least two layers.
    - `masks`: as above. Copied and made read-only.
    - `rewiring`: how the connections came about, if they were rewired.
    - `names`: of all units, input first, where they have some; each once.

    **Raises:** `ConfigError` for sizes below 1, masks of the wrong shape, connections
    between two input units, entries on or above the diagonal inside a layer, or names that are
    not one per unit.

    >>> import eqprop
    >>> topology = eqprop.layered([4, 3, 2])
    >>> topology.num_connections
    18
    >>> topology.accounting().interlayer
    18
    """

    layer_sizes: tuple[int, ...]
    masks: Mapping[Block, np.ndarray]
    rewiring: Rewiring | None = None
    names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        sizes = check_layer_sizes(self.layer_sizes)
        masks: dict[Block, np.ndarray] = {}
        for block in sorted(self.masks):
            post, pre = block
            if not 0 <= pre <= post < len(sizes):
                raise ConfigError(
                    f"`masks` must be keyed by (post, pre) with 0 <= pre <= post < {len(sizes)}, "
                    f"got {block}. Name the later layer first."
                )
            if block == (0, 0):
                raise ConfigError(
                    "`masks` must not connect two input units, got block (0, 0). "
                    "Input units are clamped, so such a connection has no effect. Leave it out."
                )
            mask = np.array(self.masks[block], dtype=bool)
            if mask.shape != (sizes[post], sizes[pre]):
                raise ConfigError(
                    f"`masks[{post}, {pre}]` must have shape {(sizes[post], sizes[pre])}, "
                    f"got {mask.shape}. Rows are units of layer {post}, the one nearer the output."
                )
            if post == pre and np.triu(mask).any():
                raise ConfigError(
                    f"`masks[{post}, {pre}]` must be strictly lower triangular, got entries on or "
                    "above the diagonal. Each connection is stored once. Use `np.tril(mask, -1)`."
                )
            mask.setflags(write=False)
            masks[block] = mask
        object.__setattr__(self, "layer_sizes", sizes)
        object.__setattr__(self, "masks", MappingProxyType(masks))
        if self.names is not None:
            object.__setattr__(self, "names", _checked_names(self.names, sum(sizes)))

    def __eq__(self, other: object) -> bool:
        """Whether both have the same layers, names and connections, however they came about."""
        if not isinstance(other, Topology):
            return NotImplemented
        if (self.layer_sizes, self.names) != (other.layer_sizes, other.names):
            return False
        nothing = np.zeros((), bool)
        return all(
            np.array_equal(
                np.broadcast_to(self.masks.get(block, nothing), self._shape(block)),
                np.broadcast_to(other.masks.get(block, nothing), self._shape(block)),
            )
            for block in {*self.masks, *other.masks}
        )

    def __hash__(self) -> int:
        return hash((self.layer_sizes, self.num_connections))

    def __reduce__(self) -> tuple[Any, ...]:
        return Topology, (self.layer_sizes, dict(self.masks), self.rewiring, self.names)

    def __repr__(self) -> str:
        layers = "-".join(map(str, self.layer_sizes))
        counts = self.accounting()
        kinds = {"skip": counts.skip, "intralayer": counts.intralayer}
        told = ", ".join(f"{n:,} {kind}" for kind, n in kinds.items() if n)
        return f"Topology({layers}, {counts.total:,} connections{f', {told}' if told else ''})"

    def _shape(self, block: Block) -> tuple[int, int]:
        post, pre = block
        return self.layer_sizes[post], self.layer_sizes[pre]

    @property
    def num_layers(self) -> int:
        """Number of layers, input and output included."""
        return len(self.layer_sizes)

    @property
    def num_units(self) -> int:
        """Number of units, input units included."""
        return sum(self.layer_sizes)

    @property
    def num_free(self) -> int:
        """Number of free (hidden and output) units."""
        return sum(self.layer_sizes[1:])

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The pairs of layers that may hold connections, sorted."""
        return tuple(self.masks)

    @property
    def num_connections(self) -> int:
        """Number of undirected connections that exist."""
        return int(sum(mask.sum() for mask in self.masks.values()))

    def name_of(self, unit: int) -> str:
        """What a unit is called, counted from the first input: its name, or its layer and place.

        >>> import eqprop
        >>> eqprop.layered([4, 3, 2]).name_of(5)
        'unit 1 of layer 1'
        """
        if self.names is not None:
            return self.names[unit]
        layer = int(np.searchsorted(np.cumsum(self.layer_sizes), unit, side="right"))
        return f"unit {unit - sum(self.layer_sizes[:layer])} of layer {layer}"

    def to_networkx(self, weights: Mapping[Block, Any] | None = None) -> Any:
        """The graph of the units, as NetworkX has it: `from_networkx` reads it back.

        Nodes are called by their names, or counted from 0; each has its `layer`.

        **Arguments:** `weights`: by pair of layers, in the shape of `masks`; each edge gets its
        `weight`.

        >>> import eqprop
        >>> eqprop.layered([4, 3, 2]).to_networkx().number_of_edges()
        18
        """
        import networkx

        graph = networkx.Graph()
        starts = np.concatenate([[0], np.cumsum(self.layer_sizes)]).tolist()
        called: Any = range(self.num_units) if self.names is None else self.names
        for layer in range(self.num_layers):
            graph.add_nodes_from(called[starts[layer] : starts[layer + 1]], layer=layer)
        for (post, pre), mask in self.masks.items():
            pairs = np.argwhere(mask).tolist()
            told = None if weights is None else np.asarray(weights[post, pre])
            for i, j in pairs:
                edge = {} if told is None else {"weight": float(told[i, j])}
                graph.add_edge(called[starts[pre] + j], called[starts[post] + i], **edge)
        return graph

    def accounting(self) -> Accounting:
        """Exact counts of the connections that exist, by kind and by pair of layers."""
        return Accounting.of(self)

    def adjacency(self) -> scipy.sparse.csr_array:
        """The symmetric adjacency `[units, units]` as a SciPy sparse array of booleans."""
        starts = np.concatenate([[0], np.cumsum(self.layer_sizes)])
        rows, columns = [], []
        for (post, pre), mask in self.masks.items():
            i, j = np.nonzero(mask)
            rows.append(i + starts[post])
            columns.append(j + starts[pre])
        i = np.concatenate(rows) if rows else np.zeros(0, int)
        j = np.concatenate(columns) if columns else np.zeros(0, int)
        both = (np.concatenate([i, j]), np.concatenate([j, i]))
        shape = (self.num_units, self.num_units)
        return scipy.sparse.csr_array((np.ones(2 * len(i), bool), both), shape=shape)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The topology as plain arrays, the inverse of `from_arrays`.

        `layer_sizes` `[layers]`, `mask_POST_PRE` for each pair of layers, and where there are some
        `rewiring` `[3]` and `names`, a JSON list as bytes `[characters]`.
        """
        arrays: dict[str, np.ndarray] = {"layer_sizes": np.array(self.layer_sizes, np.int64)}
        for (post, pre), mask in self.masks.items():
            arrays[f"mask_{post}_{pre}"] = mask
        if self.rewiring is not None:
            arrays["rewiring"] = np.array(dataclasses.astuple(self.rewiring), np.int64)
        if self.names is not None:  # safetensors holds no text
            arrays["names"] = np.frombuffer(json.dumps(self.names).encode(), np.uint8)
        return arrays

    @staticmethod
    def from_arrays(arrays: Mapping[str, np.ndarray]) -> Topology:
        """Rebuilds a topology from what `to_arrays` gave; checks it like the constructor."""
        if "layer_sizes" not in arrays:
            raise ConfigError(
                f"`arrays` must hold `layer_sizes`, got {sorted(arrays)}. "
                "Pass what `Topology.to_arrays` returned."
            )
        masks = {}
        for name, value in arrays.items():
            if name.startswith("mask_"):
                post, pre = name.removeprefix("mask_").split("_")
                masks[int(post), int(pre)] = np.asarray(value)
        rewiring, names = arrays.get("rewiring"), arrays.get("names")
        return Topology(
            tuple(int(n) for n in np.asarray(arrays["layer_sizes"])),
            masks,
            None if rewiring is None else Rewiring(*(int(n) for n in np.asarray(rewiring))),
            None if names is None else tuple(json.loads(np.asarray(names).tobytes())),
        )


@dataclasses.dataclass(frozen=True)
class Accounting:
    """How many connections a topology has, of which kind, and where.

    **Attributes:**

    - `per_block`: existing connections per pair of layers `(post, pre)`.
    - `possible`: how many that pair could hold.
    - `interlayer`, `intralayer`, `skip`: by layer distance 1, 0, and 2 or more. After a
      rewiring `skip` is the *net* number of skip connections: a replaced connection can be
      drawn again, so it is smaller than the number of draws.
    - `skips_from_input`: share of the skip connections that start at an input unit.
    - `originals_drawn`: share of the original connections drawn at least once by the
      rewiring, else None. Its expectation is the paper's p.
    """

    per_block: Mapping[Block, int]
    possible: Mapping[Block, int]
    interlayer: int
    intralayer: int
    skip: int
    skips_from_input: float
    originals_drawn: float | None

    @property
    def total(self) -> int:
        """All connections."""
        return self.interlayer + self.intralayer + self.skip

    def to_dict(self) -> dict[str, Any]:
        """The counts as plain values for a record; pairs of layers are named "post-pre"."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        for name in ("per_block", "possible"):
            values[name] = {f"{post}-{pre}": n for (post, pre), n in values[name].items()}
        return values | {"total": self.total}

    @staticmethod
    def of(topology: Topology) -> Accounting:
        """Counts `topology`."""
        per_block = {block: int(mask.sum()) for block, mask in topology.masks.items()}
        sizes = topology.layer_sizes
        possible = {
            (post, pre): sizes[post] * (sizes[post] - 1) // 2
            if post == pre
            else sizes[post] * sizes[pre]
            for post, pre in per_block
        }

        def count(blocks: Iterable[Block]) -> int:
            return sum(per_block[block] for block in blocks)

        skip = count(b for b in per_block if b[0] - b[1] >= 2)
        from_input = count(b for b in per_block if b[0] - b[1] >= 2 and b[1] == 0)
        made = topology.rewiring
        share = made.originals_drawn / made.originals if made and made.originals else None
        return Accounting(
            per_block=MappingProxyType(per_block),
            possible=MappingProxyType(possible),
            interlayer=count(b for b in per_block if b[0] - b[1] == 1),
            intralayer=count(b for b in per_block if b[0] == b[1]),
            skip=skip,
            skips_from_input=from_input / skip if skip else 0.0,
            originals_drawn=share,
        )


def _checked_names(names: Iterable[Any], units: int) -> tuple[str, ...]:
    found = tuple(map(str, names))
    if len(found) != units:
        raise ConfigError(
            f"`names` must hold a name for each of the {units} units, got {len(found)}. Name the "
            "input units too."
        )
    if len(set(found)) != units:
        double = next(name for name in found if found.count(name) > 1)
        raise ConfigError(
            f"`names` must name each unit once, got {double!r} more than once. Rename one."
        )
    return found


def check_layer_sizes(layer_sizes: Iterable[int]) -> tuple[int, ...]:
    """`layer_sizes` as a tuple of Python integers, or a `ConfigError`."""
    sizes = tuple(layer_sizes)
    whole = all(isinstance(n, (int, np.integer)) and n >= 1 for n in sizes)
    if len(sizes) < 2 or not whole:
        raise ConfigError(
            "`layer_sizes` must be at least two whole numbers of 1 or more, "
            f"got {sizes}. Name the input and the output layer too, as in [784, 500, 10]."
        )
    return tuple(int(n) for n in sizes)
