"""What a unit does to its state: activations, and the box that a state is kept in."""

from __future__ import annotations

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.scipy.special import xlog1py, xlogy

from eqprop.energy.base import not_carried
from eqprop.errors import ConfigError
from eqprop.shapes import Broadcast, Units


@jax.custom_jvp
def hard_sigmoid(state: Units) -> Units:
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
    """rho, its derivative, what a unit adds to the energy, and the set where its state may live."""

    @abc.abstractmethod
    def __call__(self, state: Units) -> Units:
        """rho(state), elementwise."""

    @abc.abstractmethod
    def derivative(self, state: Units) -> Units:
        """rho'(state), elementwise."""

    @abc.abstractmethod
    def project(self, state: Units) -> Units:
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

    @property
    @abc.abstractmethod
    def is_parabola(self) -> bool:
        """Whether a unit adds s^2/2, whatever rho is."""

    @property
    def has_minimum(self) -> bool:
        """Whether a unit's minimum is known in closed form with all other units held."""
        return not self.is_parabola or self.is_identity_on_its_box

    @property
    def has_finite_force(self) -> bool:
        """Whether a state can be moved along its force, as Euler steps do, wherever it is."""
        return self.is_parabola or self.is_identity_on_its_box

    @abc.abstractmethod
    def own_energy(self, state: Units) -> Units:
        """What each unit adds to the energy, elementwise."""

    @abc.abstractmethod
    def force(self, state: Units, pull: Units, push: Broadcast) -> Units:
        """-dE/ds of each unit.

        **Arguments:** `pull`: minus the slope of the energy in its activity; `push`: in its state.
        """

    @abc.abstractmethod
    def minimum(self, pull: Units, stiffness: Array | None = None) -> Units:
        """Where a unit is drawn, before projection, if it `has_minimum`.

        The minimum of its own energy + stiffness s^2/2 - pull s.
        """

    @abc.abstractmethod
    def forwards(self, pull: Units) -> Units:
        """The activity of a unit that only receives."""

    @property
    def carries_differences(self) -> bool:
        """Whether `difference` is derived."""
        return False

    def holding(self, state: Units, drawn: Units) -> Units:
        """A pull at which `state` is where a unit is drawn; near `drawn` where there are many.

        **Arguments:** `drawn`: where units are drawn, before projection.
        """
        return state

    def difference(
        self, state: Units, held: Units, pull: Units, scale: Any, stiffness: Array | None = None
    ) -> Array:
        """By how much a unit moves from `state`, over `scale`, before projection.

        Nothing small is subtracted: it keeps its digits where `scale` is far below rounding.

        **Arguments:**

        - `held`: as `holding` gave it.
        - `pull`, over `scale`: what is added to it.
        - `stiffness`: as of `minimum`; the parabola's middle is `state`.
        """
        raise not_carried(f"the activation {type(self).__name__}")


class AbstractStateActivation(AbstractActivation):
    """rho of a state s that adds s^2/2 to the energy, as in Eq. 2."""

    @property
    def is_parabola(self) -> bool:
        return True

    def own_energy(self, state: Units) -> Units:
        return 0.5 * state**2

    def force(self, state: Units, pull: Units, push: Broadcast) -> Units:
        return self.derivative(state) * pull + push - state

    def minimum(self, pull: Units, stiffness: Array | None = None) -> Units:
        return pull if stiffness is None else pull / (1 + stiffness)

    def forwards(self, pull: Units) -> Units:
        return self(pull)


_NEWTON = 12  # steps


class AbstractPotential(eqx.Module):
    """A rho that has an inverse, and so a potential: what `Activities` are made of."""

    @property
    @abc.abstractmethod
    def range(self) -> tuple[float, float]:
        """The least and the largest value of rho."""

    @abc.abstractmethod
    def inverse(self, activity: Units) -> Units:
        """The h at which rho(h) is `activity`; infinite where none is."""

    @abc.abstractmethod
    def potential(self, activity: Units) -> Units:
        """G, the integral of `inverse`: the convex conjugate of the integral of rho."""

    @property
    def has_change(self) -> bool:
        """Whether `change` is derived."""
        return False

    def change(self, activity: Units, pull: Units, scale: Any) -> Units:
        """(rho(h + scale * pull) - rho(h)) / scale at the h of an activity, without a difference.

        Only asked for where it `has_change`.
        """
        raise NotImplementedError


