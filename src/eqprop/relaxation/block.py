"""Block coordinate descent: one layer after the other goes to its minimum."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from eqprop.energy import (
    AbstractBlockClampedEnergy,
    AbstractClampedEnergy,
    Network,
    TotalEnergy,
)
from eqprop.errors import ConfigError
from eqprop.relaxation.base import AbstractRelaxation, projected_residual
from eqprop.relaxation.euler import check_step_size


class BlockCoordinateDescent(AbstractRelaxation):
    """Each layer in turn, input side first: s_k <- project(s_k + step_size (W u + b - s_k)).

    With step size 1 a layer without intralayer connections goes to its exact minimum with
    the others held, so the energy never rises; 20 sweeps get as far as 100 Euler steps. With
    intralayer connections a sweep can raise the energy unless step_size < `monotone_bound`.
    In a nudged phase the output layer goes to project((d + c beta y)/(1 + c beta)), where d
    is its drive and c the curvature of the cost; that needs 1 + c beta > 0.

    **Arguments:**

    - `step_size`: above 0.

    **Raises:** `ConfigError` for an energy without block updates.
    """

    step_size: Array = eqx.field(default=1.0, converter=jnp.asarray)

    def __check_init__(self) -> None:
        check_step_size(self.step_size)

    def init(self, energy: AbstractClampedEnergy, state: Array) -> None:
        base = energy.free if isinstance(energy, TotalEnergy) else energy
        if not isinstance(base, AbstractBlockClampedEnergy):
            raise ConfigError(
                f"the energy must offer block updates for `BlockCoordinateDescent`, got "
                f"{type(base).__name__}, which has none. Relax it with `Euler`."
            )

    def step(self, energy: AbstractClampedEnergy, state: Array, memory: None) -> tuple[Array, Any]:
        assert isinstance(energy, AbstractBlockClampedEnergy)  # `init` made sure
        for block, span in enumerate(energy.block_slices):
            here = state[span]
            there = here + self.step_size * (energy.minimize_block(state, block) - here)
            state = state.at[span].set(energy.project(there))
        return state, memory

    def residual(self, energy: AbstractClampedEnergy, state: Array) -> Array:
        return projected_residual(energy, state)


def monotone_bound(network: Network) -> float:
    """Below this step size a sweep of block coordinate descent cannot raise the energy.

    2 / (1 - lambda_min), lambda_min the smallest eigenvalue of the couplings inside the
    layers; sufficient, not necessary. Without intralayer connections it is 2. Costs an
    eigenvalue decomposition per layer on the host: compute it once in a while.

    >>> import eqprop
    >>> monotone_bound(eqprop.Network.initialize(eqprop.layered([4, 3, 2]), seed=0))
    2.0
    """
    couplings = network.hopfield.intralayer_couplings().values()
    lowest = [np.linalg.eigvalsh(block.astype(np.float64))[0] for block in couplings]
    return 2 / (1 - min([0.0, *map(float, lowest)]))
