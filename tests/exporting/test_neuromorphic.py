"""Networks in the Neuromorphic Intermediate Representation."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop.cli import run as cli
from eqprop.errors import ConfigError
from eqprop.exporting.neuromorphic import graph, settled, write_nir
from eqprop.exporting.parts import settled_exactly

nir = pytest.importorskip("nir")

RHOS = {"hard": eqprop.HardSigmoid(), "tanh": eqprop.Activities(eqprop.Tanh())}


def model_of(activation="hard", feedback=1.0, scale=0.6):
    """A network with skips and connections inside layers, some of whose states are clipped."""
    full = eqprop.with_intralayer(eqprop.layered([6, 7, 8, 3]))
    topology = eqprop.rewire(full, p=0.2, seed=0)
    network = eqprop.Network.initialize(
        topology, seed=1, activation=RHOS[activation], feedback=feedback
    )
    biases = {k: b + 0.4 for k, b in network.hopfield.biases.items()}
    weights = {pair: scale * w for pair, w in network.hopfield.weights.items()}
    network = eqx.tree_at(
        lambda n: (n.hopfield.biases, n.hopfield.weights), network, (biases, weights)
    )
    return eqprop.Model(topology, network=network)


def examples():
    return np.random.default_rng(0).random((4, 6)).astype(np.float32)


@pytest.mark.parametrize("activation", RHOS)
@pytest.mark.parametrize("feedback", [1.0, 0.3])
def test_what_is_read_back_settles_where_we_do_once_units_answer_as_ours(
    activation, feedback, tmp_path
):
    model, x = model_of(activation, feedback), examples()
    path, found = write_nir(model, graph(model, lossy=True), x, tmp_path / "network.nir")
    assert found.with_units < 1e-6
    # What NIR cannot say matters, and is told.
    assert found.as_written > 0.01
    grows = np.isinf(found.as_written)
    assert ("grows without limit" if grows else f"{found.as_written:.2g}") in found.told()
    assert grows == (feedback == 1)
    again = nir.read(path)
    assert {type(node).__name__ for node in again.nodes.values()} == {
        "Input", "LI", "Affine", "Linear", "Output"
    }  # fmt: skip


def test_the_wiring_is_all_there():
    model = model_of()
    made: Any = graph(model, lossy=True)
    dense = model.network.hopfield.dense_weights()
    starts = np.cumsum([0, *model.topology.layer_sizes])
    again = np.zeros_like(dense)
    for name, node in made.nodes.items():
        if "_from" in name:
            to, frm = (int(part) for part in name.removeprefix("to").split("_from"))
            place = slice(starts[to], starts[to + 1]), slice(starts[frm], starts[frm + 1])
            again[place] += node.weight
    free = slice(starts[1], None)
    np.testing.assert_allclose(again[free], dense[free], atol=1e-7)
    assert (dense[free] != 0).sum() > 100


def test_a_graph_alone_that_grows_without_limit_is_said_to():
    model = model_of(scale=3.0)
    start = {f"layer{k}": np.zeros((4, size)) for k, size in ((1, 7), (2, 8), (3, 3))}
    ends = settled(graph(model, lossy=True), examples(), start)
    assert all(np.isinf(end).all() for end in ends.values())


def test_a_read_out_is_a_node():
    topology = eqprop.layered([6, 5, 4])
    cost = eqprop.CrossEntropy.initialize(4, 3, jax.random.key(0))
    network = eqprop.Network.initialize(topology, seed=0, cost=cost)
    made: Any = graph(eqprop.Model(topology, network=network), lossy=True)
    np.testing.assert_array_equal(made.nodes["readout"].weight, cost.weights)
    assert ("readout", "output") in made.edges


def test_what_would_be_lost_is_refused_by_name():
    with pytest.raises(ConfigError, match="lossy=True, --lossy at the command line"):
        graph(model_of())
    network = eqprop.Network.initialize(
        eqprop.layered([6, 5, 4]), seed=0, activation=eqprop.Sigmoid()
    )
    model = eqprop.Model(eqprop.layered([6, 5, 4]), network=network)
    with pytest.raises(ConfigError, match="a NIR graph needs an activation out of"):
        graph(model, lossy=True)


def test_the_command_writes_a_file_and_tells_its_deviation(tmp_path, capsys):
    settings = {"topology": {"layer_sizes": [20, 12, 4]}, "data": {"dataset": "teacher"},
                "training": {"epochs": 1}}  # fmt: skip
    run = eqprop.train(settings, out=tmp_path)
    command = ["export", str(run.folder), "--to", "nir", "--out", str(tmp_path / "chip")]
    assert cli(command) == 2
    assert "--lossy" in capsys.readouterr().err
    assert cli([*command, "--lossy", "--examples", "5"]) == 0
    said = capsys.readouterr().out
    assert "as it is written" in said and "network.nir" in said
    x = np.asarray(jnp.zeros((1, 20)))
    states, unsettled = settled_exactly(run.model.network, x)
    assert states.shape == (1, 16) and unsettled == 0
