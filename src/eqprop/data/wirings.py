"""Wirings from files: lists of edges, GraphML, adjacency matrices."""

from __future__ import annotations

import csv
import dataclasses
import fnmatch
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from eqprop.errors import ConfigError, DataError
from eqprop.topology import Block, Topology, from_adjacency, from_networkx

ENDS = (("source", "target"), ("unit_a", "unit_b"), ("from", "to"))
"""What the two ends of an edge are called in the first line of a list of edges."""

_TEXT = {".csv": ",", ".tsv": "\t", ".txt": None, ".edgelist": None, ".edges": None}
_REST = "*"

Layers = Sequence[Sequence[str]]


@dataclasses.dataclass(frozen=True)
class Wiring:
    """What a file says.

    **Attributes:** `topology`; `weights` of its connections by pair of layers, in the shape of its
    masks; None where the file has none.
    """

    topology: Topology
    weights: Mapping[Block, np.ndarray] | None


def read_topology(
    path: str | Path,
    *,
    layers: Layers | None = None,
    layer_sizes: Sequence[int] | None = None,
) -> Topology:
    """The wiring that a file describes; its nodes name the units.

    **Arguments:**

    - `path`: of a list of edges (`.csv`, `.tsv`; with spaces between: `.txt`, `.edgelist`,
      `.edges`), a node and a node to a line, then a weight if there are some; of GraphML
      (`.graphml`, needs NetworkX); or of an adjacency matrix (`.npz`: what
      `scipy.sparse.save_npz` wrote, or an array `adjacency`, with `layer_sizes` and `names`
      beside it).
    - `layers`: the nodes of each layer, input first, by name or by pattern such as `x*`; those that
      a pattern finds come in natural order (x2 before x10), and a lone `*` takes what is left.
      Not needed where the nodes of a GraphML file have the attribute `layer`.
    - `layer_sizes`: units per layer, for a matrix that does not bring them.

    **Raises:** `DataError` for a file that cannot be read; `ConfigError` as of `from_networkx`.

    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "net.csv"
    >>> _ = file.write_text("x1,hub\\nx2,hub\\nhub,y\\n")
    >>> read_topology(file, layers=[["x*"], ["*"], ["y"]]).names
    ('x1', 'x2', 'hub', 'y')
    """
    return read_wiring(Path(path), layers, layer_sizes).topology


def read_wiring(
    path: Path, layers: Layers | None = None, layer_sizes: Sequence[int] | None = None
) -> Wiring:
    """`read_topology`, with the weights of the edges."""
    if not path.is_file():
        raise DataError(
            f"the wiring's file must exist, got {path}, which does not. Relative paths begin in "
            "the folder in which the command runs."
        )
    if path.suffix == ".npz":
        if layers is not None:
            raise ConfigError(
                f"`layers` are for files whose nodes have names, got some for {path}. Give "
                "`layer_sizes`, or an array of that name in the file."
            )
        return _matrix(path, layer_sizes)
    if path.suffix == ".graphml":
        return _graph(_graphml(path), layers)
    if path.suffix in _TEXT:
        return _edges(path, layers)
    raise DataError(
        f"the wiring's file must end in .csv, .tsv, .txt, .edgelist, .edges, .graphml or .npz, got "
        f"{path}."
    )


def _matrix(path: Path, layer_sizes: Sequence[int] | None) -> Wiring:
    try:
        with np.load(path) as file:  # of plain arrays alone, as NumPy has it unless asked
            arrays = dict(file)
        if "adjacency" in arrays:
            matrix: Any = arrays["adjacency"]
        elif "weights" in arrays:
            matrix = arrays["weights"]  # what `export` wrote
        else:
            matrix = scipy.sparse.load_npz(path)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as problem:
        raise DataError(
            f"the wiring's file must hold a matrix `adjacency`, or what scipy.sparse.save_npz "
            f"wrote, got {path}: {problem}."
        ) from None
    sizes = arrays.get("layer_sizes", layer_sizes)
    if sizes is None:
        raise ConfigError(
            f"`layer_sizes` must be given for a matrix that does not bring them, got none for "
            f"{path}. Units are ordered layer by layer, input first."
        )
    names = arrays.get("names")
    topology = from_adjacency(
        matrix, [int(n) for n in sizes], names=None if names is None else names.tolist()
    )
    values = scipy.sparse.csr_array(matrix)
    return _weighted(topology, None if values.dtype == bool else values)


