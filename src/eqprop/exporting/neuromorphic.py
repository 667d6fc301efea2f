"""A network in the Neuromorphic Intermediate Representation (NIR), and what that cannot say.

Pedersen et al., "Neuromorphic intermediate representation: a unified instruction set for
interoperable brain-inspired computing", Nature Communications 15:8122 (2024).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

from eqprop.energy import CrossEntropy
from eqprop.errors import ConfigError
from eqprop.exporting.parts import energy_of, settled_exactly, unit_of, ways_of, written_into
from eqprop.training import Model
from eqprop.training.examples import decided

if TYPE_CHECKING:
    import nir

_STEP, _SETTLED, _MOST, _FAR = 0.1, 1e-10, 20_000, 1e6


@dataclasses.dataclass(frozen=True)
class Deviation:
    """How far a graph that was read back settles from the network, over some examples.

    **Attributes:**

    - `with_units`: the largest difference of a state once every node answers as our units do.
    - `as_written`: the same of the graph alone, whose nodes do not; infinite where it grows
      without limit.
    - `other_classes`: share of the examples to which the graph alone gives another class; NaN
      where it grows.
    - `unsettled`: examples that have not settled here, so that there is no state to compare with.
    """

    with_units: float
    as_written: float
    other_classes: float
    unsettled: int = 0

    def told(self) -> str:
        """In words."""
        alone = (
            "grows without limit"
            if np.isinf(self.as_written)
            else f"ends up to {self.as_written:.2g} away and gives {self.other_classes:.0%} of the "
            "examples another class"
        )
        lost = f"; {self.unsettled} examples do not settle here" if self.unsettled else ""
        return (
            f"read back, with our units put in again, it settles within {self.with_units:.1e} of "
            f"our states; as it is written, it {alone}{lost}"
        )


def graph(model: Model, *, lossy: bool = False) -> nir.NIRGraph:
    """The network as a graph: a leaky integrator (`LI`) per layer, in a loop.

    A node `layer1` and so on integrates with a time constant of 1 what it receives: forwards
    through `Affine`, which has its biases, and further `Linear` nodes; backwards through `Linear`
    nodes of transposed weights. A read-out is an `Affine` node after the last layer.

    **Arguments:** `lossy`: agrees that how units answer is lost.

    **Raises:** `ConfigError` unless `lossy`, for an energy that has no such graph, and where the
    package `nir` is missing.
    """
    try:
        import nir
    except ImportError:
        raise ConfigError(
            "NIR needs the package `nir`, which is not installed. Run: pip install 'eqprop[nir]'"
        ) from None
    network, energy = model.seen, energy_of(model, "a NIR graph")
    unit_of(energy, "a NIR graph")
    if not lossy:
        raise ConfigError(
            "NIR has no node for how units answer: it would lose that states are clipped or bent "
            "by the activation, and so where they settle. Say lossy=True, --lossy at the command "
            "line, to write the wiring, weights and time constants all the same."
        )
    sizes = energy.layer_sizes
    nodes: dict[str, Any] = {"input": nir.Input({"input": np.array([sizes[0]])})}
    edges: list[tuple[str, str]] = []
    biases = {k: np.asarray(b, np.float32) for k, b in energy.biases.items()}
    for layer, bias in biases.items():
        ones = np.ones(sizes[layer], np.float32)
        nodes[f"layer{layer}"] = nir.LI(tau=ones, r=ones, v_leak=0 * ones)
        # The first way in has the biases; a layer that hears of nobody has an empty one.
        name = f"to{layer}_from{layer - 1}"
        nodes[name] = nir.Affine(np.zeros((sizes[layer], sizes[layer - 1]), np.float32), bias)
        edges += [(_layer(layer - 1), name), (name, _layer(layer))]
    for to, frm, weights in ways_of(energy):
        name = f"to{to}_from{frm}"
        weights = weights.astype(np.float32)
        if name in nodes:  # forwards, or the other triangle of a layer
            nodes[name].weight = nodes[name].weight + weights
        else:
            nodes[name] = nir.Linear(weights)
            edges += [(_layer(frm), name), (name, _layer(to))]
    last = _layer(len(sizes) - 1)
    if isinstance(network.cost, CrossEntropy):
        readout = np.asarray(network.cost.weights), np.asarray(network.cost.bias)
        nodes["readout"] = nir.Affine(*readout)
        edges.append((last, "readout"))
        last = "readout"
    nodes["output"] = nir.Output({"output": np.array([network.num_targets])})
    return nir.NIRGraph(nodes, [*edges, (last, "output")])


def write_nir(
    model: Model, made: nir.NIRGraph, x: np.ndarray, path: str | Path
) -> tuple[Path, Deviation]:
    """Writes a graph, reads it back, lets it settle, and tells how far it ends from the network.

    **Arguments:** `made`: of `graph`; `x`: `[examples, inputs]`, as the network sees them.

    **Returns:** the file, and the deviation.
    """
    import nir

    path = Path(path)
    written_into(path.parent)
    nir.write(path, made)
    return path, _deviation(model, np.asarray(x), nir.read(path))


def settled(
    graph: nir.NIRGraph,
    x: np.ndarray,
    start: Mapping[str, np.ndarray],
    rho: Callable[[np.ndarray], np.ndarray] = lambda value: value,
) -> dict[str, np.ndarray]:
    """What the `LI` nodes of a graph pass on in the end, `[examples, units]` each.

    Infinite where they grow without limit.

    **Arguments:**

    - `x`: `[examples, inputs]`.
    - `start`: what they pass on in the beginning.
    - `rho`: by which a node's value becomes what it passes on, which NIR cannot say.
    """
    import nir

    nodes: Any = graph.nodes
    layers = [name for name, node in nodes.items() if isinstance(node, nir.LI)]
    before = {to: frm for frm, to in graph.edges}
    ways = [(before[way], way, to) for way, to in graph.edges if to in layers]

    def pull(passed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        found = {name: np.zeros_like(start[name]) + nodes[name].v_leak for name in layers}
        for frm, way, to in ways:
            received = passed[frm] @ np.asarray(nodes[way].weight, np.float64).T
            found[to] += nodes[to].r * (received + getattr(nodes[way], "bias", 0))
        return found

    value = pull({**start, "input": x})
    for _ in range(_MOST):
        drawn = pull({name: rho(value[name]) for name in layers} | {"input": x})
        moves = {name: drawn[name] - value[name] for name in layers}
        largest = max(np.abs(one).max() for one in moves.values())
        if largest < _SETTLED:
            break
        if not largest < _FAR:
            return {name: np.full_like(own, np.inf) for name, own in value.items()}
        value = {name: value[name] + _STEP * moves[name] / nodes[name].tau for name in layers}
    return {name: rho(own) for name, own in value.items()}


def _deviation(model: Model, x: np.ndarray, graph: nir.NIRGraph) -> Deviation:
    network = model.seen
    ours, unsettled = settled_exactly(network, x)
    ends = np.cumsum(network.layer_sizes[1:])[:-1]
    start = {_layer(k): part for k, part in enumerate(np.split(ours, ends, axis=1), start=1)}

    def states(rho: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        found = settled(graph, np.asarray(x, np.float64), start, rho)
        return np.concatenate([found[name] for name in start], axis=1)

    again, alone = states(unit_of(network.hopfield, "a NIR graph").rho), states(lambda v: v)
    scores = [np.asarray(network.scores(jnp.asarray(end, np.float32))) for end in (ours, alone)]
    classes, grows = [decided(one) for one in scores], np.isinf(alone).any()
    return Deviation(
        with_units=float(np.abs(again - ours).max()),
        as_written=float(np.abs(alone - ours).max()),
        other_classes=np.nan if grows else float((classes[0] != classes[1]).mean()),
        unsettled=unsettled,
    )


def _layer(number: int) -> str:
    return f"layer{number}" if number else "input"