class HardSigmoid(AbstractStateActivation, AbstractPotential):
    """clip(., 0, 1), states kept in [0, 1]: the activation of the paper (Eq. 1)."""

    def __call__(self, state: Units) -> Units:
        return hard_sigmoid(state)

    def derivative(self, state: Units) -> Units:
        return jnp.where((state >= 0) & (state <= 1), jnp.ones_like(state), 0)

    def project(self, state: Units) -> Units:
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

    @property
    def range(self) -> tuple[float, float]:
        return 0.0, 1.0

    def inverse(self, activity: Units) -> Units:
        return activity

    def potential(self, activity: Units) -> Units:
        return 0.5 * activity**2

    @property
    def carries_differences(self) -> bool:
        return True

    def holding(self, state: Units, drawn: Units) -> Units:
        beyond = jnp.where(state >= 1, jnp.maximum(drawn, 1), state)
        return jnp.where(state <= 0, jnp.minimum(drawn, 0), beyond)

    def difference(
        self, state: Units, held: Units, pull: Units, scale: Any, stiffness: Array | None = None
    ) -> Array:
        # Inside the box `held` is `state`, so that the first part is 0 there.
        moved = (held - state) / scale + pull
        return moved if stiffness is None else moved / (1 + stiffness)


class AbstractSmoothActivation(AbstractStateActivation):
    """A smooth rho, for which every state is allowed; `__call__` and `derivative` say the rest."""

    def project(self, state: Units) -> Units:
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


class Sigmoid(AbstractSmoothActivation, AbstractPotential):
    """1 / (1 + exp(-s)). Its poles nearest to the real line are at +-i pi."""

    def __call__(self, state: Units) -> Units:
        return jax.nn.sigmoid(state)

    def derivative(self, state: Units) -> Units:
        value = jax.nn.sigmoid(state)
        return value * (1 - value)

    @property
    def range(self) -> tuple[float, float]:
        return 0.0, 1.0

    def inverse(self, activity: Units) -> Units:
        return jax.scipy.special.logit(activity)

    def potential(self, activity: Units) -> Units:
        return xlogy(activity, activity) + xlog1py(1 - activity, -activity)

    @property
    def has_change(self) -> bool:
        return True

    def change(self, activity: Units, pull: Units, scale: Any) -> Units:
        t = jnp.tanh(0.5 * scale * pull)
        return 2 * activity * (1 - activity) * (t / scale) / (1 + (2 * activity - 1) * t)


class ShiftedSigmoid(AbstractSmoothActivation, AbstractPotential):
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

    def __call__(self, state: Units) -> Units:
        return jax.nn.sigmoid(4 * state - 2)

    def derivative(self, state: Units) -> Units:
        value = self(state)
        return 4 * value * (1 - value)

    @property
    def range(self) -> tuple[float, float]:
        return 0.0, 1.0

    def inverse(self, activity: Units) -> Units:
        return 0.5 + 0.25 * jax.scipy.special.logit(activity)

    def potential(self, activity: Units) -> Units:
        return 0.5 * activity + 0.25 * Sigmoid().potential(activity)

    @property
    def has_change(self) -> bool:
        return True

    def change(self, activity: Units, pull: Units, scale: Any) -> Units:
        return Sigmoid().change(activity, 4 * pull, scale)


class Tanh(AbstractSmoothActivation, AbstractPotential):
    """tanh(s). Its poles nearest to the real line are at +-i pi/2."""

    def __call__(self, state: Units) -> Units:
        return jnp.tanh(state)

    def derivative(self, state: Units) -> Units:
        return 1 - jnp.tanh(state) ** 2

    @property
    def range(self) -> tuple[float, float]:
        return -1.0, 1.0

    def inverse(self, activity: Units) -> Units:
        return jnp.arctanh(activity)

    def potential(self, activity: Units) -> Units:
        above, below = 1 + activity, 1 - activity
        return 0.5 * (xlog1py(above, activity) + xlog1py(below, -activity))

    @property
    def has_change(self) -> bool:
        return True

    def change(self, activity: Units, pull: Units, scale: Any) -> Units:
        t = jnp.tanh(scale * pull)
        return (1 - activity) * (1 + activity) * (t / scale) / (1 + activity * t)


