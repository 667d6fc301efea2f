"""Connections that are taken away again."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from eqprop.errors import ConfigError
from eqprop.topology.topology import Block, Topology

Pruned = Literal["skips", "others"]


def prune(
    topology: Topology,
    count: int,
    what: Pruned = "skips",
    *,
    weights: Mapping[Block, Any] | None = None,
    seed: int = 0,
) -> Topology:
    """A topology without some of its connections; pairs of layers stay, if perhaps empty.

    **Arguments:**

    - `count`: how many connections are taken away.
    - `what`: `skips`, those between layers two or more apart, or `others`, all but those.
    - `weights`: shaped like `topology.masks`; those smallest in size go first. Without them `seed`
      draws which go, each alike.

    **Raises:** `ConfigError` if there are not so many.

    >>> import eqprop
    >>> rewired = eqprop.rewire_each(eqprop.layered([6, 5, 5, 2]), p=0.2, seed=0)
    >>> bare = prune(rewired, rewired.accounting().skip)
    >>> bare.accounting().skip, rewired.num_connections - bare.num_connections
    (0, 11)
    """
    blocks = [b for b in topology.masks if (b[0] - b[1] >= 2) == (what == "skips")]
    places = [(b, np.argwhere(topology.masks[b])) for b in blocks]
    available = sum(len(found) for _, found in places)
    if not 0 <= count <= available:
        raise ConfigError(
            f"`count` must be from 0 to {available}, the connections that are {what}, got {count}."
        )
    if weights is None:
        order = np.random.default_rng(seed).permutation(available)
    else:
        sizes = [np.abs(np.asarray(weights[b]))[topology.masks[b]] for b in blocks]
        order = np.argsort(np.concatenate([*sizes, []]), kind="stable")
    goes = np.zeros(available, bool)
    goes[order[:count]] = True
    masks, begin = dict(topology.masks), 0
    for block, found in places:
        chosen = found[goes[begin : begin + len(found)]]
        begin += len(found)
        mask = np.array(masks[block])
        mask[chosen[:, 0], chosen[:, 1]] = False
        masks[block] = mask
    return dataclasses.replace(topology, masks=masks)