def _graphml(path: Path) -> Any:
    try:
        import networkx
    except ImportError:
        raise ConfigError(
            "GraphML needs NetworkX, got an installation without it. Install it with: "
            "pip install 'eqprop[networkx]'"
        ) from None
    try:
        graph = networkx.read_graphml(path)
    except Exception as problem:  # whatever the reader stumbles over
        raise DataError(f"the wiring's file must be GraphML, got {path}: {problem}.") from None
    return _undirected(graph, path)


def _undirected(graph: Any, path: Path) -> Any:
    """The graph without directions, which editors write even where nobody drew one."""
    import networkx

    if graph.is_directed():
        for a, b in graph.edges():
            if a != b and graph.has_edge(b, a):
                raise DataError(
                    f"every edge must stand once, got {a}, {b} and {b}, {a} in {path}. A "
                    "connection carries signals both ways."
                )
        graph = graph.to_undirected()
    labels = networkx.get_node_attributes(graph, "label")
    if len(set(labels.values())) == len(graph):  # editors number nodes, and people label them
        graph = networkx.relabel_nodes(graph, labels)
    return graph


def _graph(graph: Any, layers: Layers | None) -> Wiring:
    import networkx

    if layers is None:
        topology = from_networkx(graph)
    else:
        inputs, *hidden, outputs = _sorted_out(list(graph.nodes), layers)
        topology = from_networkx(graph, inputs=inputs, layers=hidden, outputs=outputs)
    if not networkx.get_edge_attributes(graph, "weight"):
        return Wiring(topology, None)
    order = topology.names or list(graph.nodes)
    return _weighted(topology, networkx.to_scipy_sparse_array(graph, nodelist=order))


def _edges(path: Path, layers: Layers | None) -> Wiring:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise DataError(f"the list of edges must be readable, got {path}: {problem}.") from None
    delimiter = _TEXT[path.suffix]
    lines = [
        (number, line)
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.startswith("#")
    ]
    if delimiter is None:
        rows = [(number, line.split()) for number, line in lines]
    else:
        cells = csv.reader((line for _, line in lines), delimiter=delimiter)
        rows = [(n, [c.strip() for c in row]) for (n, _), row in zip(lines, cells, strict=True)]
    columns = {"source": 0, "target": 1, "weight": 2}
    first = [cell.casefold() for cell in rows[0][1]] if rows else []
    if ends := _named_ends(first):
        rows.pop(0)
        columns = {name: k for k, name in enumerate(first)}
        columns |= {"source": columns[ends[0]], "target": columns[ends[1]]}
    if not rows:
        raise DataError(f"the list of edges must hold edges, got none in {path}.")
    edges: dict[tuple[str, str], float | None] = {}
    known: dict[str, str | None] = {}  # nodes in the order in which they come, with their layers
    for number, row in rows:
        if len(row) < 2:
            raise DataError(
                f"every line must name two nodes, got {row} in line {number} of {path}."
            )
        a, b = row[columns["source"]], row[columns["target"]]
        for node, column in ((a, "layer_a"), (b, "layer_b")):
            layer = row[columns[column]] if columns.get(column, len(row)) < len(row) else None
            known.setdefault(node, layer)
        if (a, b) in edges or (b, a) in edges:
            raise DataError(f"every edge must stand once, got {a}, {b} again in line {number}.")
        edges[a, b] = _weight(row, columns.get("weight"), number, path)
    if layers is None:
        layers = _told(known, path)
    order = _sorted_out(list(known), layers)
    hidden = {node for layer in order[1:-1] for node in layer}
    (a, b), *others = edges
    if others and {a, b} <= hidden and not {a, b} & {node for edge in others for node in edge}:
        raise DataError(
            f"the first line must name two nodes, or the columns, got {a}, {b}, which no other "
            f"line of {path} has. Columns are called source and target."
        )
    return _wired(edges, order)


