"""Parts that users write: numbers and modules among their fields are no trouble."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop.energy import AbstractCost, AbstractOwnEnergy, AbstractSmoothActivation
from eqprop.training import evaluate, evaluate_starts

RNG = np.random.default_rng(0)
X = RNG.random((40, 4))
LABELS = (X[:, 0] > X[:, 1]).astype(int)
TOPOLOGY = eqprop.layered([4, 5, 2])
SETTLE = eqprop.Phase(eqprop.Euler(0.3), eqprop.Residual(1e-3, max_steps=50))
RULE = eqprop.EquilibriumPropagation(eqprop.Centered(0.1), SETTLE, SETTLE)


class Levels(eqprop.AbstractTerm):
    levels: jax.Array
    strength: float = 0.3

    def __call__(self, x, state):
        return 0.5 * self.strength * jnp.sum((state - self.levels) ** 2)


class Neural(eqprop.AbstractTerm):
    module: eqx.nn.MLP

    def __call__(self, x, state):
        return 0.1 * self.module(state)[0]


class Huber(AbstractCost):
    delta: float = 1.0

    def __call__(self, output, target):
        far = jnp.abs(output - target)
        outside = self.delta * (far - 0.5 * self.delta)
        return jnp.sum(jnp.where(far < self.delta, 0.5 * far**2, outside))

    def force(self, output, target):
        return jnp.clip(target - output, -self.delta, self.delta)

    def curvature(self):
        return None

    def scores(self, output):
        return output

    def num_targets(self, num_outputs):
        return num_outputs


class Leaky(AbstractSmoothActivation):
    slope: float = 0.1

    def __call__(self, state):
        return jnp.tanh(state) + self.slope * state

    def derivative(self, state):
        return 1 - jnp.tanh(state) ** 2 + self.slope


def network_of(kind: str) -> eqprop.Network:
    base = eqprop.Network.initialize(TOPOLOGY, seed=0, activation=eqprop.Tanh())
    if kind == "cost":
        return eqprop.Network(base.energy, Huber())
    if kind == "activation":
        return eqprop.Network.initialize(TOPOLOGY, seed=0, activation=Leaky())
    module = eqx.nn.MLP(7, 1, 4, 1, key=jax.random.key(0))
    term = Levels(jnp.full(7, 0.2)) if kind == "term" else Neural(module)
    return eqprop.Network(eqprop.ComposedEnergy(base.hopfield, (term,)), base.cost)


@pytest.mark.filterwarnings("ignore:free-unsettled")
@pytest.mark.parametrize("kind", ["term", "module", "cost", "activation"])
def test_numbers_and_modules_in_fields_stay_as_they_are_and_arrays_learn(kind):
    network = network_of(kind)
    model = eqprop.Model(TOPOLOGY, network=network)
    model.fit(X, LABELS, epochs=1, learning_rate=0.1, rule=RULE)
    numbers = [leaf for leaf in jax.tree.leaves(network) if isinstance(leaf, float)]
    kept = [leaf for leaf in jax.tree.leaves(model.network) if isinstance(leaf, float)]
    assert kept == numbers and len(numbers) == (0 if kind == "module" else 1)
    before, after = network.to_arrays(), model.network.to_arrays()
    moved = {name for name in before if (before[name] != after[name]).any()}
    # A constant in an energy has no slope.
    assert moved == set(before) - {"terms[0]_module_layers[1]_bias"}


class Stiff(AbstractOwnEnergy):
    """Each layer is drawn to tanh of what it receives, by a strong spring."""

    first: jax.Array
    second: jax.Array
    layer_sizes: tuple[int, ...] = eqx.field(static=True)

    def energy(self, x, state):
        hidden, output = state[:5], state[5:]
        apart = hidden - jnp.tanh(self.first @ x)
        away = output - self.second @ hidden
        return 2.5 * (apart @ apart + away @ away)

    def project(self, state):
        return state


def test_an_energy_without_blocks_is_evaluated_by_the_steps_it_learned_with():
    weights = eqprop.Network.initialize(TOPOLOGY, seed=0).hopfield.weights
    energy = Stiff(first=weights[1, 0], second=weights[2, 1], layer_sizes=TOPOLOGY.layer_sizes)
    network = eqprop.Network(energy, eqprop.SquaredError())
    model = eqprop.Model(TOPOLOGY, network=network)
    assert (
        evaluate(network, eqprop.Examples.of(network, X, LABELS), model.evaluation).unsettled > 0.9
    )
    with pytest.warns(UserWarning, match="100% of the examples have not settled"):
        model.predict(X)
    gentle = eqprop.Phase(eqprop.Euler(0.05), eqprop.Residual(1e-4, max_steps=300))
    rule = eqprop.EquilibriumPropagation(eqprop.Centered(0.05), gentle, gentle)
    model.fit(X, LABELS, epochs=1, learning_rate=0.05, rule=rule)
    assert model.evaluate(X, LABELS).unsettled == 0
    assert len(model.predict(X)) == 40


class Ramp(eqprop.Tanh):
    """Of which states have a lower bound alone."""

    @property
    def box(self):
        return 0.0, np.inf


def test_starts_are_finite_where_a_box_has_no_end():
    network = eqprop.Network.initialize(TOPOLOGY, seed=0, activation=Ramp())
    longer = eqprop.Phase(eqprop.Euler(0.3), eqprop.Residual(1e-3, max_steps=2000))
    found = evaluate_starts(network, eqprop.Examples.of(network, X, LABELS), longer, 4)
    assert [one.unsettled for one in found.each] == [0, 0, 0, 0]


def test_rooms_are_there_by_their_names():
    assert eqprop.energy.AbstractOwnEnergy is AbstractOwnEnergy
    with pytest.raises(AttributeError, match="has no attribute 'energies'"):
        eqprop.energies  # noqa: B018
