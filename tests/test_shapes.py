"""Shapes that signatures name are checked while tests run."""

import inspect
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from jaxtyping import AbstractArray, TypeCheckError

import eqprop
from eqprop import shapes
from eqprop.learning.exact import interior_units


@pytest.mark.parametrize(
    ("x", "states"),
    [((4,), (5,)), ((2, 4), (3, 5)), ((2, 4), (5,))],
    ids=["no batch", "two batches", "one state"],
)
def test_a_wrong_shape_is_an_error_even_where_it_would_broadcast(x, states):
    network = eqprop.Network.initialize(eqprop.layered([4, 3, 2]), seed=0)
    good = interior_units(network, jnp.ones((2, 4)), jnp.full((2, 5), 0.5))
    assert good.shape == (2, 5)
    with pytest.raises(TypeCheckError):
        interior_units(network, jnp.ones(x), jnp.full(states, 0.5))


def test_the_glossary_explains_every_name():
    page = (Path(__file__).parents[1] / "docs" / "reference" / "glossary.md").read_text("utf-8")
    kinds = [name for name, kind in vars(shapes).items() if _is_shape(kind)]
    assert len(kinds) > 10 and all(f"`{name}`" in page for name in kinds)


def _is_shape(kind):
    return inspect.isclass(kind) and issubclass(kind, AbstractArray)


def test_what_comes_out_is_checked_too():
    class Flat(eqprop.SquaredError):
        def scores(self, output):
            return output

    network = eqprop.Network.initialize(eqprop.layered([4, 3, 2]), seed=0, cost=Flat())
    assert network.scores(jnp.ones((3, 5))).shape == (3, 2)
    with pytest.raises(TypeCheckError):
        network.output(jnp.ones((3, 5)).astype(int))


RULES = {
    "equilibrium-propagation": {},
    "carried": {
        "learning": {"carried": True, "beta": 0.2},
        "nudged": {"method": "block", "steps": 3, "nudging_step": "joint"},
    },
    "euler": {"free": {"method": "euler"}},
    "weakened": {"network": {"feedback": 0.5}},
    "cross-entropy": {"network": {"cost": "cross-entropy"}},
    "recurrent-backpropagation": {"learning": {"rule": "recurrent-backpropagation"}},
    "implicit": {"learning": {"rule": "implicit"}},
    "contrastive-hebbian": {"learning": {"rule": "contrastive-hebbian"}},
    "coupled": {"learning": {"rule": "coupled"}},
    "through-time": {"learning": {"rule": "through-time"}},
    "mismatch": {"device": {"kind": "analog", "gain": 0.1, "unequal": 0.1, "wires": 0.1}},
    "pulses": {"device": {"kind": "reram-sb"}},
}


@pytest.mark.parametrize("name", RULES)
def test_nothing_is_broadcast_from_one_rank_to_another(name, tmp_path):
    """What broadcasts unasked is a mistake more often than not."""
    settings = {
        "topology": {"layer_sizes": [20, 12, 10, 4], "wiring": "rewire", "p": 0.1},
        "data": {"dataset": "teacher", "num_train": 40, "num_validation": 20},
        "training": {"epochs": 1},
        **RULES[name],
    }
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        run = eqprop.train(settings, out=tmp_path)
        assert 0 <= run.summary["validation_error"] <= 1
        with pytest.raises(ValueError, match="could not be broadcast"):
            jnp.add(jnp.ones((2, 3)), jnp.ones(3))
