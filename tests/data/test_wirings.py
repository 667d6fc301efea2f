"""Wirings from files: every format says the same, names last, and what is wrong is named."""

from __future__ import annotations

import json
from typing import Any

import networkx as nx
import numpy as np
import pytest
import scipy.sparse

import eqprop
from eqprop.cli import run as cli
from eqprop.config.settings import build, load
from eqprop.data.wirings import read_wiring
from eqprop.errors import ConfigError, DataError
from eqprop.running.build import initial_network
from eqprop.running.wiring import build_topology

LAYERS = [["x*"], ["*"], ["left", "right"]]
NAMES = (*(f"x{k}" for k in range(12)), "a", "b", "c", "d", "left", "right")


@pytest.fixture
def graph():
    """Twelve inputs, four hidden units of which two are connected, two outputs, one skip."""
    made = nx.Graph()
    for k, name in enumerate(NAMES[:12]):
        made.add_edge(name, "abcd"[k % 4], weight=0.1 * (k + 1))
    made.add_edges_from([("a", "b", {"weight": -0.7}), ("x3", "left", {"weight": 0.9})])
    made.add_edges_from((h, o, {"weight": 0.3}) for h in "abcd" for o in ("left", "right"))
    for name in made:
        made.nodes[name]["layer"] = 0 if name[0] == "x" else 1 if len(name) == 1 else 2
    return made


@pytest.fixture
def files(graph, tmp_path):
    """The same graph in every format."""
    with open(tmp_path / "net.csv", "w") as file:
        file.write("source,target,weight\n")
        file.writelines(f"{a},{b},{w}\n" for a, b, w in graph.edges(data="weight"))
    with open(tmp_path / "net.txt", "w") as file:
        file.write("# a comment\n")
        file.writelines(f"{b} {a} {w}\n" for a, b, w in graph.edges(data="weight"))
    nx.write_graphml(graph, tmp_path / "net.graphml")
    matrix = nx.to_scipy_sparse_array(graph, nodelist=NAMES)
    scipy.sparse.save_npz(tmp_path / "sparse.npz", matrix)
    np.savez(tmp_path / "net.npz", adjacency=matrix.toarray(), layer_sizes=[12, 4, 2],
             names=np.array(NAMES))  # fmt: skip
    return tmp_path


def test_every_format_says_the_same(graph, files):
    wanted = eqprop.from_networkx(
        graph, inputs=NAMES[:12], layers=[NAMES[12:16]], outputs=NAMES[16:]
    )
    assert wanted.names == NAMES and wanted.accounting().skip == 1
    assert wanted.accounting().intralayer == 1 and wanted.num_connections == 12 + 2 + 8
    for name in ("net.csv", "net.txt", "net.graphml"):
        found = read_wiring(files / name, LAYERS)
        assert found.topology == wanted, name
        assert found.weights is not None
        assert found.weights[1, 0][0, 8] == np.float32(0.9)  # x8 to a
        assert found.weights[1, 1][1, 0] == np.float32(-0.7)
        assert found.weights[2, 0].sum() == np.float32(0.9)
    assert eqprop.read_topology(files / "net.npz") == wanted
    bare = eqprop.read_topology(files / "sparse.npz", layer_sizes=[12, 4, 2])
    assert bare.names is None and bare.adjacency().nnz == wanted.adjacency().nnz
    # By the attribute of its nodes, in the order of the file.
    told = eqprop.read_topology(files / "net.graphml")
    assert told.layer_sizes == (12, 4, 2) and set(told.names or ()) == set(NAMES)


def test_names_last_through_arrays_rewiring_and_networkx(files):
    wired = eqprop.read_topology(files / "net.csv", layers=LAYERS)
    for other in (
        eqprop.Topology.from_arrays(wired.to_arrays()),
        eqprop.from_networkx(wired.to_networkx()),
    ):
        assert other == wired
    assert eqprop.rewire(wired, n=3, seed=0).names == NAMES
    assert eqprop.rewire_ends(wired, p=0.2, seed=0).names == NAMES
    assert eqprop.with_intralayer(wired).names == eqprop.without_intralayer(wired).names == NAMES
    plain = eqprop.layered([3, 2, 2])
    assert eqprop.from_networkx(plain.to_networkx()) == plain
    assert wired.name_of(13) == "b" and plain.name_of(4) == "unit 1 of layer 1"


