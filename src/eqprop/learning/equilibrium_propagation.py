"""Equilibrium propagation: the gradient from two equilibria."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from eqprop.energy import Network, TotalEnergy
from eqprop.errors import ConfigError
from eqprop.learning.base import AbstractLearningRule, Estimate, Phase, Report
from eqprop.learning.nudging import AbstractNudging
from eqprop.relaxation import BlockCoordinateDescent, is_traced, relax


class EquilibriumPropagation(AbstractLearningRule):
    """Relax freely, nudge the outputs, relax again, compare (section 2.1.1, Eq. 7 and 8).

    gradient = (dF/dtheta at beta - dF/dtheta at 0) / beta for every parameter theta, averaged
    over the batch. For a weight that is -(rho(u_i) rho(u_j) at beta - at 0) / beta: minus the
    paper's correction, since Optax descends.

    **Arguments:**

    - `nudging`: `OneSided`, `RandomSign` or `Centered`.
    - `free`, `nudged`: how the two phases relax. The nudged phase starts at the free state.

    **Raises:** `ConfigError` if the nudged phase is block coordinate descent and some beta
    makes 1 + (curvature of the cost) beta <= 0: then the output layer has no minimum.

    **References:** Scellier and Bengio, "Equilibrium propagation: bridging the gap between
    energy-based models and backpropagation", Front. Comput. Neurosci. 11:24 (2017).
    """

    nudging: AbstractNudging
    free: Phase
    nudged: Phase

    def check(self, network: Network) -> None:
        if not isinstance(self.nudged.method, BlockCoordinateDescent):
            return
        for beta in self.nudging.possible():
            if not is_traced(beta) and 1 + network.cost.curvature() * float(beta) <= 0:
                raise ConfigError(
                    f"`beta` must be above {-1 / network.cost.curvature():g} for a nudged phase by "
                    f"BlockCoordinateDescent with this cost, got {float(beta):g}. Below it the "
                    "output layer has no minimum. Use Euler for the nudged phase or a smaller beta."
                )

    def estimate(
        self,
        network: Network,
        x: Array,
        target: Array,
        states: Array,
        key: Array,
        example_weights: Array | None = None,
    ) -> Estimate:
        self.check(network)
        if example_weights is None:
            example_weights = jnp.full(len(x), 1 / len(x), states.dtype)
        # Prepared once, so that both phases read the same copy of the couplings.
        clamped = self.free.method.prepare(network.energy.clamp(x))
        free = relax(clamped, states, self.free.method, self.free.termination)

        def nudge(beta: Array):
            beta = jnp.asarray(beta, states.dtype)
            total = TotalEnergy(clamped, network.cost, beta, target)
            found = relax(total, free.state, self.nudged.method, self.nudged.termination)
            return beta, found

        upper, lower = self.nudging.pair(key)
        beta, above = nudge(upper)
        if lower is None:
            below_beta, below, nudged = jnp.zeros_like(beta), free, (above,)
        else:
            below_beta, below = nudge(lower)
            nudged = (above, below)
        gradient = contrast(
            network,
            x,
            target,
            (beta, above.state),
            (below_beta, below.state),
            example_weights,
        )
        return Estimate(gradient, free.state, Report(free, nudged, beta))


def contrast(
    network: Network,
    x: Array,
    target: Array,
    upper: tuple[Array, Array],
    lower: tuple[Array, Array],
    example_weights: Array,
) -> Network:
    """(dF/dtheta at `upper` - dF/dtheta at `lower`) / (their difference in beta).

    **Arguments:**

    - `upper`, `lower`: pairs `(beta, states)`, a scalar and `[batch, free units]`.
    - `example_weights`: `[batch]`; the sum over the examples is weighted by them.

    **Returns:** in the structure of `network`, zero where no connection exists.
    """
    # Both phases side by side in one batch with weights of opposite sign: autodiff then makes
    # one matrix product per pair of layers, never a product per example.
    share = example_weights / (upper[0] - lower[0])
    coefficients = jnp.concatenate([share, -share])
    betas = jnp.repeat(jnp.stack([upper[0], lower[0]]), x.shape[0])
    states = jnp.concatenate([upper[1], lower[1]])
    both = (jnp.concatenate([x, x]), states, jnp.concatenate([target, target]), betas)

    @eqx.filter_grad
    def slope(network: Network) -> Array:
        return jnp.dot(coefficients, jax.vmap(network.total_energy)(*both))

    return network.constrain(slope(network))
