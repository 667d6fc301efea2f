"""From a configuration to the objects that train: network, rule, optimiser, trainer."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

from eqprop.config.run_config import RunConfig
from eqprop.config.sections import PhaseConfig
from eqprop.data import Dataset
from eqprop.devices import AbstractDevice, Clip
from eqprop.energy import Network
from eqprop.energy.pixels import inputs
from eqprop.errors import ConfigError, DataError
from eqprop.learning import AbstractLearningRule, Phase, learning_rates
from eqprop.records import RunFolder
from eqprop.relaxation import AbstractNudgedStep, FixedSteps, ForwardPass, Joint
from eqprop.running.objects import Objects
from eqprop.running.wiring import check_memory, edge_weights, stream_seed
from eqprop.topology import Topology, layered, with_intralayer
from eqprop.training import Examples, Trainer, evaluation_phase
from eqprop.training.examples import decided
from eqprop.training.settings import OptimizerChoice, ScheduleChoice


def build_network(config: RunConfig, topology: Topology, num_targets: int | None = None) -> Network:
    """The untrained network of a run.

    **Arguments:**

    - `num_targets`: length of its targets (default: as many as output units).
    """
    wanted, sizes = config.network, topology.layer_sizes
    seed = stream_seed(config.seed, "weights")
    skip_scale = wanted.skip_scale
    if isinstance(skip_scale, str):
        limits = [(6 / (a + b)) ** 0.5 for a, b in itertools.pairwise(sizes)]
        skip_scale = sum(limits) / len(limits)
    # Streams of their own: the weights are those of the same network without a read-out or a term.
    streams = [jax.random.fold_in(jax.random.key(seed), 1 << bit) for bit in (20, 21)]
    network = Network.initialize(
        topology,
        seed=seed,
        cost=wanted.cost.build(sizes[-1], num_targets or sizes[-1], streams[0]),
        activation=wanted.activation.build(),
        skip_scale=skip_scale,
        intralayer_scale=wanted.intralayer_scale,
        feedback=wanted.feedback,
    )
    return Network(network.hopfield.plus(*wanted.term.build(sizes, streams[1])), network.cost)


def initial_network(config: RunConfig, topology: Topology, num_targets: int) -> Network:
    """`build_network`, with the weights of the user's own file where they are wanted."""
    network = build_network(config, topology, num_targets)
    if not config.topology.edge_weights:
        return network
    arrays = network.to_arrays()
    for (post, pre), known in edge_weights(config, topology).items():
        drawn, mask = arrays[f"weights_{post}_{pre}"], topology.masks[post, pre]
        arrays[f"weights_{post}_{pre}"] = np.where(mask & (known != 0), known, drawn)
    return network.with_arrays(arrays)


def build_rule(config: RunConfig, epoch: int) -> AbstractLearningRule:
    """The learning rule in an epoch (from 0): relaxations may take more steps in the first."""
    nudged = _phase(config.nudged, epoch, config.nudged.nudging_step.build())
    return config.learning.rule.build(free_phase(config, epoch), nudged)


def check_rule(config: RunConfig, objects: Objects, topology: Topology, targets: int) -> None:
    """Refuses, by `ConfigError`, what the rule would refuse.

    A network of as many layers shows it, with few units in each.
    """
    small = layered([2] * (len(topology.layer_sizes) - 1) + [topology.layer_sizes[-1]])
    if topology.accounting().intralayer:
        small = with_intralayer(small)
    network = objects.network or build_network(config, small, targets)
    (objects.rule or build_rule(config, 0)).check(network)


def check_batches(config: RunConfig, examples: int) -> None:
    """Refuses, by `ConfigError`, a split of so many examples that cannot be cut into parts."""
    size, shards = min(config.data.batch_size, examples), config.training.data_shards
    if size % shards:
        raise ConfigError(
            f"`training.data_shards` must divide the number of examples in a batch, got {shards} "
            f"for batches of {size}, which is all that there are. Set training.data_shards = 1."
        )


def look_phase(config: RunConfig, network: Network) -> Phase:
    """How examples are relaxed when the error is measured: until they have settled."""
    if config.learning.rule.reads_forwards:
        return Phase(ForwardPass(), FixedSteps(1))
    return evaluation_phase(network, config.evaluation.max_steps)


def free_phase(config: RunConfig, epoch: int) -> Phase:
    """How the free phase relaxes in an epoch (from 0)."""
    if config.learning.rule.reads_forwards:
        return Phase(ForwardPass(), FixedSteps(1))
    phase = _phase(config.free, epoch, Joint())
    return dataclasses.replace(phase, is_cold=not config.training.persistent)


def free_block_size(config: RunConfig) -> int | None:
    """The most units that a sweep of the free phase updates at once, None for whole layers."""
    return getattr(config.free.method, "block_size", None) or None


def _phase(wanted: PhaseConfig, epoch: int, step: AbstractNudgedStep) -> Phase:
    cold = epoch == 0
    steps = (wanted.cold_steps if cold else None) or wanted.steps
    return Phase(wanted.method.build(step), wanted.termination.build(steps, cold=cold))


