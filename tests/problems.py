"""A small network whose exact gradient says something, shared by the tests of learning rules."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import eqprop
from eqprop.energy import TotalEnergy
from eqprop.learning import Batch

TIGHT = eqprop.Phase(eqprop.Euler(0.4), eqprop.Residual(1e-13, max_steps=20_000))
KEY = jax.random.key(0)


def small_network(*, activation=None, topology=None):
    """Rewired, with biases that keep a good part of the units inside (0, 1); x and targets."""
    if topology is None:
        base = eqprop.with_intralayer(eqprop.layered([8, 7, 6, 3]))
        topology = eqprop.rewire(base, n=40, seed=1)
    network = eqprop.Network.initialize(topology, seed=2, activation=activation, dtype=jnp.float64)
    rng = np.random.default_rng(0)
    biases = {
        k: jnp.asarray(rng.uniform(-0.05, 0.5, b.shape)) for k, b in network.hopfield.biases.items()
    }
    weights = {b: 0.5 * w for b, w in network.hopfield.weights.items()}
    network = eqx.tree_at(
        lambda n: (n.hopfield.weights, n.hopfield.biases), network, (weights, biases)
    )
    x, y = jnp.asarray(rng.random((4, 8))), jnp.asarray(rng.random((4, 3)))
    return network, x, y


@eqx.filter_jit
def estimate(rule, *batch):
    """`rule.estimate` on a batch, compiled: settings that are arrays do not compile it anew."""
    network, *rest = batch
    return rule.estimate(network, Batch.of(*rest))


@eqx.filter_jit
def _relax(network, x, states):
    return eqprop.relax(network.energy.clamp(x), states, TIGHT.method, TIGHT.termination)


def settle(network, x, states=None):
    """Equilibria of the free phase, settled as far as float64 allows."""
    states = network.cold_state(len(x)) if states is None else states
    found = _relax(network, x, states)
    assert float(found.residual.max()) <= 1e-12
    return found.state


def nudged_end(network, x, y, beta, start, phase):
    """Where a nudged phase by itself ends, an oracle for rules that take several."""
    total = TotalEnergy(network.energy.clamp(x), network.cost, jnp.asarray(beta), y)
    return eqprop.relax(total, start, phase.method, phase.termination).state


def descend(rule, network, x, y, states, updates):
    """Plain updates of rate .05; the network after them, and the mean cost before each."""
    costs = []
    for _ in range(updates):
        found = estimate(rule, network, x, y, states, KEY)
        states = found.free_states
        costs.append(float(jnp.mean(jax.vmap(network.cost)(network.output(states), y))))
        step = jax.tree.map(lambda g: -0.05 * g, found.gradient)
        network = eqprop.apply_updates(network, step)
    return network, costs


def blocks(gradient):
    """Every array of a gradient, by its place."""
    return {k: np.asarray(w) for k, w in gradient.hopfield.weights.items()} | {
        k: np.asarray(b) for k, b in gradient.hopfield.biases.items()
    }


def flat(gradient):
    """A gradient as one vector."""
    return np.concatenate([v.ravel() for v in blocks(gradient).values()])


BRIEF_FREE = eqprop.Phase(eqprop.BlockCoordinateDescent(), eqprop.FixedSteps(6))
BRIEF_NUDGED = eqprop.Phase(eqprop.Euler(0.5, nudging_step="split"), eqprop.FixedSteps(4))
BRIEF_RULE = eqprop.EquilibriumPropagation(eqprop.RandomSign(0.7), BRIEF_FREE, BRIEF_NUDGED)
"""A few steps each, so that training is quick to repeat by hand."""


def rewired_problem(examples=23):
    """A small rewired network and examples for it."""
    base = eqprop.with_intralayer(eqprop.layered([12, 10, 9, 4]))
    network = eqprop.Network.initialize(eqprop.rewire(base, n=40, seed=0), seed=0)
    rng = np.random.default_rng(0)
    x, labels = rng.random((examples, 12)), rng.integers(4, size=examples)
    return network, eqprop.Examples.of(network, x, labels)


def trainer_for(network, examples, **settings):
    """Batches of five; momentum unless an optimiser is given."""
    rates = eqprop.learning_rates(network, 0.05)
    optimizer = settings.pop("optimizer", optax.sgd(1.0, momentum=0.5))
    return eqprop.Trainer(examples, optimizer, rates, 5, jax.random.key(3), **settings)
