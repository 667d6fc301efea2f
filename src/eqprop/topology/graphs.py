"""Topologies from a graph or an adjacency matrix that the user brings."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph

from eqprop.errors import ConfigError
from eqprop.topology.topology import Topology, check_layer_sizes


def from_adjacency(
    adjacency: Any, layer_sizes: Iterable[int], *, names: Sequence[str] | None = None
) -> Topology:
    """A topology from a symmetric adjacency matrix.

    **Arguments:**

    - `adjacency`: dense or SciPy sparse `[units, units]`; nonzero means connected. Units are
      ordered layer by layer, input first.
    - `layer_sizes`: units per layer; must sum to `units`.
    - `names`: of the units, in their order.

    **Raises:** `ConfigError` if the matrix is not square or symmetric, has a nonzero diagonal,
    connects two input units, does not fit `layer_sizes`, or has no path from the input to the
    output units. Warns (`UserWarning`) if no path leads to some of them.

    >>> import eqprop
    >>> topology = eqprop.layered([3, 4, 2])
    >>> eqprop.from_adjacency(topology.adjacency(), [3, 4, 2]).num_connections
    20
    """
    sizes = check_layer_sizes(layer_sizes)
    return _from_matrix(adjacency, sizes, names)


def _from_matrix(
    adjacency: Any, sizes: tuple[int, ...], own_names: Sequence[Any] | None
) -> Topology:
    """`from_adjacency`, whose errors call the units by their names."""
    units = sum(sizes)
    names = [f"unit {u}" for u in range(units)]
    if own_names is not None:
        names = [f"node {name!r}" for name in own_names]
    try:
        given: Any = scipy.sparse.csr_array(adjacency)
        missing = np.isnan(given.data) if given.dtype.kind == "f" else np.zeros(0, bool)
    except (TypeError, ValueError) as problem:
        raise ConfigError(
            f"`adjacency` must be a matrix of numbers, got {type(adjacency).__name__} ({problem})."
        ) from None
    if missing.any():
        raise ConfigError(
            f"`adjacency` must be numbers, got NaN at {int(missing.sum())} entries. Where there is "
            "no connection it must be 0: use `numpy.nan_to_num(adjacency)`."
        )
    matrix: Any = given != 0
    if matrix.shape != (units, units):
        raise ConfigError(
            f"`adjacency` must have shape {(units, units)} to fit `layer_sizes` {list(sizes)}, "
            f"got {matrix.shape}. Count the input units too."
        )
    if (matrix != matrix.T).nnz:
        raise ConfigError(
            "`adjacency` must be symmetric, got one that is not. Connections of an energy-based "
            "network are undirected. Use `adjacency + adjacency.T`."
        )
    if matrix.diagonal().any():
        unit = int(np.flatnonzero(matrix.diagonal())[0])
        raise ConfigError(
            f"no unit may be connected to itself, got a self connection at {names[unit]}. "
            "Remove it, in a matrix by a zero diagonal."
        )
    starts = np.concatenate([[0], np.cumsum(sizes)])
    between = matrix[: sizes[0], : sizes[0]].tocoo()
    if between.nnz:
        a, b = (names[int(units[0])] for units in between.coords)
        raise ConfigError(
            f"two input units must not be connected, got {a} and {b}: they are clamped, so it "
            "would have no effect. Remove the connection."
        )
    masks = {}
    for post in range(1, len(sizes)):
        for pre in range(post + 1):
            block = matrix[starts[post] : starts[post + 1], starts[pre] : starts[pre + 1]]
            dense = block.toarray()
            if post == pre:
                dense = np.tril(dense, -1)
            if dense.any() or post - pre == 1:
                masks[post, pre] = dense
    _check_reached(matrix, sizes, names)
    return Topology(sizes, masks, names=None if own_names is None else tuple(own_names))


def from_networkx(
    graph: Any,
    *,
    inputs: Sequence[Hashable] | None = None,
    outputs: Sequence[Hashable] | None = None,
    layers: Sequence[Sequence[Hashable]] | None = None,
) -> Topology:
    """A topology from an undirected NetworkX graph.

    **Arguments:**

    - `graph`: a `networkx.Graph`; edge attributes are ignored. Its nodes name the units.
    - `inputs`, `outputs`: its nodes that are the first and the last layer, in unit order (default:
      nodes whose attribute `layer` is the smallest, and the largest).
    - `layers`: the hidden layers as lists of nodes (default: by the attribute `layer` where the
      inputs are not given; else all other nodes, in the graph's order, as one hidden block).

    **Raises:** `ConfigError` for unknown or repeated nodes, nodes in no layer, an edge between
    two inputs, a self loop, or a directed graph.

    >>> import eqprop, networkx
    >>> graph = networkx.path_graph(5)
    >>> eqprop.from_networkx(graph, inputs=[0], outputs=[4]).layer_sizes
    (1, 3, 1)
    """
    if graph.is_directed():
        raise ConfigError(
            "`graph` must be undirected, got a directed one. Connections carry signals both ways. "
            "Use `graph.to_undirected()`."
        )
    if inputs is None and outputs is None and layers is None:
        inputs, *layers, outputs = _by_attribute(graph)
    if inputs is None or outputs is None:
        raise ConfigError(
            "`inputs` and `outputs` must both be given, got none or one of them. Leave out both, "
            "and `layers`, where the nodes have an attribute `layer`."
        )
    taken = set(inputs) | set(outputs)
    if layers is None:
        others = [node for node in graph.nodes if node not in taken]
        layers = [others] if others else []
    order = [node for layer in [inputs, *layers, outputs] for node in layer]
    unknown = [node for node in order if node not in graph]
    if unknown:
        raise ConfigError(
            f"`inputs`, `outputs` and `layers` must name nodes of the graph, got {unknown[0]!r}, "
            "which is none. Check its spelling and type."
        )
    if len(set(order)) != len(order):
        double = next(node for node in order if order.count(node) > 1)
        raise ConfigError(
            f"each node must stand in one layer once, got {double!r} more than once. Remove one."
        )
    missing = [node for node in graph.nodes if node not in set(order)]
    if missing:
        raise ConfigError(
            f"`layers` must cover every node that is no input or output; {missing[0]!r} is in "
            "none. Add it to a layer, or leave `layers` out."
        )
    position = {node: unit for unit, node in enumerate(order)}
    edges = np.array([(position[a], position[b]) for a, b in graph.edges()], int).reshape(-1, 2)
    i, j = edges.T
    n = len(order)
    upper = scipy.sparse.coo_array((np.ones(len(edges), bool), (i, j)), shape=(n, n)).tocsr()
    sizes = check_layer_sizes([len(inputs), *map(len, layers), len(outputs)])
    # Nodes that are counted are no names.
    return _from_matrix(upper + upper.T, sizes, None if order == list(range(n)) else order)


def _by_attribute(graph: Any) -> list[list[Any]]:
    """The nodes layer by layer, by their attribute `layer`."""
    found: dict[float, list[Any]] = {}
    for node, facts in graph.nodes(data=True):
        try:
            found.setdefault(float(facts["layer"]), []).append(node)
        except (KeyError, TypeError, ValueError):
            raise ConfigError(
                "every node must have a number as its attribute `layer`, or `inputs` and `outputs` "
                f"must be given, got node {node!r} with {facts.get('layer')!r}."
            ) from None
    if len(found) < 2:
        raise ConfigError(
            f"the nodes must have two values of `layer` or more, got {sorted(found)}. The smallest "
            "is that of the inputs, the largest that of the outputs."
        )
    return [found[layer] for layer in sorted(found)]


def _check_reached(matrix: Any, sizes: tuple[int, ...], names: Sequence[Any]) -> None:
    _, labels = scipy.sparse.csgraph.connected_components(matrix, directed=False)
    reached = np.isin(labels[-sizes[-1] :], labels[: sizes[0]])
    if not reached.any():
        raise ConfigError(
            f"a path must lead from the inputs to the outputs, got none: {names[0]} does not reach "
            f"{names[-1]}, nor does any other. Connect them."
        )
    if not reached.all():
        warnings.warn(
            f"{int((~reached).sum())} of {sizes[-1]} output units are reached by no input unit, "
            f"{names[len(names) - sizes[-1] + int(np.argmin(reached))]} among them; they cannot "
            "learn from the data. Connect them, or remove them.",
            stacklevel=4,
        )
