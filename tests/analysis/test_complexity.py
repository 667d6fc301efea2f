"""Table 1: what was counted is what sections 4.1.1 and 4.1.2 say."""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np

import eqprop
from eqprop.analysis import complexity
from eqprop.analysis.paired import BASELINE, paired_differences
from eqprop.learning import contrast
from eqprop.topology import Wires
from eqprop.topology.work import relaxation, two_phases


def test_both_methods_need_what_the_paper_says():
    back, ours = complexity.measured()
    assert back.method == "backpropagation" and ours.method == "equilibrium propagation"
    assert back.memory == ours.memory == 2
    # Hidden neurons do the same in both phases of ours, and two things in backpropagation.
    assert (back.distinct_computations, ours.distinct_computations) == (2, 1)
    first, second = ours.hidden
    assert first == second and (first.forwards, first.backwards) == (1, 1) and not second.target
    assert [need.target for need in ours.output] == [False, True]
    assert ours.shared_by_outputs
    needs = {"nonlinearity": True, "derivative": False, "target": False}
    assert dataclasses.asdict(back.hidden[0]) == needs | {"forwards": 1, "backwards": 0}
    needs = {"nonlinearity": False, "derivative": True, "target": False}
    assert dataclasses.asdict(back.hidden[1]) == needs | {"forwards": 0, "backwards": 1}
    needs = {"nonlinearity": True, "derivative": True, "target": False}
    assert dataclasses.asdict(ours.hidden[0]) == needs | {"forwards": 1, "backwards": 1}
    assert [need.target for need in back.output] == [False, True]
    assert [(need.forwards, need.backwards) for need in back.output] == [(1, 0), (0, 0)]
    assert back.shared_by_outputs
    assert (back.stages, ours.stages) == (4, 1)  # free layers of the paper's network
    assert (back.products, ours.products) == (1, 2)


def test_multiply_adds_are_those_of_a_plain_loop():
    topology = eqprop.rewire(eqprop.with_intralayer(eqprop.layered([6, 5, 4, 3])), n=20, seed=0)
    wires = Wires.of(topology)
    dense = topology.adjacency().toarray()
    assert wires.from_input == dense[:6].sum() and 2 * wires.free == dense[6:, 6:].sum()
    phase = eqprop.Phase(eqprop.Euler(0.5), eqprop.FixedSteps(1))
    work = eqprop.EquilibriumPropagation(eqprop.OneSided(1.0), phase, phase).work(wires, 7, 3)
    assert work.first == dense[:6].sum() + 7 * dense[6:, 6:].sum()
    assert work.second == 3 * dense[6:, 6:].sum()
    assert work.correction == 2 * topology.num_connections
    back = eqprop.Backpropagation().work(wires, 1, 1)
    many = np.int32(2_000_000_000)  # as many examples as a record's type can hold
    assert back.total * many == float(back.total) * 2_000_000_000 > 2**31
    assert back.first == back.correction == topology.num_connections
    assert back.second == wires.free


def products_in(program, shapes=None) -> int:
    """Multiply-adds of the matrix products of a traced program, or of those of some shapes."""
    total = 0
    for equation in program.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            inner = math.prod(equation.invars[0].aval.shape[axis] for axis in contracted)
            [made] = [variable.aval.shape for variable in equation.outvars]
            total += math.prod(made) * inner * (shapes is None or made in shapes)
        for value in equation.params.values():
            if hasattr(value, "jaxpr"):
                total += products_in(value.jaxpr, shapes)
    return total


def test_multiply_adds_are_those_of_the_programs():
    # All of its blocks are full and of whole vectors, so that no product has zeros to skip.
    topology = eqprop.layered([7, 32, 16, 16])
    wires, network = Wires.of(topology), eqprop.Network.initialize(topology, seed=0)
    x = jnp.full((1, 7), 0.5)
    state = jnp.full((1, network.num_free), 0.5)
    clamped = network.energy.clamp(x)
    assert products_in(jax.make_jaxpr(network.energy.clamp)(x).jaxpr) == wires.from_input
    for method in (eqprop.Euler(0.5), eqprop.BlockCoordinateDescent()):
        ready = method.prepare(clamped)
        step = products_in(
            jax.make_jaxpr(lambda s, m=method, e=ready: m.step(e, s, None, None)[0])(state).jaxpr
        )
        assert step == relaxation(wires, 1) == 2 * wires.free

    def correction(state):
        slopes = ((2.0, state), (-2.0, 0.9 * state))
        return contrast(network, x, slopes, jnp.ones(1)).hopfield.weights

    blocks = [weight.shape for weight in network.hopfield.weights.values()]
    made = products_in(jax.make_jaxpr(correction)(state).jaxpr, blocks)
    assert made == two_phases(wires, 0, 0).correction == 2 * wires.total


def test_paired_differences_have_their_interval():
    rows = [
        {"condition": f"layered-{rule}", "seed": seed, "epoch": epoch,
         "validation_error": shift + 0.01 * seed + 0.3 * (epoch == 1)}
        for rule, shift in (("random-sign", 0.1), ("centered", 0.15))
        for seed in range(3)
        for epoch in (1, 2)
    ]  # fmt: skip
    found = {row["rule"]: row for row in paired_differences(rows, BASELINE)}
    entry = found["centered"]
    assert entry["seeds"] == 3 and np.isclose(entry["mean"], 0.05)
    assert np.isclose(entry["low"], 0.05) and np.isclose(entry["high"], 0.05)
    rows[-1]["validation_error"] += 0.03
    entry = {row["rule"]: row for row in paired_differences(rows, BASELINE)}["centered"]
    # t of two degrees of freedom: 4.303 times the standard error.
    apart = np.array([0.05, 0.05, 0.08])
    assert np.isclose(entry["high"] - entry["mean"], 4.303 * apart.std(ddof=1) / 3**0.5, rtol=1e-3)
