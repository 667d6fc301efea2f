"""Table 1 and figures 6 and 7: what a neuron needs, counted from the implementation.

A tiny network is traced and differentiated, and what is reported is what was seen. An activation
that counts says where rho and its derivative are used; derivatives with respect to weights say
across which connections, and which way, messages are sent. Multiply-adds, and products per
connection among them, are what the rules themselves say (`AbstractLearningRule.work`), which the
tests hold against the matrix products of the traced programs.
"""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from eqprop.config.paper import CONNECTIONS, RELEASED, SIZES
from eqprop.config.sections import NudgedPhaseConfig
from eqprop.energy import AbstractClampedEnergy, AbstractStateActivation, HardSigmoid, Network
from eqprop.learning import (
    AbstractLearningRule,
    Backpropagation,
    Batch,
    EquilibriumPropagation,
    OneSided,
    Phase,
    contrast,
)
from eqprop.relaxation import AbstractRelaxation, Euler, FixedSteps, ForwardPass
from eqprop.relaxation.forward import drive
from eqprop.topology import Topology, Wires, layered, rewire, with_intralayer, without_intralayer

_COUNTS: Counter[str] = Counter()


@jax.custom_jvp
def _counted_rho(state: Array) -> Array:
    _COUNTS["nonlinearity"] += 1
    return HardSigmoid()(state)


@_counted_rho.defjvp
def _counted_rho_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (state,), (tangent,) = primals, tangents
    _COUNTS["derivative"] += 1
    return _counted_rho(state), tangent * HardSigmoid().derivative(state)


class _Counting(AbstractStateActivation):
    """The hard sigmoid; tells when it, its derivative or its projection is asked for."""

    def __call__(self, state: Array) -> Array:
        return _counted_rho(state)

    def derivative(self, state: Array) -> Array:
        _COUNTS["derivative"] += 1
        return HardSigmoid().derivative(state)

    def project(self, state: Array) -> Array:
        # On the box rho is the identity: the projection is what bends the state.
        _COUNTS["nonlinearity"] += 1
        return HardSigmoid().project(state)

    @property
    def box(self) -> tuple[float, float]:
        return HardSigmoid().box

    @property
    def is_identity_on_its_box(self) -> bool:
        return HardSigmoid().is_identity_on_its_box

    @property
    def is_holomorphic(self) -> bool:
        return HardSigmoid().is_holomorphic


@dataclasses.dataclass(frozen=True)
class Needs:
    """What a neuron of one kind does in one phase.

    **Attributes:** whether it uses the `nonlinearity`, its `derivative`, and the `target`; and
    `forwards`, `backwards`: messages that it gets per connection from units nearer the input
    and from units nearer the output.
    """

    nonlinearity: bool
    derivative: bool
    target: bool
    forwards: int
    backwards: int


@dataclasses.dataclass(frozen=True)
class Complexity:
    """One column of table 1.

    **Attributes:**

    - `method`: its name.
    - `memory`: numbers kept per neuron from one phase to the correction.
    - `hidden`, `output`: `Needs` in the first and in the second phase.
    - `correction_states`: numbers that the correction of a weight reads at each of its ends.
    - `products`: products of such numbers per connection.
    - `stages`: free layers that are computed one after the other in one step of the first phase;
      1 if all neurons move at once.
    - `multiply_adds`: per example, first phase, second phase, correction, on the paper's network
      with skip connections and without intralayer ones; `steps`, of the two phases.
    """

    method: str
    memory: int
    hidden: tuple[Needs, Needs]
    output: tuple[Needs, Needs]
    correction_states: int
    products: int
    stages: int
    multiply_adds: tuple[float, float, float]
    steps: tuple[int, int]

    @property
    def distinct_computations(self) -> int:
        """Of hidden neurons, over both phases."""
        return len(set(self.hidden))

    @property
    def shared_by_outputs(self) -> bool:
        """Whether output neurons differ from hidden ones by the target alone, in both phases."""
        return all(
            dataclasses.replace(ours, target=False, backwards=theirs.backwards) == theirs
            for ours, theirs in zip(self.output, self.hidden, strict=True)
        )