def test_settings_take_the_layers_and_the_weights_of_a_file(files):
    wanted = {"topology": {"file": str(files / "net.csv"), "layers": LAYERS}}
    config = build(wanted)
    assert config.topology.layer_sizes == (12, 4, 2)
    topology = build_topology(config)
    assert topology.names == NAMES
    drawn = initial_network(config, topology, 2).to_arrays()
    weighted = build({"topology": {**wanted["topology"], "edge_weights": True}})
    taken = initial_network(weighted, topology, 2).to_arrays()
    assert taken["weights_1_0"][0, 8] == np.float32(0.9) != drawn["weights_1_0"][0, 8]
    np.testing.assert_array_equal(taken["biases_1"], drawn["biases_1"])
    # Rewired from there; a connection that is gone has no weight.
    config = build({"topology": {**wanted["topology"], "wiring": "rewire", "p": 0.5,
                                 "edge_weights": True}})  # fmt: skip
    rewired = build_topology(config)
    assert rewired.num_connections == topology.num_connections and rewired != topology
    weights = initial_network(config, rewired, 2).to_arrays()["weights_1_0"]
    assert not weights[~rewired.masks[1, 0]].any() and weights.any()


def test_a_run_on_a_file_keeps_its_names(files, monkeypatch, capsys):
    monkeypatch.chdir(files)
    rng = np.random.default_rng(0)
    x = rng.random((80, 12))
    np.savez("data.npz", x=x, y=np.where(x[:, 0] > x[:, 1], "l", "r"))
    (files / "own.toml").write_text(
        'topology = {file = "net.graphml", layers = [["x*"], ["*"], ["left", "right"]]}\n'
        'data = {dataset = "data.npz"}\ntraining = {epochs = 2}\n'
    )
    assert load(files / "own.toml").topology.layer_sizes == (12, 4, 2)
    assert cli(["train", "own.toml", "--out", "runs"]) == 0
    assert cli(["report", "runs/run", "--out", "page.html"]) == 0
    assert "x0, x1, x2" in (files / "page.html").read_text()
    file = files / "net.graphml"
    before = file.rename("gone.graphml").read_text()  # a finished run has its wiring
    model = eqprop.load("runs/run")
    assert model.topology.names == NAMES
    assert model.to_networkx()["x8"]["a"]["weight"] == pytest.approx(
        float(model.network.hopfield.weights[1, 0][0, 8])
    )
    assert cli(["resume", "runs/run", "--epochs", "3"]) == 4
    nx.write_graphml(nx.Graph([*model.to_networkx().edges, ("x0", "left")]), file)
    assert cli(["resume", "runs/run", "--epochs", "3"]) == 2
    told = capsys.readouterr().err
    assert "net.graphml, which does not" in told and "`topology.file` must be what the run" in told
    file.write_text(before)
    assert cli(["resume", "runs/run", "--epochs", "3"]) == 0
    assert json.loads((files / "runs/run/summary.json").read_text())["epoch"] == 3