def _named_ends(first: Sequence[str]) -> tuple[str, str] | None:
    for ends in ENDS:
        if set(ends) <= set(first):
            return ends
    return None


def _weight(row: Sequence[str], column: int | None, number: int, path: Path) -> float | None:
    if column is None or column >= len(row):
        return None
    try:
        return float(row[column])
    except ValueError:
        raise DataError(
            f"a weight must be a number, got {row[column]!r} in line {number} of {path}. The first "
            "line names the columns if it says source and target."
        ) from None


def _told(known: Mapping[str, str | None], path: Path) -> Layers:
    """Layers as the columns `layer_a` and `layer_b` have them."""
    found: dict[int, list[str]] = {}
    for node, layer in known.items():
        if layer is None or not layer.isdigit():
            raise ConfigError(
                f"`layers` must say which nodes are the inputs, the hidden layers and the outputs, "
                f'got none for {path}. For example: topology.layers = [["x*"], ["*"], ["y*"]]'
            )
        found.setdefault(int(layer), []).append(node)
    return [found[layer] for layer in sorted(found)]


def _wired(edges: Mapping[tuple[str, str], float | None], order: list[list[str]]) -> Wiring:
    names = [name for layer in order for name in layer]
    place = {name: k for k, name in enumerate(names)}
    ends = np.array([(place[a], place[b]) for a, b in edges]).T
    shape = len(names), len(names)

    def symmetric(values: Any) -> Any:
        half = scipy.sparse.coo_array((values, (ends[0], ends[1])), shape=shape).tocsr()
        return half + half.T

    topology = from_adjacency(
        symmetric(np.ones(len(edges), bool)), [len(layer) for layer in order], names=names
    )
    values = list(edges.values())
    if None in values:
        return Wiring(topology, None)
    return _weighted(topology, symmetric(np.array(values, np.float64)))


def _sorted_out(nodes: list[str], layers: Layers) -> list[list[str]]:
    """The nodes layer by layer, as names and patterns say."""
    left = dict.fromkeys(nodes)
    named = {name for wanted in layers for name in wanted if name in left and name != _REST}
    found: list[list[str]] = [[] for _ in layers]
    for rest in (False, True):
        for layer, wanted in zip(found, layers, strict=True):
            for pattern in wanted:
                if (pattern == _REST) != rest:
                    continue
                fits = fnmatch.fnmatchcase
                chosen = sorted(
                    (n for n in left if n not in named and fits(n, pattern)), key=_natural
                )
                if pattern in named:  # by its name, whatever other patterns would find
                    chosen = [pattern] if pattern in left else []
                if not chosen and not rest:
                    raise ConfigError(
                        f"`layers` must name nodes of the graph, got '{pattern}', which finds none "
                        f"of {', '.join(nodes[:8])}{', ...' if len(nodes) > 8 else ''}."
                    )
                layer += chosen
                for node in chosen:
                    del left[node]
    if left:
        raise ConfigError(
            f"`layers` must cover every node, got {next(iter(left))!r} in none. Add it, or '*' for "
            "all that is left."
        )
    if not all(found):
        raise ConfigError(f"every layer must have nodes, got {[len(layer) for layer in found]}.")
    return found


def _natural(name: str) -> list[Any]:
    """A key by which x2 comes before x10."""
    return [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in re.split(r"(\d+)", name) if p]


def _weighted(topology: Topology, matrix: Any) -> Wiring:
    """Weights of a symmetric matrix, by pair of layers."""
    if matrix is None:
        return Wiring(topology, None)
    rows = scipy.sparse.csr_array(matrix)
    starts = np.concatenate([[0], np.cumsum(topology.layer_sizes)])
    weights = {}
    for (post, pre), mask in topology.masks.items():
        block = rows[starts[post] : starts[post + 1], starts[pre] : starts[pre + 1]].toarray()
        weights[post, pre] = np.where(mask, block, 0).astype(np.float32)
    return Wiring(topology, weights)
