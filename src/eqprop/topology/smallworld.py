"""Small-world measures of a wiring (the footnote of section 2.2)."""

from __future__ import annotations

import dataclasses

import numpy as np

from eqprop.errors import ConfigError
from eqprop.topology.topology import Topology


@dataclasses.dataclass(frozen=True)
class SmallWorld:
    """Measures of an undirected graph, and of a random graph and a lattice like it.

    **Attributes:**

    - `path_length`: characteristic path length L, the mean number of connections between two
      units over all pairs that a path joins.
    - `joined`: share of the pairs that a path joins.
    - `clustering`: C, mean over the units of the share of their neighbours' pairs that are wired.
    - `random_path_length`, `random_clustering`: of a random graph with as many units and
      connections.
    - `lattice_path_length`, `lattice_clustering`: of a ring on which each unit is wired to its
      nearest ones.
    """

    path_length: float
    joined: float
    clustering: float
    random_path_length: float
    random_clustering: float
    lattice_path_length: float
    lattice_clustering: float

    @property
    def sigma(self) -> float:
        """(C / C_random) / (L / L_random); above 1 in a small world (Humphries and Gurney)."""
        return (self.clustering / self.random_clustering) / (
            self.path_length / self.random_path_length
        )

    @property
    def omega(self) -> float:
        """L_random / L - C / C_lattice; near 0 in a small world (Telesford et al.)."""
        return self.random_path_length / self.path_length - (
            self.clustering / self.lattice_clustering
        )

    def to_dict(self) -> dict[str, float]:
        """Everything, for JSON."""
        return dataclasses.asdict(self) | {"sigma": self.sigma, "omega": self.omega}


def small_world(topology: Topology, *, seed: int = 0) -> SmallWorld:
    """Characteristic path length, clustering and small-world coefficients of a wiring.

    Works on dense matrices: seconds for the paper's 2,294 units.

    **Arguments:**

    - `seed`: of the random graph that it is compared with.

    **Raises:** `ConfigError` for a wiring without triangles in its random graph, or with fewer
    than three units, for which the coefficients mean nothing.

    **References:** Watts and Strogatz, Nature 393 (1998); Humphries and Gurney, PLoS ONE 3
    (2008); Telesford et al., Brain Connectivity 1 (2011).

    >>> import eqprop
    >>> base = eqprop.with_intralayer(eqprop.layered([6, 8, 8, 2]))
    >>> found = small_world(eqprop.rewire(base, p=0.2, seed=0))
    >>> 1 < found.path_length < 3
    True
    """
    graph = topology.adjacency().toarray().astype(bool)
    units, connections = len(graph), int(graph.sum()) // 2
    if units < 3 or connections == 0:
        raise ConfigError(
            f"`topology` must have three units and a connection for small-world measures, got "
            f"{units} units and {connections} connections."
        )
    random = _random_graph(units, connections, np.random.default_rng(seed))
    lattice = _lattice(units, connections)
    length, joined = path_length(graph)
    found = SmallWorld(
        path_length=length,
        joined=joined,
        clustering=clustering(graph),
        random_path_length=path_length(random)[0],
        random_clustering=clustering(random),
        lattice_path_length=path_length(lattice)[0],
        lattice_clustering=clustering(lattice),
    )
    if not found.random_clustering or not found.lattice_clustering:
        raise ConfigError(
            f"`topology` must be dense enough that graphs like it have triangles, got "
            f"{connections} connections of {units} units."
        )
    return found


def path_length(graph: np.ndarray) -> tuple[float, float]:
    """Mean distance over the joined pairs of a symmetric `[units, units]`, and their share."""
    step = graph.astype(np.float32)
    reached = graph | np.eye(len(graph), dtype=bool)
    total, distance, ends = float(graph.sum()), 1, step
    while True:
        # One product of matrices finds all pairs that are one connection further apart.
        new = (ends @ step > 0) & ~reached
        count = int(new.sum())
        if count == 0:
            break
        distance += 1
        total += distance * count
        reached |= new
        ends = new.astype(np.float32)
    pairs = int(reached.sum()) - len(graph)
    every = len(graph) * (len(graph) - 1)
    return (total / pairs if pairs else float("inf")), pairs / every


def clustering(graph: np.ndarray) -> float:
    """Mean over the units of the share of the pairs of neighbours that are neighbours too."""
    wired = graph.astype(np.float32)
    degree = graph.sum(axis=1).astype(float)
    triangles = np.einsum("ij,ij->i", wired @ wired, wired, dtype=np.float64)
    possible = degree * (degree - 1)
    return float(np.mean(np.divide(triangles, possible, np.zeros_like(degree), where=possible > 0)))


def _random_graph(units: int, connections: int, rng: np.random.Generator) -> np.ndarray:
    rows, columns = np.tril_indices(units, -1)
    chosen = rng.choice(len(rows), connections, replace=False)
    graph = np.zeros((units, units), bool)
    graph[rows[chosen], columns[chosen]] = True
    return graph | graph.T


def _lattice(units: int, connections: int) -> np.ndarray:
    """A ring: every unit to its nearest, then to the next nearest, until all are used."""
    graph = np.zeros((units, units), bool)
    here, left = np.arange(units), connections
    for distance in range(1, units // 2 + 1):
        # Opposite units of an even ring are joined once.
        starts = here[: units // 2] if 2 * distance == units else here
        starts = starts[:left]
        graph[starts, (starts + distance) % units] = True
        left -= len(starts)
        if left == 0:
            break
    return graph | graph.T
