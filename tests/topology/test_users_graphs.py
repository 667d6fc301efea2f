"""Graphs as users have them: what is no connection, what is refused by name, what can be copied."""

from __future__ import annotations

import copy
import pickle

import networkx as nx
import numpy as np
import pytest

import eqprop
from eqprop.errors import ConfigError


def chain(nothing):
    """Adjacency of a path of six units, with `nothing` where no edge is."""
    matrix = np.full((6, 6), nothing)
    np.fill_diagonal(matrix, 0)
    for unit in range(5):
        matrix[unit, unit + 1] = matrix[unit + 1, unit] = 1.0
    return matrix


def test_nan_in_an_adjacency_is_no_connection():
    assert eqprop.from_adjacency(chain(0.0), [1, 4, 1]).num_connections == 5
    try:
        found = eqprop.from_adjacency(chain(np.nan), [1, 4, 1]).num_connections
    except ConfigError as problem:
        assert "NaN" in str(problem)
    else:
        assert found == 5


def test_errors_of_a_graph_name_its_nodes():
    loop = nx.Graph([("a", "hub"), ("hub", "hub"), ("hub", "o")])
    with pytest.raises(ConfigError, match="self connection at node 'hub'"):
        eqprop.from_networkx(loop, inputs=["a"], outputs=["o"])
    linked = nx.Graph([("a", "b"), ("a", "hub"), ("b", "hub"), ("hub", "o")])
    with pytest.raises(ConfigError, match="got node 'a' and node 'b'"):
        eqprop.from_networkx(linked, inputs=["a", "b"], outputs=["o"])


def test_a_topology_is_copied_pickled_and_compared():
    wired = eqprop.rewire(eqprop.with_intralayer(eqprop.layered([6, 5, 4, 2])), n=9, seed=1)
    for again in (copy.deepcopy(wired), pickle.loads(pickle.dumps(wired))):
        assert again == wired and again is not wired
        assert again.accounting() == wired.accounting()
    other = eqprop.rewire(eqprop.with_intralayer(eqprop.layered([6, 5, 4, 2])), n=9, seed=2)
    assert wired != other and wired != "a topology"


def test_skip_connections_are_added_where_skips_go():
    plain = eqprop.layered([6, 5, 4, 2])
    more = eqprop.add_skip_connections(plain, n=7, seed=0)
    assert more.num_connections == plain.num_connections + 7
    assert all(post - pre != 0 for (post, pre), mask in more.masks.items() if mask.any())
    kinds = more.accounting().to_dict()
    assert kinds["skip"] == 7 and kinds["intralayer"] == 0