@functools.cache
def measured() -> tuple[Complexity, Complexity]:
    """Backpropagation and equilibrium propagation, in the order of the paper's table."""
    return _backpropagation(), _equilibrium_propagation()


def _tiny(topology: Topology | None = None) -> tuple[Network, Array, Array, Array]:
    """A network with every unit strictly inside (0, 1), an example, a target and a state."""
    if topology is None:
        topology = without_intralayer(rewire(layered([4, 3, 3, 2]), n=8, seed=1))
    network = Network.initialize(topology, seed=0, activation=_Counting())
    biases = {layer: jnp.full_like(b, 0.4) for layer, b in network.hopfield.biases.items()}
    weights = {block: 0.3 * w for block, w in network.hopfield.weights.items()}
    network = eqx.tree_at(
        lambda n: (n.hopfield.weights, n.hopfield.biases), network, (weights, biases)
    )
    rng = np.random.default_rng(0)
    x, target = jnp.asarray(rng.random((1, 4))), jnp.asarray(rng.random((1, 2)))
    state = jnp.asarray(rng.uniform(0.3, 0.7, (1, network.num_free)))
    return network, x, target, state


def _needs(
    network: Network,
    target: Array,
    values: Callable[[Network, Array], Array],
) -> tuple[Needs, Needs]:
    """What hidden and output neurons need to find `values(network, target)` `[free units]`."""
    _COUNTS.clear()
    jax.make_jaxpr(values)(network, target)
    nonlinearity, derivative = _COUNTS["nonlinearity"] > 0, _COUNTS["derivative"] > 0
    hidden = network.num_free - network.num_outputs
    on_target = np.asarray(jax.jit(jax.jacfwd(lambda t: values(network, t)))(target))
    uses_target = np.any(on_target.reshape(network.num_free, -1) != 0, axis=1)
    slopes = jax.jit(
        jax.jacfwd(lambda w: values(eqx.tree_at(lambda n: n.hopfield.weights, network, w), target))
    )(network.hopfield.weights)
    ends = np.cumsum([0, *network.layer_sizes[1:]])
    got = {"forwards": [False, False], "backwards": [False, False]}
    for (post, pre), slope in slopes.items():
        reach = np.asarray(slope) != 0  # [unit, post, pre]
        kind = int(post == len(network.layer_sizes) - 1)
        at_post = reach[ends[post - 1] : ends[post]]
        got["forwards"][kind] |= bool(np.einsum("iij->ij", at_post).any())
        if pre:
            at_pre = reach[ends[pre - 1] : ends[pre]]
            got["backwards"][0] |= bool(np.einsum("jij->ij", at_pre).any())
    return tuple(  # pyright: ignore[reportReturnType]
        Needs(
            nonlinearity,
            derivative,
            bool(uses_target[:hidden].any() if kind == 0 else uses_target[hidden:].any()),
            int(got["forwards"][kind]),
            int(got["backwards"][kind]),
        )
        for kind in (0, 1)
    )


def _step(method: AbstractRelaxation, energy: AbstractClampedEnergy, state: Array) -> Array:
    return method.step(energy, state, method.init(energy, state), None)[0]


