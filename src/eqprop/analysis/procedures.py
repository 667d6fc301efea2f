"""Algorithm 1 beside Watts and Strogatz's procedure: accounting only, nothing is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from eqprop.analysis.collect import NewRow
from eqprop.topology import Topology, rewire, rewire_ends, small_world

COLUMNS = (
    "p",
    "seed",
    "procedure",
    "originals_kept",
    "interlayer",
    "intralayer",
    "skip",
    "skips_from_input",
    "degree_std_hidden",
    "path_length",
    "clustering",
)
PROBABILITIES = (0.01, 0.05, 0.0756, 0.1, 0.2, 0.3, 0.4, 0.5)


def compared(
    topology: Topology,
    seeds: Sequence[int],
    probabilities: Sequence[float] = PROBABILITIES,
    tell: Callable[[str], None] = lambda _: None,
) -> list[NewRow]:
    """A row per p, seed and procedure.

    **Returns:** shares of the original connections that are still there, counts by kind of
    connection, the spread of the number of connections per hidden unit, and the small-world
    measures.
    """
    before = topology.adjacency().toarray()
    rows = []
    for p in probabilities:
        for seed in seeds:
            for procedure, made in (
                ("algorithm 1", rewire(topology, p=p, seed=seed)),
                ("watts-strogatz", rewire_ends(topology, p=p, seed=seed)),
            ):
                rows.append(
                    {"p": p, "seed": seed, "procedure": procedure} | _facts(made, before, seed)
                )
                tell(f"p = {p:g}, seed {seed}, {procedure}")
    return rows


def _facts(made: Topology, before: np.ndarray, seed: int) -> NewRow:
    after = made.adjacency().toarray()
    counts = made.accounting()
    inputs, outputs = made.layer_sizes[0], made.layer_sizes[-1]
    world = small_world(made, seed=seed)
    return {
        "originals_kept": float((after & before).sum() / before.sum()),
        "interlayer": counts.interlayer,
        "intralayer": counts.intralayer,
        "skip": counts.skip,
        "skips_from_input": counts.skips_from_input,
        "degree_std_hidden": float(after.sum(axis=0)[inputs:-outputs].std()),
        "path_length": world.path_length,
        "clustering": world.clustering,
    }
