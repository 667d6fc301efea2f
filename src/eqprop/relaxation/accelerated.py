"""Relaxations that remember earlier steps or draw: momentum, Anderson mixing, noise."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from eqprop.energy import AbstractClampedEnergy
from eqprop.errors import ConfigError
from eqprop.relaxation.base import AbstractRelaxation, is_traced, projected_residual
from eqprop.relaxation.euler import check_step_size
from eqprop.relaxation.nudged_step import explicit_step


class Momentum(AbstractRelaxation):
    """s <- project(s + step_size * force + inertia * (the last move of s)): the heavy ball.

    A nudged phase is `Joint`.

    **Arguments:** `step_size`, above 0; `inertia`, in [0, 1).

    **References:** Polyak, "Some methods of speeding up the convergence of iteration methods",
    USSR Comput. Math. Math. Phys. 4:5 (1964).
    """

    step_size: Array = eqx.field(default=0.5, converter=jnp.asarray)
    inertia: Array = eqx.field(default=0.5, converter=jnp.asarray)

    def __check_init__(self) -> None:
        check_step_size(self.step_size)
        if not is_traced(self.inertia) and not bool((self.inertia >= 0) & (self.inertia < 1)):
            raise ConfigError(
                f"`inertia` must lie in [0, 1), got {float(self.inertia):g}. Try 0.5."
            )

    def prepare(self, energy: AbstractClampedEnergy) -> AbstractClampedEnergy:
        return energy

    def init(self, prepared: AbstractClampedEnergy, state: Array) -> Array:
        return jnp.zeros_like(state)

    def step(
        self, prepared: AbstractClampedEnergy, state: Array, memory: Array, key: Array | None
    ) -> tuple[Array, Array, Array]:
        force = prepared.force(state)
        off = jnp.abs(prepared.project(state + force) - state)
        new = prepared.project(state + self.step_size * force + self.inertia * memory)
        return new, new - state, jnp.max(off, axis=1)

    def residual(self, energy: AbstractClampedEnergy, state: Array) -> Array:
        return projected_residual(energy, state)


class Anderson(AbstractRelaxation):
    """Anderson mixing: the combination of the last images of an Euler step whose moves cancel best.

    A nudged phase is `Joint`.

    **Arguments:** `step_size`, of the Euler step, above 0; `depth`, how many earlier steps are
    mixed, 1 or more.

    **References:** Anderson, "Iterative procedures for nonlinear integral equations", J. ACM 12:547
    (1965).
    """

    step_size: Array = eqx.field(default=0.5, converter=jnp.asarray)
    depth: int = eqx.field(default=3, static=True)

    def __check_init__(self) -> None:
        check_step_size(self.step_size)
        if self.depth < 1:
            raise ConfigError(f"`depth` must be 1 or more, got {self.depth}. Try 3.")

    def prepare(self, energy: AbstractClampedEnergy) -> AbstractClampedEnergy:
        return energy

    def init(self, prepared: AbstractClampedEnergy, state: Array) -> tuple[Array, Array, Array]:
        past = jnp.zeros((self.depth, *state.shape), state.dtype)
        return past, past, jnp.int32(0)

    def step(
        self,
        prepared: AbstractClampedEnergy,
        state: Array,
        memory: tuple[Array, Array, Array],
        key: Array | None,
    ) -> tuple[Array, tuple[Array, Array, Array], Array]:
        images, moves, count = memory
        image, seen = explicit_step(prepared, state, self.step_size)
        move = image - state
        # Differences to the newest; those of steps that were not taken yet are left out.
        taken = (jnp.arange(self.depth) < count)[:, None, None]
        apart = jnp.where(taken, moves - move, 0)

        def weights(apart: Array, move: Array) -> Array:
            gram = apart @ apart.T
            ridge = 1e-6 * jnp.trace(gram) + jnp.finfo(gram.dtype).tiny
            return jnp.linalg.solve(
                gram + ridge * jnp.eye(self.depth, dtype=gram.dtype), apart @ move
            )

        shares = jax.vmap(weights, in_axes=(1, 0))(apart, move)
        mixed = image - jnp.einsum("bk,kbu->bu", shares, jnp.where(taken, images - image, 0))
        place = count % self.depth
        memory = images.at[place].set(image), moves.at[place].set(move), count + 1
        return prepared.project(mixed), memory, seen

    def residual(self, energy: AbstractClampedEnergy, state: Array) -> Array:
        return projected_residual(energy, state)


class Langevin(AbstractRelaxation):
    """Euler steps with noise: s <- project(s + h * force + noise * sqrt(h) * a normal number).

    It never settles below its noise. A nudged phase is `Joint`.

    **Arguments:** `step_size`, h, above 0; `noise`, standard deviation in a time of 1, 0 or more.

    **Raises:** `ConfigError` for a relaxation without a key.
    """

    step_size: Array = eqx.field(default=0.5, converter=jnp.asarray)
    noise: Array = eqx.field(default=1e-3, converter=jnp.asarray)

    def __check_init__(self) -> None:
        check_step_size(self.step_size)
        if not is_traced(self.noise) and not bool(self.noise >= 0):
            raise ConfigError(f"`noise` must be 0 or more, got {float(self.noise):g}.")

    def prepare(self, energy: AbstractClampedEnergy) -> AbstractClampedEnergy:
        return energy

    def init(self, prepared: AbstractClampedEnergy, state: Array) -> None:
        return None

    def step(
        self, prepared: AbstractClampedEnergy, state: Array, memory: None, key: Array | None
    ) -> tuple[Array, None, Array]:
        if key is None:
            raise ConfigError(
                "`key` must be given for a relaxation that draws. Pass it to `relax`."
            )
        new, seen = explicit_step(prepared, state, self.step_size)
        drawn = jax.random.normal(key, state.shape, state.dtype)
        return prepared.project(new + self.noise * jnp.sqrt(self.step_size) * drawn), None, seen

    def residual(self, energy: AbstractClampedEnergy, state: Array) -> Array:
        return projected_residual(energy, state)