def _equilibrium_propagation() -> Complexity:
    network, x, target, state = _tiny()
    method = Euler(0.5)

    def free(network: Network, _: Array) -> Array:
        return _step(method, network.energy.clamp(x), state)[0]

    def nudged(network: Network, target: Array) -> Array:
        total = network.nudged(network.energy.clamp(x), jnp.asarray(0.5), target)
        return _step(method, total, state)[0]

    first, second = (_needs(network, target, phase) for phase in (free, nudged))

    def correction(states: Array) -> list[Array]:
        slopes = ((2.0, states[1]), (-2.0, states[0]))
        return jax.tree.leaves(contrast(network, x, slopes, jnp.ones(1)).hopfield.weights)

    kept = _numbers_kept(correction, jnp.stack([state, 0.9 * state]))
    steps = RELEASED["steps"], NudgedPhaseConfig().steps
    phases = Phase(method, FixedSteps(steps[0])), Phase(method, FixedSteps(steps[1]))
    rule = EquilibriumPropagation(OneSided(0.5), *phases)
    return Complexity(
        method="equilibrium propagation",
        memory=kept,
        hidden=(first[0], second[0]),
        output=(first[1], second[1]),
        correction_states=kept,
        products=_products(rule),
        stages=_stages(lambda n, x, s: _step(method, n.energy.clamp(x), s)),
        multiply_adds=_work(rule, *steps),
        steps=steps,
    )


def _backpropagation() -> Complexity:
    network, x, target, state = _tiny()
    rule, method = Backpropagation(), ForwardPass()

    def forwards(network: Network, _: Array) -> Array:
        return _step(method, network.energy.clamp(x), state)[0]

    sizes = network.layer_sizes
    ends = [0, *np.cumsum(sizes).tolist()]
    stored = eqx.filter_jit(forwards)(network, target)[None]

    def drives(network: Network, activity: Array) -> Array:
        clamped = network.hopfield.clamp(x)
        spans = [slice(ends[k] - sizes[0], ends[k + 1] - sizes[0]) for k in range(1, len(sizes))]
        layers = {k: activity[:, span] for k, span in enumerate(spans, start=1)}
        return jnp.concatenate([drive(clamped, k, spans[k - 1], layers) for k in layers], axis=1)

    def cost(biases: dict[int, Array]) -> Array:
        # An error is the slope of the cost in what a neuron adds up, and a bias is a part of it.
        probed = eqx.tree_at(lambda n: n.hopfield.biases, network, biases)
        end = _step(method, probed.energy.clamp(x), state)
        return jax.vmap(network.cost)(network.output(end), target)[0]

    slopes = jax.jit(jax.grad(cost))(network.hopfield.biases)
    deltas = jnp.concatenate([slopes[layer] for layer in sorted(slopes)])[None]
    summed = eqx.filter_jit(drives)(network, stored)

    def errors(network: Network, target: Array) -> Array:
        """What neurons make of the errors that arrive; what phase one left is stored."""
        arriving = jax.vjp(lambda a: drives(network, a), stored)[1](deltas)[0]
        at_output = jax.vmap(jax.grad(network.cost))(network.output(stored), target)
        arriving = arriving.at[:, -network.num_outputs :].add(at_output)
        return (network.hopfield.activation.derivative(summed) * arriving)[0]

    # These errors must be those of the whole backward pass.
    np.testing.assert_allclose(eqx.filter_jit(errors)(network, target), deltas[0], atol=1e-6)
    first, second = _needs(network, target, forwards), _needs(network, target, errors)

    def correction(states: Array) -> list[Array]:
        below = jnp.concatenate([x[0], states[0]])
        above = jnp.concatenate([jnp.zeros(sizes[0]), states[1]])
        return [
            jnp.outer(above[ends[post] : ends[post + 1]], below[ends[pre] : ends[pre + 1]])
            * network.hopfield.masks[post, pre]
            for post, pre in network.hopfield.weights
        ]

    both = jnp.stack([stored[0], deltas[0]])
    found = eqx.filter_jit(rule.estimate)(network, Batch.of(x, target, state)).gradient
    for ours, theirs in zip(correction(both), jax.tree.leaves(found.hopfield.weights), strict=True):
        # The correction written out here must be the one that the rule makes.
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    kept = _numbers_kept(correction, both)
    return Complexity(
        method="backpropagation",
        memory=kept,
        hidden=(first[0], second[0]),
        output=(first[1], second[1]),
        correction_states=kept // 2,
        products=_products(rule),
        stages=_stages(lambda n, x, s: _step(method, n.energy.clamp(x), s)),
        multiply_adds=_work(rule, 1, 1),
        steps=(1, 1),
    )


