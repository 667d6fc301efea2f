"""Training: whole chunks of an epoch in one compiled program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax

from eqprop.energy import HopfieldEnergy, Network
from eqprop.learning import AbstractLearningRule, apply_updates
from eqprop.relaxation import Equilibrium
from eqprop.training.arrays import tree_from_arrays, tree_to_arrays
from eqprop.training.examples import Examples


class TrainState(eqx.Module):
    """Everything that training changes; saving it is saving the run.

    **Attributes:**

    - `network`: the network.
    - `optimizer_state`: of the Optax optimiser.
    - `particles`: the persistent particles, `[examples, free units]`: the free state of each
      training example when it was last seen, zero before. No rows where they are not kept.
    - `batches_seen`: number of updates made so far, a scalar.
    """

    network: Network
    optimizer_state: Any
    particles: Array
    batches_seen: Array

    @staticmethod
    def create(
        network: Network, optimizer: optax.GradientTransformation, num_examples: int
    ) -> TrainState:
        """The state before the first update."""
        parameters = eqx.filter(network, eqx.is_inexact_array)
        # A copy: the compiled program reuses the memory of the state that it is given.
        network = jax.tree.map(
            lambda leaf: jnp.array(leaf) if eqx.is_array(leaf) else leaf, network
        )
        return TrainState(
            network,
            optimizer.init(parameters),  # pyright: ignore[reportArgumentType]
            network.cold_state(num_examples),
            jnp.int32(0),
        )

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything but the network as host arrays; `Network.to_arrays` gives that."""
        arrays = {"particles": self.particles, "batches_seen": self.batches_seen}
        arrays = {name: np.asarray(value) for name, value in arrays.items()}
        return arrays | tree_to_arrays(self.optimizer_state, "optimizer")

    def with_arrays(self, network: Network, arrays: Mapping[str, np.ndarray]) -> TrainState:
        """This state with another network and with what `to_arrays` gave.

        **Raises:** `ConfigError` if an array is missing or does not fit.
        """
        rest = {"particles": self.particles, "batches_seen": self.batches_seen}
        found = {
            name: tree_from_arrays(like, {name: arrays[name]} if name in arrays else {}, name)
            for name, like in rest.items()
        }
        optimizer_state = tree_from_arrays(self.optimizer_state, arrays, "optimizer")
        return TrainState(network, optimizer_state, found["particles"], found["batches_seen"])


class PhaseLog(eqx.Module):
    """How one phase settled, per batch: all `[batches]`.

    **Attributes:** `steps` taken; `residual`, the largest of the batch; `unsettled`, number of
    examples that did not settle; `energy_rises`; `broken_unit`, the first free unit that is NaN
    or infinite in some example, -1 where there is none.
    """

    steps: Array
    residual: Array
    unsettled: Array
    energy_rises: Array
    broken_unit: Array

    @staticmethod
    def of(found: Equilibrium, present: Array) -> PhaseLog:
        """Leaves padded examples out."""
        return PhaseLog(
            found.steps,
            jnp.max(jnp.where(present, found.residual, 0)),
            jnp.sum(present & ~found.settled, dtype=jnp.int32),
            found.energy_rises,
            _first(jnp.any(~jnp.isfinite(found.state) & present[:, None], axis=0)),
        )


class BatchLog(eqx.Module):
    """What training saw, per batch: all `[batches]`, the last two `{block: [batches]}`.

    **Attributes:**

    - `examples`: examples in the batch.
    - `errors`: examples whose largest output, in the free phase and before the update, was not
      the largest target (the paper's training error, measured online).
    - `cost`: summed over the examples.
    - `free`, `nudged`: see `PhaseLog`.
    - `corrections`, `updates`: root mean square over the connections that exist of the
      correction and of the applied update, per pair of layers; NaN for batches not recorded.
    """

    examples: Array
    errors: Array
    cost: Array
    free: PhaseLog
    nudged: PhaseLog
    corrections: dict[tuple[int, int], Array]
    updates: dict[tuple[int, int], Array]

    @staticmethod
    def empty(network: Network, batches: int) -> BatchLog:
        """Room for so many batches."""
        whole = jnp.zeros(batches, jnp.int32)
        real = jnp.zeros(batches, network.dtype)
        phase = PhaseLog(whole, real, whole, whole, whole)
        blocks = network.energy.masks if isinstance(network.energy, HopfieldEnergy) else ()
        sizes = {block: real for block in blocks}
        return BatchLog(whole, whole, real, phase, phase, sizes, sizes)


