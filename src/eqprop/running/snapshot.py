"""All that a run changes while it works: what a checkpoint holds."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.config.run_config import RunConfig
from eqprop.config.settings import recorded
from eqprop.energy import Network
from eqprop.errors import ConfigError, DataError, RunFolderError
from eqprop.records import Checkpoint, RunFolder
from eqprop.running.entries import join_logs
from eqprop.running.finished import network_from_arrays
from eqprop.running.health import WARNINGS
from eqprop.running.wiring import STREAMS, stream_seed
from eqprop.topology import Topology
from eqprop.training import BatchLog, Layout, Trainer, TrainState, tree_from_arrays, tree_to_arrays

NETWORK, TRAINING, LOG = "network.safetensors", "training.safetensors", "log.safetensors"


@dataclasses.dataclass
class Cursor:
    """Where a run stands.

    **Attributes:**

    - `epoch`, from 0, and `batch`, batches of it that are done.
    - `bound`: the smallest `monotone_bound` seen in the epoch.
    - `validation_error` of the last look, and `best_error` of all, a cost for a regression.
    - `since_best`: looks since the best one.
    - `looks`: how many updated the kept states.
    - `said`: the warnings that were said.
    - `metrics_bytes`: length of `metrics.jsonl`.
    - `spent`: multiply-adds of all updates so far (`AbstractLearningRule.work`).
    """

    epoch: int = 0
    batch: int = 0
    bound: float = 2.0
    validation_error: float | None = None
    best_error: float | None = None
    since_best: int = 0
    looks: int = 0
    said: list[str] = dataclasses.field(default_factory=list)
    metrics_bytes: int = 0
    spent: float = 0.0

    def check(self, epochs: int, batches: int) -> None:
        """Refuses, by `ValueError`, what no run of that length can have saved."""
        limits = dict.fromkeys(("epoch", "looks", "since_best"), epochs)
        limits |= {"batch": batches, "metrics_bytes": 1 << 62}
        for name, limit in limits.items():
            value = getattr(self, name)
            if type(value) is not int or not 0 <= value <= limit:
                raise ValueError(f"its {name} is {value!r}")
        error, best = self.validation_error, self.best_error
        is_error = error is None or (type(error) is float and 0 <= error <= 1)
        if not is_error or not (best is None or (type(best) is float and best >= 0)):
            raise ValueError(f"its validation errors are {[error, best]}")
        if type(self.spent) is not float or not self.spent >= 0:
            raise ValueError(f"its multiply-adds are {self.spent!r}")
        if type(self.bound) is not float or not set(self.said) <= set(WARNINGS):
            raise ValueError(f"its bound is {self.bound!r} and its warnings are {self.said!r}")


@dataclasses.dataclass
class Snapshot:
    """The state of a run between two chunks.

    **Attributes:**

    - `cursor`, `topology`, and `state` of training.
    - `kept`: where the look before left every validation example, `[examples, free units]`; no
      examples where evaluation is cold.
    - `logs`: of the epoch's chunks so far.
    - `trainer`: what training does not change; its key is saved too, since JAX may derive
      another one from the same seed in another version.
    """

    cursor: Cursor
    topology: Topology
    state: TrainState
    kept: np.ndarray
    logs: list[BatchLog]
    trainer: Trainer

    def network_arrays(self) -> dict[str, np.ndarray]:
        """Wiring, weights and biases, and what it takes to read them from their devices."""
        reading = self.trainer.reading(self.state)
        arrays = self.topology.to_arrays() | self.state.network.to_arrays()
        return arrays | ({} if reading is None else reading.to_arrays())

    def files(self) -> dict[str, dict[str, np.ndarray]]:
        """Everything, as the arrays of a resume point."""
        log = tree_to_arrays(join_logs(self.logs), "log") if self.logs else {}
        return {
            NETWORK: self.network_arrays(),
            TRAINING: self.state.to_arrays() | tree_to_arrays(self.kept, "kept"),
            LOG: log,
        } | {
            # A file for each shard, so that no more than one is copied at a time.
            particles_file(shard): {"particles": particles}
            for shard, particles in enumerate(self.state.particles_by_shard())
        }

    def meta(self, config: RunConfig, data_digest: str) -> dict[str, Any]:
        """Everything else, and what a resume point must agree with."""
        return {
            "cursor": dataclasses.asdict(self.cursor),
            "batches_seen": int(self.state.batches_seen),
            "config": config.model_dump(mode="json", exclude_none=True),
            "data_sha256": data_digest,
            "streams": {name: stream_seed(config.seed, name) for name in STREAMS},
            "key": np.asarray(jax.random.key_data(self.trainer.key)).tolist(),
        }

    def limit_bytes(self) -> int:
        """More than any file of this run's checkpoints can need."""
        held = jax.tree.leaves((self.state, self.kept, self.topology.to_arrays()))
        return 2 * sum(getattr(leaf, "nbytes", 0) for leaf in held) + (16 << 20)

    def restored(self, found: Checkpoint, config: RunConfig, data_digest: str) -> Snapshot:
        """What a resume point holds, with this snapshot to give shapes and types.

        **Raises:** `RunFolderError` if it does not fit the run; `ConfigError` or `DataError` if
        it was made with other settings or on other examples.
        """
        path, meta = found.path, found.meta
        try:
            cursor = Cursor(**meta["cursor"])
            cursor.check(config.training.epochs, self.trainer.batches_per_epoch)
            topology, network = self._network(config, found.files[NETWORK], path)
            trainer = self.trainer
            arrays = found.files[TRAINING]
            particles = _particles(found.files, trainer.layout)
            state = self.state.with_arrays(network, arrays, particles, trainer.mesh)
            kept = self._kept(arrays)
            if "kept" not in arrays:
                cursor.looks = 0
            logs = [_log(state, found.files[LOG], cursor.batch)] if cursor.batch else []
            key = jax.random.wrap_key_data(jnp.asarray(meta["key"], jnp.uint32))
            trainer = dataclasses.replace(trainer, key=key)
            same_config = _as_long(recorded(meta["config"]), config) == config
            same_data = meta["data_sha256"] == data_digest
        except (ConfigError, KeyError, TypeError, ValueError) as problem:
            raise RunFolderError(
                f"the checkpoint must fit the run's settings, got {path}: {problem}"
            ) from None
        if not same_config:
            raise ConfigError(
                f"the checkpoint must have the settings of the run's config.toml, got {path} with "
                "others. Restore config.toml."
            )
        if not same_data:
            raise DataError(
                "the training examples must be those that the run began with, got others for "
                f"{path}. Point --data-dir to the original files."
            )
        return Snapshot(cursor, topology, state, kept, logs, trainer)

    def continued(
        self, config: RunConfig, folder: RunFolder, best: Mapping[str, Any] | None
    ) -> Snapshot:
        """Where a run ended of which nothing but the network is left, as good as that can be.

        Particles, and what the optimiser and the devices remember, begin anew; a schedule goes on.

        **Arguments:** `best`: what was written with its best network, if there is one.
        """
        entries = folder.epochs()
        topology, network = self._network(config, folder.load_arrays(NETWORK), folder.path)
        done = entries[-1]["epoch"]
        of_best = Cursor(**best["cursor"]) if best else Cursor()
        looks = [e["epoch"] for e in entries if e.get("validation_error") is not None]
        cursor = Cursor(
            epoch=done,
            best_error=of_best.best_error,
            since_best=sum(epoch > of_best.epoch for epoch in looks) if best else 0,
            metrics_bytes=folder.synced_size("metrics.jsonl"),
            spent=float(entries[-1]["multiply_adds"]),
            said=sorted({name for entry in entries for name in entry["warnings"]}),
        )
        state = self.trainer.start(network, after=done * self.trainer.batches_per_epoch)
        return dataclasses.replace(self, cursor=cursor, topology=topology, state=state)

    def _network(
        self, config: RunConfig, arrays: dict[str, np.ndarray], path: Path
    ) -> tuple[Topology, Network]:
        """Wiring and network as they were saved, of which connections may have been taken away."""
        topology, network = network_from_arrays(config, arrays, path, self.state.network)
        return topology, network if topology == self.topology else network.wired(topology)

    def _kept(self, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The kept states of a resume point.

        Earlier versions kept two sets, of which neither was that of all examples at every look:
        theirs begin anew.
        """
        if "kept" not in arrays:
            return self.kept
        return np.asarray(tree_from_arrays(self.kept, arrays, "kept"))


def _as_long(before: RunConfig, config: RunConfig) -> RunConfig:
    """Earlier settings with the epochs of later ones: a run may be made longer."""
    training = before.training.model_copy(update={"epochs": config.training.epochs})
    return before.model_copy(update={"training": training})


def particles_file(shard: int) -> str:
    """Name of the file with the particles of a shard."""
    return f"particles_{shard}.safetensors"


def _particles(files: Mapping[str, Any], layout: Layout) -> list[np.ndarray]:
    if "particles" in files[TRAINING]:  # as earlier versions had them, in the order of the examples
        flat = files[TRAINING]["particles"]
        return list(layout.deal(flat)) if len(flat) else list(flat[None])
    return [files[particles_file(shard)]["particles"] for shard in range(layout.shards)]


def _log(state: TrainState, arrays: dict[str, np.ndarray], batches: int) -> BatchLog:
    like = jax.tree.map(
        lambda leaf: np.zeros(batches, leaf.dtype), BatchLog.empty(state.network, 1)
    )
    # Earlier versions named pairs of layers `(2, 1)`, and recorded nothing of other parameters.
    named = {re.sub(r"\[\((\d+), (\d+)\)\]", r"['\1-\2']", key): v for key, v in arrays.items()}
    nothing = {label: np.full(batches, np.nan, leaf.dtype) for label, leaf in like.updates.items()}
    like = dataclasses.replace(like, corrections=nothing, updates=nothing)
    sizes = {k: v for k, v in tree_to_arrays(like, "log").items() if v.dtype.kind == "f"}
    return jax.tree.map(np.asarray, tree_from_arrays(like, sizes | named, "log"))
