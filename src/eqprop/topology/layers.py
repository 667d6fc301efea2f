"""Topologies that need no chance: layered, layered with full hidden layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np

from eqprop.topology.topology import Block, Topology, check_layer_sizes


def layered(layer_sizes: Iterable[int]) -> Topology:
    """The layered topology: every pair of units in adjacent layers is connected (figure 1).

    **Arguments:**

    - `layer_sizes`: units per layer, input first.

    >>> import eqprop
    >>> eqprop.layered([784, 500, 500, 500, 10]).num_connections
    897000
    """
    sizes = check_layer_sizes(layer_sizes)
    masks = {(k + 1, k): np.ones((sizes[k + 1], sizes[k]), bool) for k in range(len(sizes) - 1)}
    return Topology(sizes, masks)


def with_intralayer(topology: Topology) -> Topology:
    """`topology` with every hidden layer fully connected inside (first step of Algorithm 1).

    >>> import eqprop
    >>> eqprop.with_intralayer(eqprop.layered([784, 500, 500, 500, 10])).num_connections
    1271250
    """
    full = {
        (k, k): np.tril(np.ones((n, n), bool), -1)
        for k, n in enumerate(topology.layer_sizes)
        if 0 < k < topology.num_layers - 1
    }
    return dataclasses.replace(topology, masks={**topology.masks, **full})


def without_intralayer(topology: Topology) -> Topology:
    """`topology` without the connections inside its layers, so that it can be read forwards.

    >>> import eqprop
    >>> full = eqprop.with_intralayer(eqprop.layered([4, 3, 3, 2]))
    >>> eqprop.without_intralayer(full).accounting().intralayer
    0
    """
    between = {(post, pre): m for (post, pre), m in topology.masks.items() if post != pre}
    return dataclasses.replace(topology, masks=between, rewiring=None)


def skip_pairs(topology: Topology) -> tuple[Block, ...]:
    """All pairs of layers at distance two or more: where a connection is a skip connection.

    >>> import eqprop
    >>> eqprop.skip_pairs(eqprop.layered([4, 3, 3, 2]))
    ((2, 0), (3, 0), (3, 1))
    """
    layers = range(topology.num_layers)
    return tuple((post, pre) for post in layers for pre in layers if post - pre >= 2)


def connectable_pairs(topology: Topology) -> tuple[Block, ...]:
    """All pairs of layers that Algorithm 1 may connect: not input-input, not output-output."""
    last = topology.num_layers - 1
    return tuple(
        (post, pre)
        for post in range(last + 1)
        for pre in range(post + 1)
        if (post, pre) not in ((0, 0), (last, last))
    )
