"""From a configuration to the objects that train: network, rule, optimiser, trainer."""

from __future__ import annotations

import functools

import jax
import optax

from eqprop.data import Dataset
from eqprop.energy import HardSigmoid, Network, SquaredError
from eqprop.errors import DataError
from eqprop.experiments.config import PhaseConfig, RunConfig
from eqprop.experiments.wiring import check_memory, stream_seed
from eqprop.learning import (
    AbstractLearningRule,
    Centered,
    EquilibriumPropagation,
    OneSided,
    Phase,
    RandomSign,
    learning_rates,
)
from eqprop.relaxation import BlockCoordinateDescent, Euler, FixedSteps, Residual
from eqprop.topology import Topology
from eqprop.training import Examples, Trainer

_NUDGING = {"random-sign": RandomSign, "one-sided": OneSided, "centered": Centered}


def build_network(config: RunConfig, topology: Topology) -> Network:
    """The untrained network of a run."""
    return Network.initialize(
        topology,
        seed=stream_seed(config.seed, "weights"),
        cost=SquaredError(config.network.cost_factor),
        activation=HardSigmoid(),
        skip_scale=config.network.skip_scale,
        intralayer_scale=config.network.intralayer_scale,
    )


def build_rule(config: RunConfig, epoch: int) -> AbstractLearningRule:
    """The learning rule in an epoch (from 0): relaxations may take more steps in the first."""
    nudging = _NUDGING[config.learning.nudging](config.learning.beta)
    return EquilibriumPropagation(
        nudging, free=_phase(config.free, epoch), nudged=_phase(config.nudged, epoch)
    )


def free_phase(config: RunConfig, epoch: int) -> Phase:
    """How the free phase relaxes in an epoch (from 0)."""
    return _phase(config.free, epoch)


def free_block_size(config: RunConfig) -> int | None:
    """The most units that a sweep of the free phase updates at once, None for whole layers."""
    return config.free.block_size or None


def _phase(wanted: PhaseConfig, epoch: int) -> Phase:
    cold = epoch == 0
    steps = (wanted.cold_steps if cold else None) or wanted.steps
    tolerance = wanted.cold_tolerance if cold else wanted.tolerance
    stop = Residual(tolerance, steps, wanted.share) if wanted.tolerance else FixedSteps(steps)
    if wanted.method == "block":
        return Phase(BlockCoordinateDescent(wanted.step_size, wanted.block_size or None), stop)
    return Phase(Euler(wanted.step_size, nudging_step=wanted.nudging_step), stop)


def build_optimizer(config: RunConfig) -> optax.GradientTransformation:
    """The optimiser at rate 1; the learning rates multiply what it returns."""
    return _optimizer(config.learning.optimizer, config.learning.momentum)


@functools.cache
def _optimizer(name: str, momentum: float) -> optax.GradientTransformation:
    # The same object for the same settings: a new one would compile the training program anew.
    if name == "adam":
        return optax.adam(1.0)
    return optax.sgd(1.0, momentum=momentum or None)


def build_trainer(config: RunConfig, network: Network, examples: Examples) -> Trainer:
    """Everything that training does not change."""
    return Trainer(
        examples=examples,
        optimizer=build_optimizer(config),
        rates=learning_rates(
            network,
            config.learning.learning_rate,
            bias_rates=config.learning.bias_rates,
            skip_rate=config.learning.skip_rate,
            intralayer_rate=config.learning.intralayer_rate,
        ),
        batch_size=min(config.data.batch_size, len(examples)),
        key=jax.random.key(stream_seed(config.seed, "signs")),
        persistent=config.training.persistent,
        shuffle_seed=stream_seed(config.seed, "order") if config.data.shuffle else None,
        chunk_batches=config.training.chunk_batches,
        record_every=config.training.record_every,
        data_shards=config.training.data_shards,
    )


def check_fit(config: RunConfig, dataset: Dataset) -> None:
    """Refuses layer sizes that do not fit the data set or this machine."""
    check_memory(config)
    sizes = config.topology.layer_sizes
    needed = (dataset.num_inputs, dataset.num_outputs)
    if (sizes[0], sizes[-1]) != needed:
        raise DataError(
            f"`topology.layer_sizes` must begin with {needed[0]} and end with {needed[1]} for "
            f"{dataset.name}, got {list(sizes)}. Change its first and last entry."
        )