class Activities(AbstractActivation):
    """States that are activities s = rho(h), as in Hopfield's energy of 1984.

    A unit adds G(s) to the energy, with G' the inverse of rho, instead of s^2/2: E(s) =
    -1/2 s'Ws - b's + sum G(s_i). With the others held a unit is drawn to rho(pull), so that block
    coordinate descent serves every such rho, and a step of 1 never raises the energy. For the hard
    sigmoid it is the energy of Eq. 2 in its box.

    Differs from: Eq. 2 with a smooth rho, whose states are h and settle elsewhere.

    **Arguments:** `rho`: `Tanh()`, `Sigmoid()`, `ShiftedSigmoid()`, `HardSigmoid()`, or another
    activation that is an `AbstractPotential` too.

    **Raises:** `ConfigError` for a rho without a potential.

    **References:** Hopfield, "Neurons with graded response have collective computational properties
    like those of two-state neurons", PNAS 81 (1984).

    >>> import jax.numpy as jnp
    >>> print(Activities(Tanh()).minimum(jnp.array(0.5)).round(3))
    0.462
    """

    rho: AbstractActivation

    def __check_init__(self) -> None:
        if not isinstance(self.rho, AbstractPotential):
            raise ConfigError(
                f"`rho` must have a potential, got {type(self.rho).__name__}. Take Tanh, Sigmoid, "
                "ShiftedSigmoid or HardSigmoid, or make yours an `AbstractPotential` too."
            )

    def __call__(self, state: Units) -> Units:
        return state

    def derivative(self, state: Units) -> Units:
        return jnp.ones_like(state)

    def project(self, state: Units) -> Units:
        return jnp.clip(state, *self.box)

    @property
    def box(self) -> tuple[float, float]:
        return self._rho.range

    @property
    def is_identity_on_its_box(self) -> bool:
        return isinstance(self.rho, HardSigmoid)

    @property
    def is_holomorphic(self) -> bool:
        return False

    @property
    def is_parabola(self) -> bool:
        return False

    def own_energy(self, state: Units) -> Units:
        return self._rho.potential(state)

    def force(self, state: Units, pull: Units, push: Broadcast) -> Units:
        # Infinite at an end that rho only tends to.
        return pull + push - self._rho.inverse(state)

    def minimum(self, pull: Units, stiffness: Array | None = None) -> Units:
        if self.is_identity_on_its_box:  # that of the parabola; its projection is that in the box
            return self.rho.minimum(pull, stiffness)
        if stiffness is None:
            return self.rho(pull)

        # rho(h), h + stiffness rho(h) = pull, by Newton's method.
        def nearer(_: int, h: Array) -> Array:
            slope = 1 + stiffness * self.rho.derivative(h)
            return h - (h + stiffness * self.rho(h) - pull) / slope

        # h + stiffness rho(h) rises with h, and bends little: a few steps reach rounding.
        return self.rho(lax.fori_loop(0, _NEWTON, nearer, pull / (1 + stiffness)))

    def forwards(self, pull: Units) -> Units:
        return self.rho(pull)

    @property
    def carries_differences(self) -> bool:
        return self.is_identity_on_its_box or self._rho.has_change

    def holding(self, state: Units, drawn: Units) -> Units:
        return self.rho.holding(state, drawn) if self.is_identity_on_its_box else state

    def difference(
        self, state: Units, held: Units, pull: Units, scale: Any, stiffness: Array | None = None
    ) -> Array:
        if self.is_identity_on_its_box:
            return self.rho.difference(state, held, pull, scale, stiffness)
        if stiffness is None:
            return self._rho.change(state, pull, scale)

        # e = change(pull - stiffness e), by Newton's method.
        def nearer(_: int, e: Array) -> Array:
            def change(pull: Units) -> Units:
                return self._rho.change(state, pull, scale)

            there, slope = jax.jvp(change, (pull - stiffness * e,), (jnp.ones_like(pull),))
            return e - (e - there) / (1 + stiffness * slope)

        return lax.fori_loop(0, _NEWTON, nearer, jnp.zeros_like(pull))

    @property
    def _rho(self) -> AbstractPotential:
        assert isinstance(self.rho, AbstractPotential)  # `__check_init__` made sure
        return self.rho


def name_of(activation: AbstractActivation) -> str:
    """What an activation is, with the rho of one that is made of another.

    >>> name_of(Activities(Tanh()))
    'Activities(Tanh)'
    """
    inside = getattr(activation, "rho", None)
    name = type(activation).__name__
    return name if inside is None else f"{name}({type(inside).__name__})"
