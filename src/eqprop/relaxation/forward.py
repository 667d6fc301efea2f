"""One pass from the input to the output, as in a network without loops."""

from __future__ import annotations

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from jax import Array

from eqprop.energy import AbstractClampedEnergy, ClampedHopfieldEnergy
from eqprop.energy.connections import ClampedConnections
from eqprop.energy.interactions import ClampedBiases
from eqprop.energy.products import matmul
from eqprop.errors import ConfigError
from eqprop.relaxation.base import AbstractRelaxation
from eqprop.shapes import PerExample, States


class ForwardPass(AbstractRelaxation):
    """Layer after layer, s_k <- rho(sum over earlier layers j of W_kj s_j + b_k) (section 4.1.2).

    It reads interlayer and skip connections forwards, as a feed-forward network has them, and
    is done after one step. It is no relaxation of the energy: nothing flows back.

    **Raises:** `ConfigError` for a network with intralayer connections, which have no direction.
    """

    def prepare(self, energy: AbstractClampedEnergy) -> ClampedHopfieldEnergy:
        if not isinstance(energy, ClampedHopfieldEnergy):
            raise ConfigError(
                f"the energy must be a `HopfieldEnergy` for a forward pass, got "
                f"{type(energy).__name__}: only weights between layers can be read forwards."
            )
        for part in energy.parts[1:]:
            if not isinstance(part, ClampedBiases):
                raise ConfigError(
                    f"the energy must have connections and biases alone for a forward pass, got "
                    f"{type(part).__name__} too: only weights between layers can be read forwards."
                )
        check_acyclic(_connections(energy).weights)
        return energy

    def init(self, prepared: AbstractClampedEnergy, state: States) -> None:
        return None

    def step(
        self, prepared: AbstractClampedEnergy, state: States, memory: None, key: Array | None
    ) -> tuple[States, None, PerExample]:
        assert isinstance(prepared, ClampedHopfieldEnergy)  # `prepare` made sure
        sizes = prepared.layer_sizes
        ends = np.cumsum([0, *sizes[1:]])
        layers: dict[int, Array] = {}
        for layer in range(1, len(sizes)):
            span = slice(int(ends[layer - 1]), int(ends[layer]))
            pull = drive(prepared, layer, span, layers)
            layers[layer] = prepared.activation.forwards(pull)
        new = jnp.concatenate(list(layers.values()), axis=1)
        return new, None, jnp.max(jnp.abs(new - state), axis=1)

    def residual(self, energy: AbstractClampedEnergy, state: States) -> PerExample:
        return self.step(energy, state, None, None)[2]


def drive(
    clamped: ClampedHopfieldEnergy, layer: int, span: slice, layers: Mapping[int, Array]
) -> Array:
    """What the units of a layer, `span` of the free ones, add up from the layers before it."""
    connections, biases = _connections(clamped), clamped.parts[1]
    assert isinstance(biases, ClampedBiases)  # `prepare` made sure
    total = connections.input_drive[:, span] + biases.values[None, span]
    for earlier, activity in layers.items():
        if earlier < layer and (layer, earlier) in connections.weights:
            total += matmul(activity, connections.weights[layer, earlier].T)
    return total


def _connections(clamped: ClampedHopfieldEnergy) -> ClampedConnections:
    found = clamped.parts[0]
    assert isinstance(found, ClampedConnections)
    return found


def check_acyclic(blocks: object) -> None:
    """Refuses pairs of layers `(post, pre)` that no forward pass can read."""
    inside = sorted(post for post, pre in blocks if post == pre)  # pyright: ignore[reportGeneralTypeIssues]
    if inside:
        raise ConfigError(
            f"the wiring must be acyclic to be read forwards, got intralayer connections in layers "
            f"{inside}. Drop them by name with `without_intralayer(topology)`."
        )
