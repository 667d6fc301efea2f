"""The exact gradient that an audit compares with, and where it was taken."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from eqprop.energy import Network
from eqprop.energy.feedback import Feedback
from eqprop.energy.pixels import inputs
from eqprop.errors import ConfigError
from eqprop.learning.exact import adjoint_gradient, adjoints_of
from eqprop.relaxation import (
    BlockCoordinateDescent,
    Equilibrium,
    Euler,
    Residual,
    euler_limit,
    relax,
)

# Compiled as one program each: operation by operation they would compile for longer than run.
_adjoints_of = eqx.filter_jit(adjoints_of)
_gradient = eqx.filter_jit(adjoint_gradient)


@dataclasses.dataclass(frozen=True)
class Oracle:
    """Where free states settle if they are given the time, and the implicit gradient there.

    **Attributes:**

    - `settled`: the free states, `[examples, free units]`, float64.
    - `found`: which of them settled in time, `[examples]`.
    - `apart`: of those that settle from a cold start too, how far they end from there.
    - `shares`: what each example counts in the gradient, `[examples]`: the same for all that
      settled and have one, 0 for the others.
    - `gradient`: of the settled cost, in the network's structure, float64 on the host.
    - `lowest_eigenvalue`: of the coupling between free units.
    - `step_limit`: of Euler steps; 2/(1 - lowest eigenvalue) for the hard sigmoid alone, and the
      least `euler_limit` of the states where they ended for other energies.
    """

    settled: np.ndarray
    found: np.ndarray
    apart: np.ndarray
    shares: np.ndarray
    gradient: Network
    lowest_eigenvalue: float
    step_limit: float

    @staticmethod
    def of(
        network: Network,
        x: Any,
        target: Any,
        states: Any,
        *,
        tolerance: float = 1e-10,
        max_steps: int = 20_000,
    ) -> Oracle:
        """Settles the examples in float64 and differentiates implicitly.

        Costs a dense solve of `free units` equations per example.

        **Arguments:**

        - `x` `[examples, inputs]`, `target` `[examples, targets]`, `states` `[examples, free
          units]`: as of `audit`.
        - `tolerance`, `max_steps`: of the relaxation.

        **Raises:** `ConfigError` for arrays of another shape.

        >>> import eqprop
        >>> network = eqprop.Network.initialize(eqprop.layered([4, 3, 2]), seed=0)
        >>> x, target = np.full((5, 4), 0.5), np.eye(2)[[0, 1, 0, 1, 0]]
        >>> bool(Oracle.of(network, x, target, np.full((5, 5), 0.5)).found.all())
        True
        """
        with jax.enable_x64(True):
            x, target, states = as_batch(network, x, target, states, jnp.float64)
            wide = network.astype(jnp.float64)
            warm = _settled(wide, x, states, tolerance, max_steps)
            cold = _settled(wide, x, wide.cold_state(len(x)), tolerance, max_steps)
            adjoints = _adjoints_of(wide, x, target, warm.state)
            found = np.asarray(warm.settled)
            # The parameters of a cost learn even where no output unit can move.
            differs = np.abs(np.asarray(adjoints)).max(axis=1) > 0
            differs |= bool(jax.tree.leaves(eqx.filter(wide.cost, eqx.is_inexact_array)))
            counts = found & differs
            shares = counts / max(1, counts.sum())
            exact = _gradient(wide, x, target, warm.state, adjoints, jnp.asarray(shares))
            apart = np.abs(np.asarray(warm.state - cold.state)).max(axis=1)
            both = found & np.asarray(cold.settled)
            lowest = _lowest_eigenvalue(network)
            limit = 2 / (1 - lowest)
            if not (network.energy.has_blocks and network.hopfield.activation.is_parabola):
                limit = float(jnp.min(euler_limit(wide.energy.clamp(x), warm.state)))
        return Oracle(
            settled=np.asarray(warm.state),
            found=found,
            apart=apart[both],
            shares=shares,
            gradient=jax.device_get(exact),
            lowest_eigenvalue=lowest,
            step_limit=limit,
        )

    def through(self, read: Callable[[Network], Network], network: Network) -> Oracle:
        """The same with the gradient in what devices hold, where this one is in what they read.

        **Arguments:** `network`, which is held; `read`, by which it became the network of this
        oracle.
        """

        @eqx.filter_jit
        def pulled_back(network: Network, slopes: Network) -> Network:
            seen, back = eqx.filter_vjp(read, network)
            like = eqx.filter(seen, eqx.is_inexact_array)
            (gradient,) = back(jax.tree.map(lambda s, leaf: s.astype(leaf.dtype), slopes, like))
            return network.constrain(gradient)

        found = pulled_back(network, self.gradient)
        return dataclasses.replace(self, gradient=jax.device_get(found))


def as_batch(
    network: Network, x: Any, target: Any, states: Any, dtype: Any
) -> tuple[Array, Array, Array]:
    """Examples as arrays of one kind.

    **Raises:** `ConfigError` if they do not fit the network or each other.
    """
    x = inputs(np.asarray(x), dtype)
    target, states = jnp.asarray(target, dtype), jnp.asarray(states, dtype)
    for name, array, width, what in (
        ("x", x, network.num_inputs, "inputs"),
        ("target", target, network.num_targets, "one-hot classes or outputs"),
        ("states", states, network.num_free, "free units"),
    ):
        wanted = (len(x), width)
        if array.shape != wanted or not len(x):
            raise ConfigError(
                f"`{name}` must have shape [examples, {what}], {wanted} with one example or more, "
                f"got {array.shape}."
            )
    return x, target, states


@eqx.filter_jit
def _settled(
    network: Network, x: Array, states: Array, tolerance: float, max_steps: int
) -> Equilibrium:
    clamped = network.energy.clamp(x)
    if network.energy.has_blocks:
        method = BlockCoordinateDescent(1.0, block_size=20)
    else:
        method = Euler(gentle_step(jnp.min(euler_limit(clamped, states))))
    return relax(clamped, states, method, Residual(tolerance, max_steps))


def gentle_step(limit: Any) -> Any:
    """An Euler step well within its limit."""
    return jnp.minimum(0.25, limit / 2)


def _lowest_eigenvalue(network: Network) -> float:
    """Of the coupling between free units, its real part; NaN for an energy without one."""
    starts = np.concatenate([[0, 0], np.cumsum(network.layer_sizes[1:])])
    dense = np.zeros((starts[-1], starts[-1]))
    back = network.energy.couplings_back()
    feedback = Feedback(getattr(network.energy, "feedback", 1.0), network.layer_sizes)
    for (post, pre), weight in network.energy.couplings().items():
        if pre:
            rows, columns = (slice(starts[k], starts[k + 1]) for k in (post, pre))
            # One way is weakened. The root of that, both ways, has the same eigenvalues.
            share = np.sqrt(feedback.on_the_way(pre, post) * feedback.on_the_way(post, pre))
            dense[rows, columns] += share * weight
            dense[columns, rows] += share * back[post, pre].T
    if not back:
        return np.nan
    if (dense == dense.T).all():
        return float(np.linalg.eigvalsh(dense)[0])
    return float(np.linalg.eigvals(dense).real.min())
