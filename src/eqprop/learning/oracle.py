"""The exact gradient that an audit compares with, and where it was taken."""

from __future__ import annotations

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from eqprop.energy import Network
from eqprop.learning.exact import adjoint_gradient, adjoints_of
from eqprop.relaxation import BlockCoordinateDescent, Equilibrium, Euler, Residual, relax


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
    """

    settled: np.ndarray
    found: np.ndarray
    apart: np.ndarray
    shares: np.ndarray
    gradient: Network

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

        >>> import eqprop
        >>> network = eqprop.Network.initialize(eqprop.layered([4, 3, 2]), seed=0)
        >>> x, target = np.full((5, 4), 0.5), np.eye(2)[[0, 1, 0, 1, 0]]
        >>> bool(Oracle.of(network, x, target, np.full((5, 5), 0.5)).found.all())
        True
        """
        with jax.enable_x64(True):
            x, target, states = (jnp.asarray(a, jnp.float64) for a in (x, target, states))
            wide = jax.tree.map(
                lambda leaf: leaf.astype(jnp.float64) if eqx.is_inexact_array(leaf) else leaf,
                network,
            )
            warm = _settled(wide, x, states, tolerance, max_steps)
            cold = _settled(wide, x, wide.cold_state(len(x)), tolerance, max_steps)
            adjoints = adjoints_of(wide, x, target, warm.state)
            found = np.asarray(warm.settled)
            # The parameters of a cost learn even where no output unit can move.
            differs = np.abs(np.asarray(adjoints)).max(axis=1) > 0
            differs |= bool(jax.tree.leaves(eqx.filter(wide.cost, eqx.is_inexact_array)))
            counts = found & differs
            shares = counts / max(1, counts.sum())
            exact = adjoint_gradient(wide, x, target, warm.state, adjoints, jnp.asarray(shares))
            apart = np.abs(np.asarray(warm.state - cold.state)).max(axis=1)
            both = found & np.asarray(cold.settled)
        return Oracle(np.asarray(warm.state), found, apart[both], shares, jax.device_get(exact))


@eqx.filter_jit
def _settled(
    network: Network, x: Array, states: Array, tolerance: float, max_steps: int
) -> Equilibrium:
    method = Euler(0.25)
    if network.allows_blocks:
        method = BlockCoordinateDescent(1.0, block_size=20)
    return relax(network.energy.clamp(x), states, method, Residual(tolerance, max_steps))
