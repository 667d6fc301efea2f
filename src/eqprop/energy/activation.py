"""What a unit does to its state: activations, and the box that a state is kept in."""

from __future__ import annotations

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array


@jax.custom_jvp
def hard_sigmoid(state: Array) -> Array:
    """clip(state, 0, 1) with derivative 1 on the closed interval [0, 1] and 0 outside (Eq. 1).

    Differs from: `jax.numpy.clip`, whose derivative at the ends is not 1. Half of the units of
    a trained network sit exactly on an end, so this decides what autodiff says of them.

    >>> import jax
    >>> slope = jax.grad(hard_sigmoid)
    >>> float(slope(0.0)), float(slope(1.0)), float(slope(1.5))
    (1.0, 1.0, 0.0)
    """
    return jnp.clip(state, 0, 1)


@hard_sigmoid.defjvp
def _hard_sigmoid_jvp(primals, tangents):
    (state,), (tangent,) = primals, tangents
    return hard_sigmoid(state), tangent * HardSigmoid().derivative(state)


class AbstractActivation(eqx.Module):
    """rho, its derivative, and the projection of a state onto the set where it may live."""

    @abc.abstractmethod
    def __call__(self, state: Array) -> Array:
        """rho(state), elementwise."""

    @abc.abstractmethod
    def derivative(self, state: Array) -> Array:
        """rho'(state), elementwise."""

    @abc.abstractmethod
    def project(self, state: Array) -> Array:
        """The nearest allowed state."""

    @property
    @abc.abstractmethod
    def is_identity_on_its_box(self) -> bool:
        """Whether rho(s) = s for every allowed s, so that the energy is quadratic there."""


class HardSigmoid(AbstractActivation):
    """clip(., 0, 1), states kept in [0, 1]: the activation of the paper (Eq. 1)."""

    def __call__(self, state: Array) -> Array:
        return hard_sigmoid(state)

    def derivative(self, state: Array) -> Array:
        return jnp.where((state >= 0) & (state <= 1), jnp.ones_like(state), 0)

    def project(self, state: Array) -> Array:
        return jnp.clip(state, 0, 1)

    @property
    def is_identity_on_its_box(self) -> bool:
        return True
