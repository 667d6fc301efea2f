"""Watts and Strogatz's procedure on a layered network, to set Algorithm 1 beside it."""

from __future__ import annotations

import numpy as np

from eqprop.errors import ConfigError
from eqprop.topology.layers import connectable_pairs
from eqprop.topology.topology import Rewiring, Topology


def rewire_ends(topology: Topology, *, p: float, seed: int) -> Topology:
    """Visits every connection once and, with probability p, moves one of its ends.

    The other end stays; the new partner is drawn uniformly among the units that it is not yet
    connected with. A unit is never connected to itself, nor an input to an input, nor an output to
    an output. Chance decides which end stays: in a ring one walks along the connections, and the
    end that comes first stays, but a layered network has no such direction.

    Differs from: Algorithm 1 (`rewire`), which draws both ends anew and may draw a replaced
    connection again. There p is the share of connections drawn at least once.

    **Arguments:**

    - `p`: probability of moving, in [0, 1].
    - `seed`: of the wiring.

    **References:** Watts and Strogatz, "Collective dynamics of 'small-world' networks", Nature
    393:440 (1998).

    >>> import eqprop
    >>> base = eqprop.layered([20, 9, 9, 4])
    >>> moved = rewire_ends(base, p=0.3, seed=0)
    >>> moved.num_connections == base.num_connections
    True
    """
    if not 0 <= p <= 1:
        raise ConfigError(f"`p` must lie in [0, 1], got {p}. It is a probability. Try p=0.1.")
    sizes, units = topology.layer_sizes, topology.num_units
    layer = np.repeat(np.arange(len(sizes)), sizes)
    last = len(sizes) - 1
    linked = topology.adjacency().toarray()
    rng = np.random.default_rng(seed)
    rows, columns = np.nonzero(np.tril(linked))
    chosen = np.flatnonzero(rng.random(len(rows)) < p)
    keep_row = rng.random(len(chosen)) < 0.5
    moved = 0
    for row, column, stays in zip(
        rows[chosen].tolist(), columns[chosen].tolist(), keep_row.tolist(), strict=True
    ):
        end, other = (row, column) if stays else (column, row)
        open_to = ~linked[end]
        open_to[end] = False
        if layer[end] in (0, last):
            open_to &= layer != layer[end]
        partners = np.flatnonzero(open_to)
        if not len(partners):
            continue
        partner = partners[rng.integers(len(partners))]
        linked[end, other] = linked[other, end] = False
        linked[end, partner] = linked[partner, end] = True
        moved += 1
    starts = np.concatenate([[0], np.cumsum(sizes)])
    span = [slice(starts[k], starts[k + 1]) for k in range(len(sizes))]
    masks = {
        (post, pre): np.tril(linked[span[post], span[pre]], -1 if post == pre else units)
        for post, pre in connectable_pairs(topology)
    }
    return Topology(sizes, masks, Rewiring(moved, len(rows), moved), topology.names)
