"""Between which two nudging strengths a gradient is taken."""

from __future__ import annotations

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from eqprop.errors import ConfigError
from eqprop.relaxation import is_traced


class AbstractNudging(eqx.Module):
    """A rule for choosing the two values of beta whose equilibria are compared.

    The gradient is (dF/dtheta at `upper` - dF/dtheta at `lower`) / (upper - lower).

    **Attributes:**

    - `beta`: the nudging strength; not 0.
    """

    beta: eqx.AbstractVar[Array]

    @abc.abstractmethod
    def pair(self, key: Array) -> tuple[Array, Array | None]:
        """`(upper, lower)`; `lower` None stands for the free phase, beta = 0."""

    @abc.abstractmethod
    def possible(self) -> tuple[Array, ...]:
        """Every beta that `pair` may return, for checks before compilation."""

    @abc.abstractmethod
    def each(self) -> tuple[AbstractNudging, ...]:
        """What it may choose, without chance: itself if it draws nothing."""


class OneSided(AbstractNudging):
    """The free phase and one nudged phase at `beta` (Eq. 7, 8); its error is of order beta.

    >>> float(OneSided(-0.5).beta)
    -0.5
    """

    beta: Array = eqx.field(converter=jnp.asarray)

    def __check_init__(self) -> None:
        check_beta(self.beta)

    def pair(self, key: Array) -> tuple[Array, None]:
        return self.beta, None

    def possible(self) -> tuple[Array, ...]:
        return (self.beta,)

    def each(self) -> tuple[OneSided]:
        return (self,)


class RandomSign(AbstractNudging):
    """As `OneSided`, with a fair sign of beta for each batch: the paper's choice (section 2.3)."""

    beta: Array = eqx.field(default=1.0, converter=jnp.asarray)

    def __check_init__(self) -> None:
        check_beta(self.beta)

    def pair(self, key: Array) -> tuple[Array, None]:
        return jnp.where(jax.random.bernoulli(key), self.beta, -self.beta), None

    def possible(self) -> tuple[Array, ...]:
        return self.beta, -self.beta

    def each(self) -> tuple[OneSided, OneSided]:
        return OneSided(self.beta), OneSided(-self.beta)


class Centered(AbstractNudging):
    """Two nudged phases, at beta and -beta; its error is of order beta squared.

    **References:** Laborieux et al., "Scaling equilibrium propagation to deep convnets by
    drastically reducing its gradient estimator bias", Front. Neurosci. 15:633674 (2021).
    """

    beta: Array = eqx.field(converter=jnp.asarray)

    def __check_init__(self) -> None:
        check_beta(self.beta)

    def pair(self, key: Array) -> tuple[Array, Array]:
        return self.beta, -self.beta

    def possible(self) -> tuple[Array, ...]:
        return self.beta, -self.beta

    def each(self) -> tuple[Centered]:
        return (self,)


def check_beta(beta: Array, name: str = "beta") -> None:
    """Refuses a nudging strength of 0, NaN or infinity (traced values pass)."""
    if eqx.is_array(beta) and not is_traced(beta):
        finite = bool(jnp.isfinite(beta).all())
        if not finite or not bool((beta != 0).all()):
            raise ConfigError(
                f"`{name}` must be a finite number other than 0, got {beta}. Without a nudge the "
                f"two phases are the same and nothing is learned. Try {name}=1.0."
            )
