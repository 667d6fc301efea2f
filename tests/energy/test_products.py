"""Oracle: the precision that every product asks for in the program handed to the compiler."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop.learning import (
    Backpropagation,
    BackpropagationThroughTime,
    Batch,
    HolomorphicEquilibriumPropagation,
    ImplicitDifferentiation,
)
from problems import BRIEF_FREE, BRIEF_RULE


def products(function, *arguments) -> list[str]:
    """Lines of a function's program that multiply matrices or vectors."""
    arrays, rest = eqx.partition(arguments, eqx.is_array)
    program = jax.jit(lambda arrays: jax.tree.leaves(function(*eqx.combine(arrays, rest))))
    return [line for line in program.lower(arrays).as_text().splitlines() if "dot_general" in line]


SMOOTH = eqprop.Phase(eqprop.Euler(0.5), eqprop.FixedSteps(4))
RULES = {
    "the paper's": BRIEF_RULE,
    "holomorphic": HolomorphicEquilibriumPropagation(0.5, SMOOTH, SMOOTH, 4),
    "implicit": ImplicitDifferentiation(BRIEF_FREE),
    "through time": BackpropagationThroughTime(BRIEF_FREE, 3),
    "backpropagation": Backpropagation(),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_no_product_is_left_to_a_devices_own_precision(rule):
    topology = eqprop.layered([5, 4, 4, 3])
    if not isinstance(rule, Backpropagation):
        topology = eqprop.rewire(eqprop.with_intralayer(topology), n=8, seed=0)
    cost = eqprop.CrossEntropy.initialize(3, 3, jax.random.key(0))
    activation = eqprop.ShiftedSigmoid() if "Holo" in type(rule).__name__ else None
    network = eqprop.Network.initialize(topology, seed=0, cost=cost, activation=activation)
    x, target = jnp.full((2, 5), 0.5), jnp.asarray(np.eye(3, dtype=np.float32)[:2])
    found = products(
        lambda network, *batch: rule.estimate(network, Batch.of(*batch)).gradient,
        network, x, target, network.cold_state(2), jax.random.key(1),
    )  # fmt: skip
    assert len(found) > 5
    assert all("precision = [HIGHEST, HIGHEST]" in line for line in found), found
    assert "HIGHEST" not in products(jnp.matmul, jnp.eye(2), jnp.eye(2))[0]
