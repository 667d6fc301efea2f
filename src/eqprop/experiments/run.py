"""One run: a configuration becomes a trained network and a folder of records."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

from eqprop import data
from eqprop.energy import HardSigmoid, Network, SquaredError
from eqprop.errors import DataError, DivergedError
from eqprop.experiments.config import PhaseConfig, RunConfig
from eqprop.experiments.config import load as load_config
from eqprop.experiments.wiring import build_topology, stream_seed
from eqprop.learning import (
    AbstractLearningRule,
    Centered,
    EquilibriumPropagation,
    OneSided,
    Phase,
    RandomSign,
    learning_rates,
)
from eqprop.records import RunFolder, environment
from eqprop.relaxation import BlockCoordinateDescent, Euler, FixedSteps, monotone_bound
from eqprop.topology import Topology
from eqprop.training import (
    BatchLog,
    Evaluation,
    Examples,
    Model,
    Trainer,
    count_energy_rises,
    evaluate,
    evaluation_phase,
)

_NUDGING = {"random-sign": RandomSign, "one-sided": OneSided, "centered": Centered}


@dataclasses.dataclass(frozen=True)
class Progress:
    """Where a run is: what `train` reports after each chunk and each epoch.

    **Attributes:** `epoch` counted from 1; `batches_done` of this epoch; `training_error` of
    the epoch so far; `validation_error` of the last look; `settled`, share of the examples
    whose free phase settled in this chunk; `epoch_done`.
    """

    name: str
    epoch: int
    epochs: int
    batches_done: int
    batches: int
    training_error: float
    validation_error: float | None
    settled: float
    epoch_done: bool


Reporter = Callable[[Progress], None]


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

    def phase(wanted: PhaseConfig) -> Phase:
        cold = epoch == 0 and wanted.cold_steps is not None
        steps = FixedSteps(wanted.cold_steps if cold else wanted.steps)  # pyright: ignore[reportArgumentType]
        if wanted.method == "block":
            return Phase(BlockCoordinateDescent(wanted.step_size), steps)
        return Phase(Euler(wanted.step_size, nudging_step=wanted.nudging_step), steps)

    nudging = _NUDGING[config.learning.nudging](config.learning.beta)
    return EquilibriumPropagation(nudging, free=phase(config.free), nudged=phase(config.nudged))


def build_optimizer(config: RunConfig) -> optax.GradientTransformation:
    """The optimiser at rate 1; the learning rates multiply what it returns."""
    if config.learning.optimizer == "adam":
        return optax.adam(1.0)
    return optax.sgd(1.0, momentum=config.learning.momentum or None)


def train(
    config: RunConfig,
    parent: Path,
    *,
    data_dir: Path | None = None,
    report: Reporter | None = None,
) -> RunFolder:
    """Trains one network and writes its folder under `parent`.

    **Arguments:**

    - `config`: everything that decides the result.
    - `parent`: where the run's folder is made.
    - `data_dir`: where data files are looked for; decides no result.
    - `report`: called after each chunk and each epoch.

    **Raises:** `DivergedError` when a weight becomes NaN or infinite.
    """
    dataset = data.load(config.data.dataset, data_dir).limited(
        num_train=config.data.num_train, num_validation=config.data.num_validation
    )
    check_fit(config, dataset)
    topology = build_topology(config)
    network = build_network(config, topology)
    folder = RunFolder.create(parent, config.name)
    folder.write_text("config.toml", config.to_toml())
    folder.write_json("environment.json", environment())

    train_split, validation = dataset.split("train"), dataset.split("validation")
    trainer = Trainer(
        examples=Examples.of(network, train_split.x, train_split.target),
        optimizer=build_optimizer(config),
        rates=learning_rates(
            network,
            config.learning.learning_rate,
            bias_rates=config.learning.bias_rates,
            skip_rate=config.learning.skip_rate,
            intralayer_rate=config.learning.intralayer_rate,
        ),
        batch_size=min(config.data.batch_size, len(train_split)),
        key=jax.random.key(stream_seed(config.seed, "signs")),
        persistent=config.training.persistent,
        shuffle_seed=stream_seed(config.seed, "order") if config.data.shuffle else None,
        chunk_batches=config.training.chunk_batches,
        record_every=config.training.record_every,
    )
    part = validation.stratified(config.evaluation.examples)
    looks = {
        "part": Examples.of(network, part.x, part.target),
        "all": Examples.of(network, validation.x, validation.target),
    }
    kept: dict[str, Any] = {}
    if config.evaluation.start == "kept":
        kept = {name: network.cold_state(len(split)) for name, split in looks.items()}

    state, validation_error = trainer.start(network), None

    def tell(epoch: int, done: int, error: float, settled: float, epoch_done: bool) -> None:
        if report is not None:
            epochs, batches = config.training.epochs, trainer.batches_per_epoch
            where = (config.name, epoch + 1, epochs, done, batches)
            report(Progress(*where, error, validation_error, settled, epoch_done))

    for epoch in range(config.training.epochs):
        began, rule, logs = time.monotonic(), build_rule(config, epoch), []
        bound = monotone_bound(state.network)
        rises = _probe(trainer, state, rule)
        wrong = seen = 0
        for chunk in trainer.epoch(state, rule, epoch):
            state, log = chunk.state, chunk.log
            logs.append(log)
            _check_finite(state.network, config, epoch, chunk.batches_done)
            first = epoch * chunk.batches + chunk.batches_done - len(log.errors)
            for entry in _update_entries(log, first):
                folder.append("metrics.jsonl", entry)
            wrong, seen = wrong + int(log.errors.sum()), seen + int(log.examples.sum())
            settled = 1 - float(log.free.unsettled.sum() / log.examples.sum())
            tell(epoch, chunk.batches_done, wrong / seen, settled, False)
        trained = time.monotonic()
        entry = {"kind": "epoch", "epoch": epoch + 1} | _epoch_entry(logs)
        entry |= {"monotone_bound": bound, "energy_rises_probed": rises}
        last = epoch + 1 == config.training.epochs
        whole = last or (epoch + 1) % config.evaluation.full_every == 0
        if whole or (epoch + 1) % config.evaluation.every == 0:
            name = "all" if whole else "part"
            found = _evaluate(config, state.network, looks[name], kept.get(name))
            if name in kept:
                kept[name] = found.states
            entry |= _evaluation_entry("validation", looks[name], found)
            validation_error = entry["validation_error"]
        folder.append("metrics.jsonl", entry)
        ended = time.monotonic()
        folder.append(
            "timing.jsonl",
            {
                "epoch": epoch + 1,
                "training_seconds": trained - began,
                "evaluation_seconds": ended - trained,
            },
        )
        settled = 1 - entry["free_unsettled"]
        tell(epoch, trainer.batches_per_epoch, entry["training_error"], settled, True)
    folder.save_arrays("network.safetensors", topology.to_arrays() | state.network.to_arrays())
    summary = {"name": config.name, "dataset": dataset.name, "seed": config.seed} | entry
    summary["connections"] = topology.accounting().to_dict()
    if "test" in dataset.splits:
        split = dataset.split("test")
        examples = Examples.of(network, split.x, split.target)
        summary |= _evaluation_entry("test", examples, _evaluate(config, state.network, examples))
    folder.write_json("summary.json", summary)
    return folder


def load_model(path: Path) -> Model:
    """The trained network of a run folder: it predicts, trains further, and exports."""
    folder = RunFolder.open(path)
    config = load_config(folder.path / "config.toml")
    arrays = folder.load_arrays("network.safetensors")
    topology = Topology.from_arrays(arrays)
    network = build_network(config, topology).with_arrays(arrays)
    return Model(topology, seed=config.seed, network=network)


def evaluate_run(path: Path, split: str, data_dir: Path | None = None) -> dict[str, Any]:
    """Error, cost and share unsettled of a finished run on a whole split, from a cold start."""
    config = load_config(RunFolder.open(path).path / "config.toml")
    network = load_model(path).network
    dataset = data.load(config.data.dataset, data_dir)
    chosen = dataset.split(split)
    examples = Examples.of(network, chosen.x, chosen.target)
    entry = _evaluation_entry(split, examples, _evaluate(config, network, examples))
    return {"dataset": dataset.name} | entry


def check_fit(config: RunConfig, dataset: data.Dataset) -> None:
    """Refuses layer sizes that do not fit the data set."""
    sizes = config.topology.layer_sizes
    needed = (dataset.num_inputs, dataset.num_outputs)
    if (sizes[0], sizes[-1]) != needed:
        raise DataError(
            f"`topology.layer_sizes` must begin with {needed[0]} and end with {needed[1]} for "
            f"{dataset.name}, got {list(sizes)}. Change its first and last entry."
        )


def _probe(trainer: Trainer, state: Any, rule: AbstractLearningRule) -> int:
    """Energy rises in a free phase on the first batch, watched step by step."""
    if not isinstance(rule, EquilibriumPropagation):
        return 0
    x = trainer.examples.x[: trainer.batch_size]
    return count_energy_rises(state.network, x, state.particles[: len(x)], rule.free)


def _check_finite(network: Network, config: RunConfig, epoch: int, batch: int) -> None:
    for name, values in network.to_arrays().items():
        if not np.isfinite(values).all():
            kind, *layers = name.split("_")
            raise DivergedError(
                f"the {kind} of {'-'.join(layers)} became NaN or infinite in epoch {epoch + 1}, by "
                f"batch {batch} of run '{config.name}'. The learning rate is too large for this "
                "network. Lower `learning.learning_rate`."
            )


def _update_entries(log: BatchLog, first: int) -> list[dict[str, Any]]:
    entries = []
    recorded = next(iter(log.updates.values()))
    for row in np.flatnonzero(np.isfinite(recorded)):
        entry: dict[str, Any] = {"kind": "updates", "batch": first + int(row)}
        for name in ("corrections", "updates"):
            sizes = getattr(log, name)
            entry[name] = {f"{a}-{b}": float(v[row]) for (a, b), v in sizes.items()}
        entries.append(entry)
    return entries


def _epoch_entry(logs: list[BatchLog]) -> dict[str, Any]:
    log = jax.tree.map(lambda *parts: np.concatenate(parts), *logs)
    examples = int(log.examples.sum())
    entry: dict[str, Any] = {
        "training_error": int(log.errors.sum()) / examples,
        "training_cost": float(log.cost.sum()) / examples,
    }
    for name in ("free", "nudged"):
        phase = getattr(log, name)
        entry |= {
            f"{name}_steps": float(phase.steps.mean()),
            f"{name}_residual_mean": float(phase.residual.mean()),
            f"{name}_residual_max": float(phase.residual.max()),
            f"{name}_unsettled": int(phase.unsettled.sum()) / examples,
            f"{name}_unsettled_batches": float((phase.unsettled > 0).mean()),
        }
    return entry


def _evaluate(
    config: RunConfig, network: Network, examples: Examples, states: Any = None
) -> Evaluation:
    phase = evaluation_phase(config.evaluation.max_steps)
    size = config.evaluation.batch_size
    return evaluate(network, examples, phase, batch_size=size, states=states)


def _evaluation_entry(name: str, examples: Examples, found: Evaluation) -> dict[str, Any]:
    return {
        f"{name}_error": found.error,
        f"{name}_cost": float(found.cost),
        f"{name}_examples": len(examples),
        f"{name}_unsettled": float(found.unsettled),
        f"{name}_steps": float(found.steps),
        f"{name}_start": "cold" if found.states is None else "kept",
    }