def test_what_is_wrong_with_a_file_is_named(files):
    def refused(error, text, name="net.csv", **how: Any):
        with pytest.raises(error, match=text):
            eqprop.read_topology(files / name, **{"layers": LAYERS, **how})

    refused(DataError, "must exist, got .*nothing.csv", "nothing.csv")
    refused(ConfigError, "got 'z\\*', which finds none of", layers=[["x*"], ["z*"], ["*"]])
    refused(ConfigError, "got 'a' in none", layers=[["x*"], ["b", "c"], ["left", "right"]])
    refused(ConfigError, "must say which nodes", layers=None)
    refused(ConfigError, "`layers` are for files whose nodes have names", "net.npz")
    refused(ConfigError, "`layer_sizes` must be given", "sparse.npz", layers=None)
    (files / "apart.csv").write_text("x1,a\nx2,b\nc,left\n")
    refused(ConfigError, "a path must lead from the inputs", "apart.csv",
            layers=[["x*"], ["*"], ["left"]])  # fmt: skip
    (files / "twice.csv").write_text("x1,a\na,x1\n")
    refused(DataError, "got a, x1 again in line 2", "twice.csv")
    (files / "words.csv").write_text("x1,a,strong\n")
    refused(DataError, "got 'strong' in line 1", "words.csv")
    (files / "broken.graphml").write_text("<graphml>")
    refused(DataError, "must be GraphML", "broken.graphml")
    (files / "inputs.csv").write_text("x1,x2\nx1,a\na,left\n")
    refused(ConfigError, "got node 'x1' and node 'x2'", "inputs.csv",
            layers=[["x*"], ["*"], ["left"]])  # fmt: skip
    with pytest.raises(ConfigError, match="`edge_weights` belongs to a wiring of your own"):
        build({"topology": {"edge_weights": True}})
    with pytest.raises(DataError, match=r"must be those of .*net\.csv"):
        file = {"file": str(files / "net.csv"), "layers": LAYERS, "layer_sizes": [12, 5, 2]}
        build_topology(build({"topology": file}))


def test_an_output_that_nothing_reaches_is_told(tmp_path):
    (tmp_path / "half.csv").write_text("x1,a\na,left\nb,right\n")
    with pytest.warns(UserWarning, match="node 'right' among them"):
        eqprop.read_topology(tmp_path / "half.csv", layers=[["x*"], ["*"], ["left", "right"]])


def test_names_of_columns_are_told_from_nodes(tmp_path):
    layers = [["x*"], ["*"], ["y*"]]
    for head in ("Source,Target,Weight", "from,to,weight", "target,weight,source"):
        body = ["h1,-0.5,x1", "y1,2.0,h1"] if head[0] == "t" else ["x1,h1,-0.5", "h1,y1,2.0"]
        (tmp_path / "net.csv").write_text("\n".join([head, *body]))
        found = read_wiring(tmp_path / "net.csv", layers)
        assert found.topology.names == ("x1", "h1", "y1")
        assert found.weights is not None and found.weights[1, 0].item() == -0.5
    (tmp_path / "net.csv").write_text("Begin,End\nx1,h1\nh1,y1\n")
    with pytest.raises(DataError, match=r"the first line .* got Begin, End, which no other line"):
        eqprop.read_topology(tmp_path / "net.csv", layers=layers)


def test_a_name_is_that_node_whatever_patterns_find(tmp_path):
    (tmp_path / "net.csv").write_text("x[0],p1\np2,p1\np1,price\n")
    found = eqprop.read_topology(tmp_path / "net.csv", layers=[["x[0]", "p2"], ["p*"], ["price"]])
    assert found.names == ("x[0]", "p2", "p1", "price") and found.layer_sizes == (2, 1, 1)


def test_graphs_that_editors_draw_are_read(tmp_path):
    drawn: Any = nx.DiGraph()  # what yEd writes where nobody gave edges a direction
    drawn.add_edges_from([("n0", "n2"), ("n1", "n2"), ("n2", "n3")], weight=0.5)
    for node, label in zip(drawn, ("x1", "hub", "x2", "y"), strict=True):
        drawn.nodes[node]["label"] = label
    nx.write_graphml(drawn, tmp_path / "net.graphml")
    found = read_wiring(tmp_path / "net.graphml", [["x*"], ["*"], ["y"]])
    assert found.topology.names == ("x1", "x2", "hub", "y")
    assert found.weights is not None and found.weights[1, 0].tolist() == [[0.5, 0.5]]
    drawn.nodes["n3"]["label"] = "hub"  # labels that name nobody: nodes are called as they were
    nx.write_graphml(drawn, tmp_path / "net.graphml")
    named = eqprop.read_topology(tmp_path / "net.graphml", layers=[["n0", "n1"], ["n2"], ["n3"]])
    assert named.names == ("n0", "n1", "n2", "n3")
    drawn.add_edge("n2", "n0")
    nx.write_graphml(drawn, tmp_path / "net.graphml")
    with pytest.raises(DataError, match="every edge must stand once, got n0, n2 and n2, n0"):
        eqprop.read_topology(tmp_path / "net.graphml", layers=[["n0", "n1"], ["n2"], ["n3"]])