def build_optimizer(config: RunConfig, updates: int) -> optax.GradientTransformation:
    """The optimiser at rate 1; the learning rates multiply what it returns.

    **Arguments:**

    - `updates`: of the whole run, which a schedule spans.
    """
    wanted = config.learning
    spanned = 0 if wanted.schedule.is_constant else updates
    chosen: Any = wanted.optimizer, wanted.weight_decay, wanted.schedule  # frozen: hashable
    return _optimizer(*chosen, spanned)


@functools.cache
def _optimizer(
    optimizer: OptimizerChoice, decay: float, schedule: ScheduleChoice, updates: int
) -> optax.GradientTransformation:
    # The same object for the same settings: a new one would compile the training program anew.
    made = optimizer.build(schedule.build(updates), decay)
    if decay and not optimizer.decays:
        return optax.chain(optax.add_decayed_weights(decay), made)
    return made


def build_trainer(config: RunConfig, network: Network, examples: Examples) -> Trainer:
    """Everything that training does not change."""
    batch_size = min(config.data.batch_size, len(examples))
    updates = config.training.epochs * -(-len(examples) // batch_size)
    return Trainer(
        examples=examples,
        optimizer=build_optimizer(config, updates),
        rates=learning_rates(
            network,
            config.learning.learning_rate,
            bias_rates=config.learning.bias_rates,
            skip_rate=config.learning.skip_rate,
            intralayer_rate=config.learning.intralayer_rate,
            own=config.learning.own_rates,
        ),
        batch_size=batch_size,
        key=jax.random.key(stream_seed(config.seed, "signs")),
        persistent=config.training.persistent,
        cold_share=config.training.cold_share,
        shuffle_seed=stream_seed(config.seed, "order") if config.data.shuffle else None,
        chunk_batches=config.training.chunk_batches,
        record_every=config.training.record_every,
        data_shards=config.training.data_shards,
        device=build_device(config),
    )


def build_device(config: RunConfig) -> AbstractDevice:
    """What holds the parameters of a run."""
    return Clip(config.learning.max_weight or math.inf, config.device.kind.build())


def load_data(config: RunConfig, data_dir: Path | None = None) -> Dataset:
    """The data set of a run by its settings, as it sees it, checked against its layer sizes."""
    dataset = config.data.dataset.load(data_dir)
    check_fit(config, dataset)
    return for_run(config, dataset)


def for_run(config: RunConfig, dataset: Dataset) -> Dataset:
    """Of a data set what a run sees: its splits and examples, with inputs as devices give them."""
    if config.data.split == "journal":
        dataset = dataset.as_in_the_journal()
    dataset = dataset.limited(
        num_train=config.data.num_train, num_validation=config.data.num_validation
    )
    return dataset.with_inputs(config.device.kind.given)


def load_again(
    load: Callable[[Path | None], Dataset], data_dir: Path | None, remembered: str | None
) -> Dataset:
    """Data of a run, from where it found them at first unless something else is said now."""
    if data_dir is None and "EQPROP_DATA" not in os.environ and remembered:
        try:
            return load(Path(remembered))
        except DataError:
            pass  # moved since; look where any run would
    return load(data_dir)


def data_of(run: Path, config: RunConfig, data_dir: Path | None = None) -> Dataset:
    """`load_data` of the run in a folder, from where it found its data."""
    remembered = RunFolder(run).read_json("run.json").get("data_dir")
    return load_again(lambda folder: load_data(config, folder), data_dir, remembered)


def first_examples(
    run: Path, config: RunConfig, split: str, count: int, data_dir: Path | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The first examples of a split of a run's data `[examples, inputs]`, as the network sees them.

    **Arguments:** `run`: its folder, which tells where the data were found.

    **Returns:** them, and the number of the class of each.
    """
    if count < 1:
        raise ConfigError(f"`examples` must be 1 or more, got {count}.")
    chosen = data_of(run, config, data_dir).split(split).first(count)
    x = np.asarray(inputs(chosen.x.reshape(len(chosen), -1), np.float32))
    target = np.asarray(chosen.target)
    return x, target if target.ndim == 1 else np.asarray(decided(target))


def check_fit(config: RunConfig, dataset: Dataset) -> None:
    """Refuses layer sizes or a cost that do not fit the data set, and too much for this machine."""
    check_memory(config)
    sizes, cost = config.topology.layer_sizes, config.network.cost
    if cost.learns_classes and not dataset.has_classes:
        raise DataError(
            f"`network.cost` {cost.name!r} learns classes, and the targets of {dataset.name} are "
            "numbers. Set network.cost to 'squared-error'."
        )
    if not cost.holds_targets:
        if sizes[0] != dataset.num_inputs:
            raise DataError(
                f"`topology.layer_sizes` must begin with {dataset.num_inputs} for {dataset.name}, "
                f"got {list(sizes)}. Change its first entry."
            )
        return
    needed = (dataset.num_inputs, dataset.num_outputs)
    two = dataset.task == "classification" and dataset.num_outputs == 2
    if (sizes[0], sizes[-1]) == (needed[0], 1) and two:
        return  # a single output unit stands for both classes
    if (sizes[0], sizes[-1]) != needed:
        raise DataError(
            f"`topology.layer_sizes` must begin with {needed[0]} and end with {needed[1]} for "
            f"{dataset.name}, got {list(sizes)}. Change its first and last entry."
        )
