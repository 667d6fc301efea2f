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
    def box(self) -> tuple[float, float] | None:
        """The bounds between which a state is kept; None if every state is allowed."""

    @property
    @abc.abstractmethod
    def is_identity_on_its_box(self) -> bool:
        """Whether rho(s) = s for every allowed s, so that the energy is quadratic there."""

    @property
    @abc.abstractmethod
    def is_holomorphic(self) -> bool:
        """Whether rho has a complex derivative around the real line, and every state is allowed."""


class HardSigmoid(AbstractActivation):
    """clip(., 0, 1), states kept in [0, 1]: the activation of the paper (Eq. 1)."""

    def __call__(self, state: Array) -> Array:
        return hard_sigmoid(state)

    def derivative(self, state: Array) -> Array:
        return jnp.where((state >= 0) & (state <= 1), jnp.ones_like(state), 0)

    def project(self, state: Array) -> Array:
        return jnp.clip(state, 0, 1)

    @property
    def box(self) -> tuple[float, float]:
        return 0.0, 1.0

    @property
    def is_identity_on_its_box(self) -> bool:
        return True

    @property
    def is_holomorphic(self) -> bool:
        return False


class AbstractSmoothActivation(AbstractActivation):
    """A smooth rho, for which every state is allowed; `__call__` and `derivative` say the rest."""

    def project(self, state: Array) -> Array:
        return state

    @property
    def box(self) -> None:
        return None

    @property
    def is_identity_on_its_box(self) -> bool:
        return False

    @property
    def is_holomorphic(self) -> bool:
        return True


class Sigmoid(AbstractSmoothActivation):
    """1 / (1 + exp(-s)). Its poles nearest to the real line are at +-i pi."""

    def __call__(self, state: Array) -> Array:
        return jax.nn.sigmoid(state)

    def derivative(self, state: Array) -> Array:
        value = jax.nn.sigmoid(state)
        return value * (1 - value)


class ShiftedSigmoid(AbstractSmoothActivation):
    """1 / (1 + exp(2 - 4 s)): the smooth curve nearest to the hard sigmoid.

    It goes through (1/2, 1/2) with slope 1, as the hard sigmoid does, so that the two agree
    where units are not saturated. Its poles are at 1/2 +- i pi/4.

    **References:** Ernoult et al., "Updates of equilibrium prop match gradients of backprop
    through time in an RNN with static input", NeurIPS (2019).

    >>> import jax.numpy as jnp
    >>> activation = ShiftedSigmoid()
    >>> float(activation(jnp.array(0.5))), float(activation.derivative(jnp.array(0.5)))
    (0.5, 1.0)
    """

    def __call__(self, state: Array) -> Array:
        return jax.nn.sigmoid(4 * state - 2)

    def derivative(self, state: Array) -> Array:
        value = self(state)
        return 4 * value * (1 - value)


class Tanh(AbstractSmoothActivation):
    """tanh(s). Its poles nearest to the real line are at +-i pi/2."""

    def __call__(self, state: Array) -> Array:
        return jnp.tanh(state)

    def derivative(self, state: Array) -> Array:
        return 1 - jnp.tanh(state) ** 2