def _numbers_kept(correction: Callable[[Array], list[Array]], states: Array) -> int:
    """On how many numbers of a hidden neuron the corrections of weights depend."""
    slopes = jax.jit(jax.jacfwd(correction))(states)
    touched = np.zeros(states.shape[0], bool)
    for slope in slopes:
        moved = np.abs(np.asarray(slope)) > 0
        touched |= moved.reshape(-1, states.shape[0], states[0].size).any(axis=(0, 2))
    return int(touched.sum())


def _products(rule: AbstractLearningRule) -> int:
    """Products per connection in the correction."""
    return round(rule.work(Wires(0, 1_000, 10), 0, 0).correction / 1_000)


def _stages(step: Callable[[Network, Array, Array], Array]) -> int:
    """How many free layers of a network as deep as the paper's an input reaches in one step."""
    network, x, _, state = _tiny(layered([4, *[3] * len(SIZES[1:-1]), 2]))
    reach = np.abs(np.asarray(jax.jit(jax.jacfwd(lambda x: step(network, x, state)))(x))) > 0
    by_unit = reach.reshape(network.num_free, -1).any(axis=1)
    ends = np.cumsum(network.layer_sizes[1:])[:-1].tolist()
    return sum(bool(layer.any()) for layer in np.split(by_unit, ends))


def _work(
    rule: AbstractLearningRule, free_steps: int, other_steps: int
) -> tuple[float, float, float]:
    paper = with_intralayer(layered(SIZES))
    acyclic = without_intralayer(rewire(paper, n=CONNECTIONS, seed=0))
    work = rule.work(Wires.of(acyclic), free_steps, other_steps)
    return work.first, work.second, work.correction


def table(found: tuple[Complexity, ...]) -> tuple[list[str], list[list[str]]]:
    """The rows of table 1 and what an update costs: columns, and rows of text."""

    def kinds(one: Complexity) -> str:
        told = [f"{need.forwards} forwards, {need.backwards} backwards" for need in one.hidden]
        return "messages per connection: " + "; then ".join(dict.fromkeys(told))

    def yes(one: Complexity, what: str) -> str:
        phases = ["first", "second"]
        used = [p for p, need in zip(phases, one.hidden, strict=True) if getattr(need, what)]
        return f"{' and '.join(used)} phase" if used else "no"

    def distinct(one: Complexity) -> str:
        rest = "outputs add the target" if one.shared_by_outputs else "outputs differ"
        return f"{one.distinct_computations}; {rest}"

    def order(one: Complexity) -> str:
        if one.stages == 1:
            return f"all neurons at once, {one.steps[0]} + {one.steps[1]} steps"
        return f"{one.stages} layers one after the other, there and back"

    def cost(one: Complexity) -> str:
        return " + ".join(f"{value:.3g}" for value in one.multiply_adds)

    rows: list[tuple[str, Callable[[Complexity], str]]] = [
        ("memory, numbers per neuron", lambda one: str(one.memory)),
        ("nonlinear activation function", lambda one: yes(one, "nonlinearity")),
        ("its derivative", lambda one: yes(one, "derivative")),
        ("distinct computations", distinct),
        ("types of connections", kinds),
        (
            "correction computation",
            lambda one: (
                f"products per connection: {one.products}; "
                f"numbers at each end: {one.correction_states}"
            ),
        ),
        ("order of computations", order),
        ("multiply-adds per example: first + second phase + correction", cost),
    ]
    columns = ["", *(one.method for one in found)]
    return columns, [[name, *(tell(one) for one in found)] for name, tell in rows]