@eqx.filter_jit(donate="all-except-first")
def train_chunk(
    fixed: tuple[AbstractLearningRule, Examples, Network, Array, Array, Array, Array],
    state: TrainState,
    optimizer: optax.GradientTransformation,
    persistent: bool,
) -> tuple[TrainState, BatchLog]:
    """Trains on a table of batches in one compiled program.

    **Arguments:**

    - `fixed`: what is kept, a tuple of the rule, the `Examples`, the learning rates
      (`learning_rates`), the table `[batches, batch]` of example indices (`batch_table`), how
      many of its rows to use, a random key, and every how many batches the size of the updates
      is recorded. Batch number n of the whole run draws from `fold_in(key, n)`, so that
      results do not depend on how the run is cut into chunks.
    - `state`: is donated: use the returned one.
    - `optimizer`: from Optax; its updates are multiplied by the rates.
    - `persistent`: whether free phases start at the persistent particles or cold.
    """
    rule, examples, rates, table, num_batches, key, record_every = fixed
    size = len(examples)

    def body(row: Array, carry: tuple[TrainState, BatchLog]) -> tuple[TrainState, BatchLog]:
        state, log = carry
        index = table[row]
        present = index < size
        x = examples.x.at[index].get(mode="clip")
        target = examples.target.at[index].get(mode="clip")
        # The index `size` of a padded example reads zeros here and writes nothing below.
        if persistent:
            start = state.particles.at[index].get(mode="fill", fill_value=0)
        else:
            start = state.network.cold_state(len(index))
        found = rule.estimate(
            state.network,
            x,
            target,
            start,
            jax.random.fold_in(key, state.batches_seen),
            present.astype(x.dtype),
        )
        parameters = eqx.filter(state.network, eqx.is_inexact_array)
        updates, optimizer_state = optimizer.update(
            found.gradient,  # pyright: ignore[reportArgumentType]
            state.optimizer_state,
            parameters,  # pyright: ignore[reportArgumentType]
        )
        updates = jax.tree.map(jnp.multiply, rates, updates)
        particles = state.particles
        if persistent:
            particles = particles.at[index].set(found.free_states, mode="drop")
        recorded = state.batches_seen % record_every == 0
        output = state.network.output(found.free_states)
        wrong = jnp.argmax(output, axis=1) != jnp.argmax(target, axis=1)
        costs = jax.vmap(state.network.cost)(output, target)
        entry = BatchLog(
            examples=jnp.sum(present, dtype=jnp.int32),
            errors=jnp.sum(present & wrong, dtype=jnp.int32),
            cost=jnp.sum(jnp.where(present, costs, 0)),
            free=PhaseLog.of(found.report.free, present),
            nudged=PhaseLog.of(found.report.nudged[0], present),
            corrections=_sizes(state.network, found.gradient, recorded),
            updates=_sizes(state.network, updates, recorded),
        )
        log = jax.tree.map(lambda whole, new: whole.at[row].set(new), log, entry)
        network = apply_updates(state.network, updates)  # pyright: ignore[reportArgumentType]
        after = TrainState(network, optimizer_state, particles, state.batches_seen + 1)
        return after, log

    return lax.fori_loop(0, num_batches, body, (state, BatchLog.empty(state.network, len(table))))


def _first(flags: Array) -> Array:
    """Index of the first true flag, or -1."""
    return jnp.where(jnp.any(flags), jnp.argmax(flags), -1).astype(jnp.int32)


def _sizes(network: Network, tree: Any, recorded: Array) -> dict[tuple[int, int], Array]:
    """Root mean square per block over the connections that exist, or NaN."""
    if not isinstance(network.energy, HopfieldEnergy):
        return {}
    masks = network.energy.masks

    def measure() -> dict[tuple[int, int], Array]:
        return {
            block: jnp.sqrt(jnp.sum(weight**2) / jnp.maximum(1, jnp.sum(masks[block])))
            for block, weight in tree.energy.weights.items()
        }

    def skip() -> dict[tuple[int, int], Array]:
        return {block: jnp.full((), jnp.nan, w.dtype) for block, w in tree.energy.weights.items()}

    return lax.cond(recorded, measure, skip)
