"""Oracles: the closed forms of DESIGN (expected net skips, p), NetworkX, plain counting."""

from __future__ import annotations

import dataclasses
import time

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eqprop
from eqprop.errors import ConfigError
from eqprop.topology import connectable_pairs
from eqprop.topology.topology import Rewiring

PAPER = [784, 500, 500, 500, 10]
DEEP = [784, 100, 100, 100, 100, 100, 10]


@pytest.fixture(scope="module")
def paper():
    return eqprop.with_intralayer(eqprop.layered(PAPER))


def expected_net_skips(connections, free, n):
    rate = 1 / connections + 1 / free
    return connections * free / (connections + free) * (1 - (1 - rate) ** n)


def test_paper_networks_have_the_published_numbers_of_connections(paper):
    assert paper.num_connections == 1_271_250
    assert eqprop.with_intralayer(eqprop.layered(DEEP)).num_connections == 144_150
    free = (
        sum(
            PAPER[a] * (PAPER[a] - 1) // 2 if a == b else PAPER[a] * PAPER[b]
            for a, b in connectable_pairs(paper)
        )
        - 1_271_250
    )
    assert free == 1_051_840
    assert round(expected_net_skips(1_271_250, free, 100_000)) == 91_795


def test_p_and_n_convert_both_ways():
    assert eqprop.probability_of(100_000, 1_271_250) == pytest.approx(0.0756, abs=5e-5)
    assert eqprop.probability_of(11_332, 144_150) == pytest.approx(0.0756, abs=5e-5)
    for p in (0.0001, 0.0756, 0.5, 0.99):
        n = eqprop.replacements_for(p, 144_150)
        assert eqprop.probability_of(n, 144_150) == pytest.approx(p, abs=1e-5)


