"""Relaxations made of another one: with momentum, with Anderson mixing, with noise."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from eqprop.energy import AbstractClampedEnergy
from eqprop.errors import ConfigError
from eqprop.relaxation.base import AbstractRelaxation, is_traced
from eqprop.shapes import PerExample, States


class AbstractAround(AbstractRelaxation):
    """What is made of the steps of another relaxation, `method`, and settles where that does."""

    method: AbstractRelaxation

    @property
    def innermost(self) -> AbstractRelaxation:
        return self.method.innermost

    def prepare(self, energy: AbstractClampedEnergy) -> AbstractClampedEnergy:
        return self.method.prepare(energy)

    def residual(self, energy: AbstractClampedEnergy, state: States) -> PerExample:
        return self.method.residual(energy, state)


class Momentum(AbstractAround):
    """A step of `method` from a state that has gone on as it last moved: the heavy ball.

    **Arguments:** `method`; `inertia`, the share of the last move that is made again, in [0, 1).

    **References:** Polyak, "Some methods of speeding up the convergence of iteration methods",
    USSR Comput. Math. Math. Phys. 4:5 (1964).
    """

    inertia: Array = eqx.field(default=0.5, converter=jnp.asarray)

    def __check_init__(self) -> None:
        if not is_traced(self.inertia) and not bool((self.inertia >= 0) & (self.inertia < 1)):
            raise ConfigError(
                f"`inertia` must lie in [0, 1), got {float(self.inertia):g}. Try 0.5."
            )

    def init(self, prepared: AbstractClampedEnergy, state: States) -> tuple[Array, Any]:
        return state, self.method.init(prepared, state)

    def step(
        self,
        prepared: AbstractClampedEnergy,
        state: States,
        memory: tuple[Array, Any],
        key: Array | None,
    ) -> tuple[States, tuple[Array, Any], PerExample]:
        before, inner = memory
        ahead = prepared.project(state + self.inertia * (state - before))
        new, inner, seen = self.method.step(prepared, ahead, inner, key)
        return new, (state, inner), seen


class Anderson(AbstractAround):
    """Anderson mixing: the combination of the last images of `method` whose moves cancel best.

    **Arguments:** `method`; `depth`, how many earlier steps are mixed, 1 or more.

    **References:** Anderson, "Iterative procedures for nonlinear integral equations", J. ACM 12:547
    (1965).
    """

    depth: int = eqx.field(default=3, static=True)

    def __check_init__(self) -> None:
        if self.depth < 1:
            raise ConfigError(f"`depth` must be 1 or more, got {self.depth}. Try 3.")

    def init(
        self, prepared: AbstractClampedEnergy, state: States
    ) -> tuple[Array, Array, Array, Any]:
        past = jnp.zeros((self.depth, *state.shape), state.dtype)
        return past, past, jnp.int32(0), self.method.init(prepared, state)

    def step(
        self,
        prepared: AbstractClampedEnergy,
        state: States,
        memory: tuple[Array, Array, Array, Any],
        key: Array | None,
    ) -> tuple[States, tuple[Array, Array, Array, Any], PerExample]:
        images, moves, count, inner = memory
        image, inner, seen = self.method.step(prepared, state, inner, key)
        move = image - state
        # Differences to the newest; those of steps that were not taken yet are left out.
        taken = (jnp.arange(self.depth) < count)[:, None, None]
        apart = jnp.where(taken, moves - move[None], 0)
        identity = jnp.eye(self.depth, dtype=state.dtype)

        def shares_of(apart: Array, move: Array) -> Array:
            gram = apart @ apart.T
            ridge = 1e-6 * jnp.trace(gram) + jnp.finfo(gram.dtype).tiny
            return -jnp.linalg.solve(gram + ridge * identity, apart @ move)

        shares = jax.vmap(shares_of, in_axes=(1, 0))(apart, move)
        mixed = image + jnp.einsum("bk,kbu->bu", shares, jnp.where(taken, images - image[None], 0))
        place = count % self.depth
        memory = images.at[place].set(image), moves.at[place].set(move), count + 1, inner
        return prepared.project(mixed), memory, seen


class Noisy(AbstractAround):
    """A step of `method`, then noise on every state: it never settles below its noise.

    **Arguments:** `method`; `noise`, standard deviation of what is added in a step, 0 or more.

    **Raises:** `ConfigError` for a relaxation without a key.
    """

    noise: Array = eqx.field(default=1e-3, converter=jnp.asarray)

    def __check_init__(self) -> None:
        if not is_traced(self.noise) and not bool(self.noise >= 0):
            raise ConfigError(f"`noise` must be 0 or more, got {float(self.noise):g}.")

    def init(self, prepared: AbstractClampedEnergy, state: States) -> Any:
        return self.method.init(prepared, state)

    def step(
        self, prepared: AbstractClampedEnergy, state: States, memory: Any, key: Array | None
    ) -> tuple[States, Any, PerExample]:
        if key is None:
            raise ConfigError(
                "`key` must be given for a relaxation that draws. Pass it to `relax`."
            )
        mine, inner = jax.random.split(key)
        new, memory, seen = self.method.step(prepared, state, memory, inner)
        drawn = jax.random.normal(mine, state.shape, state.dtype)
        return prepared.project(new + self.noise * drawn), memory, seen
