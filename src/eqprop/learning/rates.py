"""Learning rates: one for the network, or one per layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp

from eqprop.energy import Network
from eqprop.errors import ConfigError

BiasRates = Literal["below", "above", "as_released"]


def learning_rates(
    network: Network,
    rate: float | Sequence[float],
    *,
    bias_rates: BiasRates = "below",
    skip_rate: float | None = None,
    intralayer_rate: float | None = None,
) -> Network:
    """The learning rate of every parameter, in the network's own structure.

    **Arguments:**

    - `rate`: one number for all parameters (section 2.3.2), or one per pair of adjacent
      layers, input side first (section 2.3.1: .128, .032, .008, .002).
    - `bias_rates`: with a rate per layer, which one the biases of a layer take: that of the
      weights `"below"` it (nearer the input), `"above"` it (the output layer, which has none,
      takes the one below), or 1 `"as_released"`.
    - `skip_rate`, `intralayer_rate`: with a rate per layer, the rates of those connections.

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
    if not isinstance(rate, Sequence):
        _check_rate(rate)
        return jax.tree.map(lambda leaf: jnp.asarray(rate, leaf.dtype), parameters)
    energy = network.hopfield
    gaps = len(network.layer_sizes) - 1
    if len(rate) != gaps:
        raise ConfigError(
            f"`rate` must have one entry per pair of adjacent layers, {gaps}, got {len(rate)}: "
            f"{list(rate)}. Give {gaps} numbers, input side first."
        )
    for value in rate:
        _check_rate(value)
    if bias_rates not in ("below", "above", "as_released"):
        raise ConfigError(
            f"`bias_rates` must be 'below', 'above' or 'as_released', got {bias_rates!r}."
        )
    own = {0: ("intralayer_rate", intralayer_rate), 1: ("rate", 0.0)}

    def of_block(block: tuple[int, int]) -> float:
        post, pre = block
        if post - pre == 1:
            return rate[pre]
        name, value = own.get(post - pre, ("skip_rate", skip_rate))
        if value is None:
            raise ConfigError(
                f"`{name}` must be given when `rate` is a list and connections between layers "
                f"{pre} and {post} exist, got None. A rate per layer does not say how fast those "
                f"learn. Pass `{name}`, or one global rate."
            )
        _check_rate(value)
        return value

    def of_bias(layer: int) -> float:
        if bias_rates == "as_released":
            return 1.0
        return rate[layer - 1] if bias_rates == "below" else rate[min(layer, gaps - 1)]

    dtype = network.dtype
    weights = {b: jnp.asarray(of_block(b), dtype) for b in energy.weights}
    biases = {k: jnp.asarray(of_bias(k), dtype) for k in energy.biases}
    return eqx.tree_at(lambda n: (n.energy.weights, n.energy.biases), parameters, (weights, biases))


def _check_rate(rate: float) -> None:
    if not rate >= 0 or rate == float("inf"):
        raise ConfigError(
            f"`rate` must be a finite number of 0 or more, got {rate}. The paper uses 0.02."
        )