def test_one_hundred_rewirings_agree_with_both_formulas():
    # The same formulas on a smaller network, so that a hundred seeds take a second.
    base = eqprop.with_intralayer(eqprop.layered([40, 20, 20, 5]))
    pairs = connectable_pairs(base)
    sizes = base.layer_sizes
    slots = sum(sizes[a] * (sizes[a] - 1) // 2 if a == b else sizes[a] * sizes[b] for a, b in pairs)
    n, existing = 400, base.num_connections
    counts = [eqprop.rewire(base, n=n, seed=seed).accounting() for seed in range(100)]
    for found, expected in (
        ([c.skip for c in counts], expected_net_skips(existing, slots - existing, n)),
        ([c.originals_drawn or 0.0 for c in counts], eqprop.probability_of(n, existing)),
    ):
        error = np.std(found, ddof=1) / 10
        assert abs(np.mean(found) - expected) <= 3 * error
        assert abs(np.mean(found) - expected * 1.05) > 3 * error, "the test must have power"


@pytest.mark.longest
def test_one_hundred_rewirings_of_the_paper_network(paper):
    counts = [eqprop.rewire(paper, n=100_000, seed=seed).accounting() for seed in range(100)]
    skips = [c.skip for c in counts]
    share = [c.originals_drawn or 0.0 for c in counts]
    expected = expected_net_skips(1_271_250, 1_051_840, 100_000)
    assert abs(np.mean(skips) - expected) <= 3 * np.std(skips, ddof=1) / 10
    p = eqprop.probability_of(100_000, 1_271_250)
    assert abs(np.mean(share) - p) <= 3 * np.std(share, ddof=1) / 10


def test_rewiring_the_paper_network_takes_less_than_a_second(paper):
    start = time.process_time()
    rewired = eqprop.rewire(paper, n=100_000, seed=0)
    assert time.process_time() - start < 3  # a second on an idle machine
    count = rewired.accounting()
    assert rewired.num_connections == paper.num_connections
    assert count.skips_from_input == pytest.approx(791_840 / 1_051_840, abs=0.01)
    assert count.interlayer + count.intralayer + count.skip == count.total


small_sizes = st.lists(st.integers(1, 7), min_size=3, max_size=5)


@settings(max_examples=60, deadline=None)
@given(sizes=small_sizes, n=st.integers(0, 60), seed=st.integers(0, 2**31))
def test_rewiring_keeps_what_algorithm_1_keeps(sizes, n, seed):
    base = eqprop.with_intralayer(eqprop.layered(sizes))
    rewired = eqprop.rewire(base, n=n, seed=seed)
    matrix = rewired.adjacency().toarray()
    assert (matrix == matrix.T).all() and not matrix.diagonal().any()
    assert matrix.sum() == 2 * base.num_connections
    assert not matrix[: sizes[0], : sizes[0]].any(), "no two inputs"
    assert not matrix[-sizes[-1] :, -sizes[-1] :].any(), "no two outputs"
    again = eqprop.rewire(base, n=n, seed=seed)
    assert all((again.masks[b] == rewired.masks[b]).all() for b in rewired.blocks)
    back = eqprop.Topology.from_arrays(rewired.to_arrays())
    assert (back.adjacency().toarray() == matrix).all() and back.rewiring == rewired.rewiring
    if n == 0:
        assert (matrix == base.adjacency().toarray()).all()


def test_one_replacement_removes_one_and_adds_one(paper):
    rewired = eqprop.rewire(paper, n=1, seed=3)
    changed = (rewired.adjacency() != paper.adjacency()).nnz
    assert changed == 4  # one pair removed, one added, both stored twice
    assert rewired.accounting().skip == 1


def test_rewire_each_replaces_every_interlayer_connection_at_p_1():
    base = eqprop.layered([20, 9, 9, 4])
    none, every = (eqprop.rewire_each(base, p=p, seed=0) for p in (0, 1))
    assert none.accounting().skip == 0
    assert every.rewiring is not None and every.rewiring.requested == base.num_connections
    assert every.num_connections == base.num_connections
    made = [eqprop.rewire_each(base, p=0.3, seed=s).rewiring for s in range(100)]
    counts = [count.requested for count in made if count is not None]
    deviation = (0.3 * 0.7 * base.num_connections / 100) ** 0.5
    assert abs(np.mean(counts) - 0.3 * base.num_connections) <= 3 * deviation
    assert base.blocks != every.blocks and every.accounting().intralayer == 0


def test_watts_and_strogatz_move_one_end_of_a_share_of_the_connections():
    base = eqprop.layered([20] * 12)
    before, counts = base.adjacency().toarray(), base.num_connections
    kept = []
    for seed in range(20):
        made = eqprop.rewire_ends(base, p=0.3, seed=seed)
        after = made.adjacency().toarray()
        assert made.num_connections == counts
        assert not after[:20, :20].any() and not after[-20:, -20:].any()
        assert not after.diagonal().any() and (after == after.T).all()
        kept.append((after & before).sum() / before.sum())
    # In a sparse network few moved connections land on a place that an earlier one left.
    assert 0.69 < np.mean(kept) < 0.73 and np.std(kept) > 0
    assert (eqprop.rewire_ends(base, p=0.0, seed=0).adjacency().toarray() == before).all()
    # One end stays, so that degrees change less than by Algorithm 1 at the same p.
    spread = {
        name: np.mean([np.abs(made(seed).adjacency().sum(0) - before.sum(0)).mean()
                       for seed in range(10)])
        for name, made in (
            ("ends", lambda seed: eqprop.rewire_ends(base, p=0.3, seed=seed)),
            ("algorithm 1", lambda seed: eqprop.rewire(base, p=0.3, seed=seed)),
        )
    }  # fmt: skip
    assert 0 < spread["ends"] < spread["algorithm 1"]


def test_added_connections_remove_none():
    base = eqprop.with_intralayer(eqprop.layered([20, 9, 9, 4]))
    added = eqprop.add_skip_connections(base, n=30, seed=0)
    assert added.num_connections == base.num_connections + 30
    assert all((added.masks[b] >= m).all() for b, m in base.masks.items())


def test_receivers_restrict_where_new_connections_go():
    base = eqprop.with_intralayer(eqprop.layered([20, 9, 9, 4]))
    rewired = eqprop.rewire(base, n=50, seed=0, receivers=[(1, 3)])
    count = rewired.accounting()
    assert count.skip == count.per_block[3, 1] > 10
    with pytest.raises(eqprop.ConfigError, match=r"`receivers` must be pairs"):
        eqprop.rewire(base, n=5, seed=0, receivers=[(0, 0)])


def test_networkx_graph_keeps_its_edges_and_order():
    graph = networkx.gnp_random_graph(30, 0.3, seed=2)
    graph.remove_edges_from([(a, b) for a in range(5) for b in range(5) if graph.has_edge(a, b)])
    outputs = [29, 28, 27]
    topology = eqprop.from_networkx(graph, inputs=range(5), outputs=outputs)
    order = [*range(27), *outputs]
    expected = networkx.to_numpy_array(graph, nodelist=order) > 0
    assert expected.sum() > 50
    assert (topology.adjacency().toarray() == expected).all()
    assert topology.layer_sizes == (5, 22, 3)


def test_an_unreached_output_is_a_warning_and_two_linked_inputs_an_error():
    graph = networkx.path_graph(4)
    graph.add_node(4)
    with pytest.warns(UserWarning, match="1 of 2 output units are reached by no input"):
        eqprop.from_networkx(graph, inputs=[0], outputs=[3, 4])
    with pytest.raises(eqprop.ConfigError, match="two input units must not be connected"):
        eqprop.from_networkx(networkx.path_graph(4), inputs=[0, 1], outputs=[3])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: eqprop.rewire(t, p=1.0, seed=0), r"`p` must lie in \[0, 1\), got 1.0"),
        (lambda t: eqprop.rewire(t, p=-0.1, seed=0), r"`p` must lie in \[0, 1\), got -0.1"),
        (lambda t: eqprop.rewire(t, n=-1, seed=0), "`n` must be a whole number"),
        (lambda t: eqprop.rewire(t, n=1, p=0.1, seed=0), "exactly one of `n` and `p`"),
        (lambda t: eqprop.rewire_each(t, p=1.1, seed=0), r"`p` must lie in \[0, 1\], got 1.1"),
        (lambda t: eqprop.add_skip_connections(t, n=10**6, seed=0), "number of free pairs"),
        (lambda t: eqprop.layered([5]), "`layer_sizes` must be at least two"),
        (lambda t: eqprop.layered([5, 0]), "`layer_sizes` must be at least two"),
        (lambda t: eqprop.from_adjacency(np.eye(3), [1, 1, 1]), "zero diagonal"),
        (lambda t: eqprop.from_adjacency(np.triu(np.ones((3, 3)), 1), [1, 1, 1]), "symmetric"),
        (lambda t: eqprop.Topology((2, 2), {(0, 1): np.ones((2, 2))}), r"\(post, pre\)"),
        (lambda t: eqprop.Topology((2, 2), {(1, 1): np.ones((2, 2))}), "lower triangular"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(eqprop.ConfigError, match=message):
        call(eqprop.layered([20, 9, 9, 4]))


def test_whole_layers_are_connected_at_the_same_number_of_connections():
    base = eqprop.layered([20, 9, 8, 7, 6, 4])
    wired = eqprop.rewire_layers(base, pairs=[(1, 3), (5, 2)], seed=3)
    assert wired.masks[3, 1].all() and wired.masks[5, 2].all()
    assert wired.num_connections == base.num_connections
    counts = wired.accounting()
    assert counts.skip == 7 * 9 + 4 * 8 and counts.interlayer == base.num_connections - counts.skip
    # What is removed is drawn evenly from what was there.
    shares = [wired.masks[k, k - 1].mean() for k in range(1, 6)]
    assert max(shares) < 1 and min(shares) > 0.4
    other = eqprop.rewire_layers(base, pairs=[(1, 3), (5, 2)], seed=4)
    assert other != wired
    for wrong, words in (
        ([(2, 1)], "distance two or more"),
        ([(5, 0), (4, 0), (3, 0), (2, 0)], "at most"),
    ):
        with pytest.raises(ConfigError, match=words):
            eqprop.rewire_layers(base, pairs=wrong, seed=0)


def test_a_wiring_that_was_rewired_from_nothing_is_printed_and_counted():
    empty = eqprop.layered([3, 2])
    empty = eqprop.Topology(empty.layer_sizes, {b: 0 * m for b, m in empty.masks.items()})
    made = dataclasses.replace(empty, rewiring=Rewiring(4, 0, 0))
    assert "0 connections" in repr(made) and made.accounting().originals_drawn is None
