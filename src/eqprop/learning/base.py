"""What a learning rule is: from a batch and its states to a gradient."""

from __future__ import annotations

import abc

import equinox as eqx
from jax import Array

from eqprop.energy import Network
from eqprop.relaxation import AbstractRelaxation, AbstractTermination, Equilibrium


class Phase(eqx.Module):
    """How one phase relaxes.

    **Attributes:**

    - `method`: `Euler`, `BlockCoordinateDescent`, ...
    - `termination`: `FixedSteps` or `Residual`.
    """

    method: AbstractRelaxation
    termination: AbstractTermination


class Report(eqx.Module):
    """The equilibria a gradient was made of.

    **Attributes:**

    - `free`: of the free phase.
    - `nudged`: of each nudged phase.
    - `beta`: the first nudging strength used, a scalar.
    """

    free: Equilibrium
    nudged: tuple[Equilibrium, ...]
    beta: Array


class Estimate(eqx.Module):
    """**Attributes:**

    - `gradient`: descent sign, mean over the batch, in the network's own structure (None where
      the network holds no parameter), so that Optax takes it as it is.
    - `free_states`: `[batch, free units]`, to be kept as persistent particles.
    - `report`: how the phases settled.
    """

    gradient: Network
    free_states: Array
    report: Report


class AbstractLearningRule(eqx.Module):
    """How equilibria become a gradient."""

    @abc.abstractmethod
    def check(self, network: Network) -> None:
        """Refuses, before anything is compiled, a network that the rule cannot train."""

    @abc.abstractmethod
    def estimate(
        self,
        network: Network,
        x: Array,
        target: Array,
        states: Array,
        key: Array,
        example_weights: Array | None = None,
    ) -> Estimate:
        """The gradient on a batch.

        **Arguments:**

        - `network`: what is trained.
        - `x`: `[batch, inputs]`, in [0, 1].
        - `target`: `[batch, outputs]`.
        - `states`: where the free phase starts, `[batch, free units]`.
        - `key`: for rules that draw.
        - `example_weights`: `[batch]`, what each example counts in the sum (default: 1 / batch,
          so that the gradient is the mean). 0 leaves an example out.
        """


def apply_updates(network: Network, updates: Network) -> Network:
    """`network` + `updates`, with every connection that does not exist kept at zero.

    `updates` is what an Optax optimiser made of a gradient; whatever it adds where there is
    no connection (weight decay, noise, momentum) is dropped.
    """
    return eqx.apply_updates(network, network.constrain(updates))
