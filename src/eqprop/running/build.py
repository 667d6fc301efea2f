"""From a configuration to the objects that train: network, rule, optimiser, trainer."""

from __future__ import annotations

import functools
import itertools
import math
from pathlib import Path

import jax
import optax

from eqprop import data
from eqprop.config.sections import PhaseConfig
from eqprop.config.settings import RunConfig
from eqprop.data import Dataset
from eqprop.energy import (
    AbstractCost,
    CrossEntropy,
    HardSigmoid,
    Network,
    ShiftedSigmoid,
    Sigmoid,
    SquaredError,
    Tanh,
)
from eqprop.errors import DataError
from eqprop.learning import (
    AbstractLearningRule,
    Backpropagation,
    BackpropagationThroughTime,
    Centered,
    ContrastiveHebbian,
    CoupledLearning,
    EquilibriumPropagation,
    HolomorphicEquilibriumPropagation,
    ImplicitDifferentiation,
    OneSided,
    Phase,
    RandomSign,
    RecurrentBackpropagation,
    learning_rates,
)
from eqprop.relaxation import BlockCoordinateDescent, Euler, FixedSteps, ForwardPass, Residual
from eqprop.running.wiring import check_memory, stream_seed
from eqprop.topology import Topology, layered
from eqprop.training import Examples, Trainer, evaluation_phase

_NUDGING = {"random-sign": RandomSign, "one-sided": OneSided, "centered": Centered}
_ACTIVATIONS = {
    "hard-sigmoid": HardSigmoid,
    "sigmoid": Sigmoid,
    "shifted-sigmoid": ShiftedSigmoid,
    "tanh": Tanh,
}


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
    cost: AbstractCost = SquaredError(wanted.cost_factor)
    if wanted.cost == "cross-entropy":
        # A stream of its own: the weights are those of the same network without a read-out.
        key = jax.random.fold_in(jax.random.key(seed), 1 << 20)
        cost = CrossEntropy.initialize(sizes[-1], num_targets or sizes[-1], key)
    return Network.initialize(
        topology,
        seed=seed,
        cost=cost,
        activation=_ACTIVATIONS[wanted.activation](),
        skip_scale=skip_scale,
        intralayer_scale=wanted.intralayer_scale,
    )


def build_rule(config: RunConfig, epoch: int) -> AbstractLearningRule:
    """The learning rule in an epoch (from 0): relaxations may take more steps in the first."""
    wanted = config.learning
    free, nudged = _phase(config.free, epoch), _phase(config.nudged, epoch)
    match wanted.rule:
        case "holomorphic":
            return HolomorphicEquilibriumPropagation(wanted.beta, free, nudged, wanted.points)
        case "contrastive-hebbian":
            return ContrastiveHebbian(free, nudged)
        case "coupled":
            return CoupledLearning(wanted.beta, free, nudged)
        case "recurrent-backpropagation":
            return RecurrentBackpropagation(free, nudged)
        case "implicit":
            return ImplicitDifferentiation(free)
        case "through-time":
            return BackpropagationThroughTime(free, wanted.differentiated_steps)
        case "backpropagation":
            return Backpropagation()
    return EquilibriumPropagation(_NUDGING[wanted.nudging](wanted.beta), free, nudged)


def check_rule(config: RunConfig) -> None:
    """Refuses, by `ConfigError`, what the rule would refuse: a network of any size shows it."""
    ends = config.topology.layer_sizes[-1]
    build_rule(config, 0).check(build_network(config, layered([1, 1, ends])))


def look_phase(config: RunConfig, network: Network) -> Phase:
    """How examples are relaxed when the error is measured: until they have settled."""
    if config.learning.rule == "backpropagation":
        return Phase(ForwardPass(), FixedSteps(1))
    return evaluation_phase(network, config.evaluation.max_steps)


def free_phase(config: RunConfig, epoch: int) -> Phase:
    """How the free phase relaxes in an epoch (from 0)."""
    if config.learning.rule == "backpropagation":
        return Phase(ForwardPass(), FixedSteps(1))
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


def build_optimizer(config: RunConfig, updates: int) -> optax.GradientTransformation:
    """The optimiser at rate 1; the learning rates multiply what it returns.

    **Arguments:**

    - `updates`: of the whole run, which a schedule spans.
    """
    wanted = config.learning
    return _optimizer(
        wanted.optimizer,
        wanted.momentum,
        wanted.weight_decay,
        wanted.schedule,
        wanted.final_rate,
        0 if wanted.schedule == "constant" else updates,
    )


@functools.cache
def _optimizer(
    name: str, momentum: float, decay: float, schedule: str, final: float, updates: int
) -> optax.GradientTransformation:
    # The same object for the same settings: a new one would compile the training program anew.
    rate = {
        "constant": lambda: 1.0,
        "cosine": lambda: optax.cosine_decay_schedule(1.0, updates, alpha=final),
        "exponential": lambda: optax.exponential_decay(1.0, updates, final),
    }[schedule]()
    if name == "sgd":
        plain = optax.sgd(rate, momentum=momentum or None)
        return optax.chain(optax.add_decayed_weights(decay), plain) if decay else plain
    if name in ("adamw", "lion"):
        return getattr(optax, name)(rate, weight_decay=decay)
    plain = getattr(optax, name)(rate)
    return optax.chain(optax.add_decayed_weights(decay), plain) if decay else plain


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
        ),
        batch_size=batch_size,
        key=jax.random.key(stream_seed(config.seed, "signs")),
        persistent=config.training.persistent,
        shuffle_seed=stream_seed(config.seed, "order") if config.data.shuffle else None,
        chunk_batches=config.training.chunk_batches,
        record_every=config.training.record_every,
        data_shards=config.training.data_shards,
        max_weight=config.learning.max_weight or math.inf,
    )


def load_data(config: RunConfig, data_dir: Path | None = None) -> data.Dataset:
    """The data set of a run, checked against its layer sizes."""
    dataset = data.load(config.data.dataset, data_dir)
    if config.data.split == "journal":
        dataset = dataset.as_in_the_journal()
    dataset = dataset.limited(
        num_train=config.data.num_train, num_validation=config.data.num_validation
    )
    check_fit(config, dataset)
    return dataset


def check_fit(config: RunConfig, dataset: Dataset) -> None:
    """Refuses layer sizes that do not fit the data set or this machine."""
    check_memory(config)
    sizes = config.topology.layer_sizes
    if config.network.cost == "cross-entropy":
        if sizes[0] != dataset.num_inputs:
            raise DataError(
                f"`topology.layer_sizes` must begin with {dataset.num_inputs} for {dataset.name}, "
                f"got {list(sizes)}. Change its first entry."
            )
        return
    needed = (dataset.num_inputs, dataset.num_outputs)
    if (sizes[0], sizes[-1]) != needed:
        raise DataError(
            f"`topology.layer_sizes` must begin with {needed[0]} and end with {needed[1]} for "
            f"{dataset.name}, got {list(sizes)}. Change its first and last entry."
        )
