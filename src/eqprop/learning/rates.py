"""Learning rates: one for the network, or one per layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from eqprop.energy import WEIGHTS, Group, Network
from eqprop.energy.groups import replaced
from eqprop.errors import ConfigError, unknown_name

BiasRates = Literal["below", "above", "as_released"]


def learning_rates(
    network: Network,
    rate: float | Sequence[float],
    *,
    bias_rates: BiasRates = "below",
    skip_rate: float | None = None,
    intralayer_rate: float | None = None,
    readout_rate: float | None = None,
    own: Mapping[str, float] | None = None,
) -> Network:
    """The learning rate of every parameter, in the network's own structure.

    **Arguments:**

    - `rate`: one number for all parameters (section 2.3.2), or one per pair of adjacent
      layers, input side first (section 2.3.1: .128, .032, .008, .002).
    - `bias_rates`: with a rate per layer, which one the biases of a layer take: that of the
      weights `"below"` it (nearer the input), `"above"` it (the output layer, which has none,
      takes the one below), or 1 `"as_released"`.
    - `skip_rate`, `intralayer_rate`: the rates of those connections; needed with a rate per
      layer, and else the global one unless given.
    - `readout_rate`: of the parameters of the cost and of added terms of the energy (default:
      the last of the rates).
    - `own`: rates of single arrays of parameters by their name (`Network.groups`), which win.

    Differs from: the paper's text, which gives biases the rate of the weights above and so
    none to the output layer, and its released code, in which a slicing slip leaves them at 1.

    **Raises:** `ConfigError` for a list of the wrong length, negative rates, or skip or
    intralayer connections without a rate of their own.

    >>> import eqprop
    >>> network = eqprop.Network.initialize(eqprop.layered([4, 3, 2]), seed=0)
    >>> rates = eqprop.learning_rates(network, [0.1, 0.02])
    >>> float(rates.energy.weights[2, 1])  # doctest: +ELLIPSIS
    0.0199...
    """
    parameters = eqx.filter(network, eqx.is_inexact_array)
    if isinstance(rate, np.ndarray):
        rate = rate.tolist()
    whole = not isinstance(rate, Sequence)
    own, groups = dict(own or {}), network.groups()
    for name, value in own.items():
        if name not in {group.name for group in groups}:
            raise ConfigError(unknown_name("own", name, [group.name for group in groups]))
        _check_rate(value, name)
    plain = not own and skip_rate is intralayer_rate is readout_rate is None
    if not isinstance(rate, Sequence) and plain:
        _check_rate(rate)
        return jax.tree.map(lambda leaf: jnp.asarray(rate, leaf.dtype), parameters)
    gaps = len(network.layer_sizes) - 1
    if isinstance(rate, Sequence):
        layers = list(rate)
    else:
        layers = [rate] * gaps
        skip_rate = rate if skip_rate is None else skip_rate
        intralayer_rate = rate if intralayer_rate is None else intralayer_rate
    if len(layers) != gaps:
        raise ConfigError(
            f"`rate` must have one entry per pair of adjacent layers, {gaps}, got {len(layers)}: "
            f"{layers}. Give {gaps} numbers, input side first."
        )
    readout_rate = layers[-1] if readout_rate is None else readout_rate
    for value in layers:
        _check_rate(value)
    _check_rate(readout_rate, "readout_rate")
    if bias_rates not in ("below", "above", "as_released"):
        raise ConfigError(
            f"`bias_rates` must be 'below', 'above' or 'as_released', got {bias_rates!r}."
        )
    others = {"skip": ("skip_rate", skip_rate), "intralayer": ("intralayer_rate", intralayer_rate)}

    def of_connections(group: Group) -> float:
        if group.kind == "interlayer":
            return layers[group.layers[1]]
        name, value = others[group.kind]
        if value is None:
            raise ConfigError(
                f"`{name}` must be given when `rate` is a list and connections between layers "
                f"{group.layers[1]} and {group.layers[0]} exist, got None. A rate per layer does "
                f"not say how fast those learn. Pass `{name}`, or one global rate."
            )
        _check_rate(value, name)
        return value

    def of_bias(layer: int) -> float:
        if bias_rates == "as_released" and not whole:
            return 1.0
        return layers[layer - 1] if bias_rates == "below" else layers[min(layer, gaps - 1)]

    def of_group(group: Group) -> float:
        if group.name in own:
            return own[group.name]
        if group.kind in WEIGHTS:
            return of_connections(group)
        return of_bias(group.layers[0]) if group.kind == "biases" else readout_rate

    found = [jnp.asarray(of_group(group), group.of(network).dtype) for group in groups]
    return replaced(parameters, groups, found)


def _check_rate(rate: float, name: str = "rate") -> None:
    if not rate >= 0 or rate == float("inf"):
        raise ConfigError(
            f"`{name}` must be a finite number of 0 or more, got {rate}. The paper uses 0.02."
        )
