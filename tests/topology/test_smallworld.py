"""Oracle: NetworkX, and rings whose measures are known."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

import eqprop
from eqprop.errors import ConfigError
from eqprop.topology import small_world
from eqprop.topology.smallworld import _lattice, clustering, path_length


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5])
def test_measures_are_those_of_networkx(p):
    base = eqprop.with_intralayer(eqprop.layered([9, 8, 7, 3]))
    topology = eqprop.rewire(base, p=p, seed=1) if p else base
    graph = nx.from_scipy_sparse_array(topology.adjacency())
    found = small_world(topology)
    assert found.path_length == pytest.approx(nx.average_shortest_path_length(graph))
    assert found.clustering == pytest.approx(nx.average_clustering(graph))
    assert 1 < found.path_length < 3 and 0.1 < found.clustering < 1
    assert found.joined == 1


def test_layered_networks_have_no_triangles_and_long_paths():
    found = small_world(eqprop.layered([4, 4, 4, 4]))
    assert found.clustering == 0 and found.sigma == 0
    graph = nx.complete_multipartite_graph(4, 4)
    assert found.path_length > nx.average_shortest_path_length(graph)


def test_a_ring_has_its_closed_form():
    # Each of 20 units is wired to its two nearest on both sides.
    ring = _lattice(20, 40)
    assert (ring.sum(1) == 4).all()
    assert clustering(ring) == pytest.approx(0.5)
    steps = [-(-distance // 2) for distance in range(1, 11)]
    assert path_length(ring)[0] == pytest.approx((2 * sum(steps[:9]) + steps[9]) / 19)
    assert _lattice(6, 15).sum() == 30  # every pair


def test_pairs_without_a_path_are_counted():
    graph = np.zeros((4, 4), bool)
    graph[0, 1] = graph[1, 0] = True
    assert path_length(graph) == (1.0, pytest.approx(2 / 12))


def test_too_small_is_refused():
    with pytest.raises(ConfigError, match="three units"):
        small_world(eqprop.layered([1, 1]))
