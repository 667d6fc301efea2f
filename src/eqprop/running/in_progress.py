"""The work of a run: epochs, looks, records, checkpoints, from wherever it stands."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import jax

from eqprop.config.run_config import RunConfig
from eqprop.data import Dataset
from eqprop.devices import Held
from eqprop.energy import Network, inputs
from eqprop.errors import RunFolderError, Stopped
from eqprop.learning import AbstractLearningRule, as_held
from eqprop.records import Checkpoint, Checkpoints, RunFolder, environment
from eqprop.relaxation import monotone_bound
from eqprop.running import health
from eqprop.running.auditing import audit_examples
from eqprop.running.build import (
    build_rule,
    build_trainer,
    for_run,
    free_block_size,
    free_phase,
    initial_network,
)
from eqprop.running.context import Context, Progress
from eqprop.running.entries import (
    epoch_entry,
    evaluation_entry,
    join_logs,
    settling_entry,
    update_entries,
)
from eqprop.running.finished import PREPARATION
from eqprop.running.looks import Looks, examples_of
from eqprop.running.objects import Objects, digest
from eqprop.running.signals import name_of
from eqprop.running.snapshot import NETWORK, Cursor, Snapshot
from eqprop.running.wiring import stream_seed
from eqprop.topology import Topology, prune
from eqprop.training import (
    BatchLog,
    Evaluation,
    Examples,
    Probe,
    Trainer,
    TrainState,
    probe,
)
from eqprop.training.finite import check_finite
from eqprop.training.health import guessing, warnings_of
from eqprop.training.sharding import replicate

_PROBED = 200  # examples whose free phase is watched step by step once an epoch


class RunInProgress:
    """A run in the making. Making one restores the newest checkpoint that is good.

    Trained by `eqprop.running.team`. Its `beside` are the runs that stop with it, itself
    among them.

    **Arguments:**

    - `folder`: of the run, held by `locked`; `run_id`, its identity.
    - `objects`: its data and wiring, and whatever else its settings do not say.
    - `context`: what is around it.
    """

    def __init__(
        self,
        folder: RunFolder,
        run_id: str,
        config: RunConfig,
        objects: Objects,
        context: Context,
    ) -> None:
        topology = objects.topology
        assert isinstance(objects.data, Dataset) and topology is not None
        self.objects, dataset = objects, for_run(config, objects.data)
        self.folder, self.config, self.context = folder, config, context
        self.checkpoints = Checkpoints(folder.path / "checkpoints", run_id, config.checkpoint.keep)
        self.checkpoints.clean()
        self.unwritten: list[dict[str, Any]] = []
        self.saving_seconds = 0.0
        self.dataset = dataset
        train = dataset.split("train")
        self.data_digest = digest((train.x, train.target))

        network = objects.network or initial_network(config, topology, dataset.num_outputs)
        examples = examples_of(network, train)
        trainer = build_trainer(config, network, examples)
        self.guessing = guessing(network, examples, dataset.task)
        self.looks = Looks.at(config, dataset, network, self.stop_if_asked)
        kept = self.looks.first_states(network)
        state = trainer.start(network)
        self.now = Snapshot(Cursor(), topology, state, kept, [], trainer)
        self._resume()
        self.wires = self.now.state.network.energy.wires()
        self.saved_at = (time.monotonic(), self._position())
        self.beside: list[RunInProgress] = [self]

    @property
    def trainer(self) -> Trainer:
        """What training does not change."""
        return self.now.trainer

    def _resume(self) -> None:
        restored: list[Snapshot] = []

        def accept(found: Checkpoint) -> None:
            snapshot = self.now.restored(found, self.config, self.data_digest)
            if self.folder.synced_size("metrics.jsonl") < snapshot.cursor.metrics_bytes:
                raise RunFolderError(
                    "metrics.jsonl must reach as far as the checkpoint, got fewer than "
                    f"{snapshot.cursor.metrics_bytes} bytes for {found.path}. It was cut."
                )
            restored.append(snapshot)

        found = self.checkpoints.newest(accept, self._notice, self.now.limit_bytes())
        is_longer = False
        if found is not None:
            self.now = restored[-1]
        elif is_longer := (self.folder.path / NETWORK).is_file() and bool(self.folder.epochs()):
            best = self.checkpoints.best()
            self.now = self.now.continued(self.config, self.folder, best and best.meta)
            self._notice(
                "goes on from its network alone: free states and what the optimiser remembers "
                "were not kept. checkpoint.keep_finished = true keeps them"
            )
        self.folder.cut("metrics.jsonl", self.now.cursor.metrics_bytes)
        facts = environment()
        if found is None:
            self.folder.write_json("environment.json", facts)
            if self.dataset.preparation is not None:
                self.folder.write_json(PREPARATION, self.dataset.preparation.to_dict())
        event = {"event": "resumed" if self.now.cursor.epoch or found else "started"}
        where = {"epoch": self.now.cursor.epoch, "batch": self.now.cursor.batch}
        self.note_time(event | where | {"environment": facts})
        if is_longer:
            self.save()  # killed from here on, it finds the epoch of its network again

    def note_time(self, entry: dict[str, Any]) -> None:
        """Writes down what took how long, or when something happened.

        Where runs go on in spite of a failing disk, that alone is not kept in memory.
        """
        try:
            self.folder.append("timing.jsonl", [entry])
        except RunFolderError:
            if self.config.checkpoint.on_failure == "stop":
                raise

    def is_over(self) -> bool:
        """Whether nothing is left to be trained."""
        # A spent budget ends its epoch first: that one is still to be evaluated and written.
        ended = (self.has_spent() or self._is_patience_over()) and self.now.cursor.batch == 0
        return self.now.cursor.epoch >= self.config.training.epochs or ended

    def _is_patience_over(self) -> bool:
        """Whether the looks have been no better for as long as the settings wait."""
        patience = self.config.training.patience
        return patience is not None and self.now.cursor.since_best >= patience

    def has_spent(self) -> bool:
        """Whether no batch is left of a budget of multiply-adds."""
        budget = self.config.training.budget
        return budget is not None and self.now.cursor.spent >= budget

    def place(self) -> tuple[int, int]:
        """Epochs and batches of the next one that are done."""
        return self.now.cursor.epoch, self.now.cursor.batch

    def rule(self) -> AbstractLearningRule:
        """The learning rule of the epoch."""
        return self.objects.rule or build_rule(self.config, self.now.cursor.epoch)

    def take(
        self, rule: AbstractLearningRule, log: BatchLog, network: Network, batches_done: int
    ) -> None:
        """Records a chunk of the epoch, trained by a rule, after which the network is this one.

        **Raises:** `DivergedError`.
        """
        now, cursor = self.now, self.now.cursor
        if cursor.batch == 0:
            cursor.bound = 2.0
        first = cursor.epoch * self.trainer.batches_per_epoch + cursor.batch
        check_finite(log, network, first)
        self._write(update_entries(log, first))
        now.logs.append(log)
        cursor.batch = batches_done
        cursor.spent += self._work_of(rule, log)
        cursor.bound = min(cursor.bound, monotone_bound(network, free_block_size(self.config)))
        seen = sum(int(log.examples.sum()) for log in now.logs)
        self._tell(
            training_error=sum(int(log.errors.sum()) for log in now.logs) / seen,
            training_cost=sum(float(log.cost.sum()) for log in now.logs) / seen,
            settled=self._settled(float(log.free.unsettled.sum() / log.examples.sum())),
        )

    def _settled(self, unsettled: float) -> float | None:
        """The share that settled, where the free phase measures it."""
        return 1 - unsettled if self.config.free.termination.measures else None

    def _work_of(self, rule: AbstractLearningRule, log: BatchLog) -> float:
        """Multiply-adds of a chunk's updates."""
        batches = zip(log.free.steps, log.nudged.steps, log.examples, strict=True)
        return float(sum(rule.work(self.wires, *map(float, s)).total * n for *s, n in batches))

    def end_epoch(self) -> None:
        """Looks at the network after the last chunk of an epoch; writes and counts the epoch."""
        now, cursor, wanted = self.now, self.now.cursor, self.config.evaluation
        epoch = cursor.epoch + 1
        seen = self._probe()
        entry = {"kind": "epoch", "epoch": epoch, "task": self.dataset.task}
        entry |= epoch_entry(join_logs(now.logs))
        entry |= {
            "multiply_adds": cursor.spent,
            "monotone_bound": cursor.bound,
            "probe_examples": min(_PROBED, len(self.trainer.examples)),
            "probe_energy_rises": int(seen.energy_rises),
            "probe_two_cycles": float(seen.two_cycles),
            "probe_dead_outputs": float(seen.dead_outputs),
            "probe_saturation": [float(share) for share in seen.saturation],
        }
        measured = self.config.free.termination.measures
        what = "cost" if self.dataset.task == "regression" else "error"
        reached = entry[f"training_{what}"], self.guessing
        entry["warnings"] = warnings_of(
            seen, *reached, entry["free_unsettled"] if measured else None
        )
        last = epoch == self.config.training.epochs or self.has_spent()
        whole = last or epoch % wanted.full_every == 0
        looks, kept, judged = cursor.looks, now.kept, None
        if whole or epoch % wanted.every == 0:
            found, kept, judged = self.looks.of_epoch(
                self.trainer.read(now.state), now.kept, first=looks == 0, whole=whole
            )
            entry |= found
            looks += bool(len(kept))
            cursor.validation_error = entry["validation_error"]
        fewer, told = self._pruned(epoch, whole)
        entries = [entry, *self._audits(epoch), *told]
        # Nothing can interrupt from here on: the epoch is written and counted, or neither.
        self._write(entries)
        self._tell(
            batches_done=self.trainer.batches_per_epoch,
            training_error=entry["training_error"],
            training_cost=entry["training_cost"],
            settled=self._settled(entry["free_unsettled"]),
            epoch_done=True,
        )
        for warning in entry["warnings"]:
            if warning not in cursor.said:
                cursor.said.append(warning)
                self._notice(f"{warning}, from epoch {epoch} on: {health.WARNINGS[warning]}.")
        cursor.epoch, cursor.batch, cursor.looks, now.logs, now.kept = epoch, 0, looks, [], kept
        if judged is not None:
            self._keep_the_best(judged)
        if fewer is not None:
            now.topology, now.state = fewer
            self.wires = now.state.network.energy.wires()

    def _keep_the_best(self, look: Evaluation) -> None:
        """Saves the network of an epoch if its look was the best one, and counts those since.

        **Arguments:** `look`: at the same examples in every epoch.
        """
        # The journal version looks at the test examples; nothing is chosen by those.
        if self.config.data.split == "journal":
            return
        cursor = self.now.cursor
        # No example of a regression is right or wrong: the cost says what is better.
        error = look.error if self.dataset.task == "classification" else look.cost
        if cursor.best_error is None or error < cursor.best_error:
            cursor.best_error, cursor.since_best = error, 0
            self._save_best()
        else:
            cursor.since_best += 1

    def _pruned(
        self, epoch: int, whole: bool
    ) -> tuple[tuple[Topology, TrainState] | None, list[dict[str, Any]]]:
        """Wiring and state without the connections that go after this epoch; what is told of it."""
        wanted, now, first = self.config.pruning, self.now, self.objects.topology
        part = wanted.due(epoch)
        if wanted.what == "nothing" or part is None:
            return None, []
        assert first is not None
        skips = first.accounting().skip
        count = skips * part // wanted.steps - skips * (part - 1) // wanted.steps
        seed = stream_seed(self.config.seed, "pruning") + part
        weights = now.state.network.hopfield.weights if wanted.order == "magnitude" else None
        topology = prune(now.topology, count, wanted.what, weights=weights, seed=seed)
        network = replicate(now.state.network.wired(topology), self.trainer.mesh)
        state = dataclasses.replace(now.state, held=Held(network, now.state.held.state))
        found = self.looks.cold(network, whole=whole)
        told = {"kind": "pruning", "epoch": epoch, "removed": count}
        told |= {"connections": topology.num_connections}
        return (topology, state), [told | evaluation_entry("validation", found)]

    def _audits(self, epoch: int) -> list[dict[str, Any]]:
        wanted = self.config.evaluation
        if not wanted.audit_every or epoch % wanted.audit_every:
            return []
        state, examples = self.now.state, self.trainer.examples
        count = min(wanted.audit_examples, len(examples))
        first = Examples(examples.x[:count], examples.target[:count])
        states = self.trainer.kept_states(state, count)
        held = jax.device_put(state.network, jax.local_devices()[0])
        read = self.trainer.reading(state) or as_held
        found = audit_examples(self._usual_rule(), held, first, states, read)
        return [{"kind": "audit", "epoch": epoch} | found.to_dict()]

    def _usual_rule(self) -> AbstractLearningRule:
        """That of every epoch but the first."""
        return self.objects.rule or build_rule(self.config, 1)

    def _probe(self) -> Probe:
        state = self.now.state
        network = self.trainer.read(state)
        x = inputs(self.trainer.examples.x[:_PROBED], network.dtype)
        start = self.trainer.kept_states(state, len(x))
        phase = getattr(self.objects.rule, "free", None)
        phase = phase or free_phase(self.config, self.now.cursor.epoch)
        return jax.device_get(probe(network, x, start, phase))

    def write_results(self) -> None:
        """Writes network and summary, which make the run a finished one."""
        entries = self.folder.epochs()
        summary = {
            "name": self.config.name,
            "dataset": self.dataset.name,
            "seed": self.config.seed,
        }
        summary |= {key: value for key, value in entries[-1].items() if key != "kind"}
        network = self.trainer.read(self.now.state)
        part = summary.get("validation_examples", 0) < len(self.looks.validation)
        part = part and self._is_patience_over()  # which no look knows beforehand
        pruned = [entry["epoch"] for entry in self.folder.recorded("pruning")]
        if part or summary["epoch"] in pruned:  # after its last look
            summary |= evaluation_entry("validation", self.looks.cold(network, whole=True))
            summary |= {name: None for name in summary if name.startswith("validation_kept")}
        summary |= self.looks.at_the_end(network)
        epochs = {
            name: [e["epoch"] for e in entries if name in e["warnings"]] for name in health.WARNINGS
        }
        summary["warnings"] = {name: found for name, found in epochs.items() if found}
        if ledger := self.trainer.device.ledger(self.now.state.held):
            summary["device"] = ledger
            summary["settling"] = settling_entry(entries, self._usual_rule())
        summary["connections"] = self.now.topology.accounting().to_dict()
        self.folder.save_arrays(NETWORK, self.now.network_arrays())
        summary["network_sha256"] = self.folder.digest(NETWORK)
        self.folder.write_json("summary.json", summary)
        if self.config.checkpoint.keep_finished:
            self.save()
        else:
            self.checkpoints.discard_resume_points()

    def is_save_due(self) -> bool:
        """Whether the last resume point is as old as the settings want it to get."""
        wanted = self.config.checkpoint
        then, position = self.saved_at
        late = time.monotonic() - then >= 60 * wanted.every_minutes
        return late and self._position() - position >= wanted.every_epochs

    def _position(self) -> float:
        return self.now.cursor.epoch + self.now.cursor.batch / self.trainer.batches_per_epoch

    def save(self) -> bool:
        """Writes a resume point; says whether it could."""

        def save() -> None:
            self._flush()
            self.now.cursor.metrics_bytes = self.folder.synced_size("metrics.jsonl")
            step = int(self.now.state.batches_seen)
            meta = self.now.meta(self.config, self.data_digest)
            self.checkpoints.save(step, meta, self.now.files())

        saved = self._try_to_save(save)
        self.saved_at = (time.monotonic(), self._position())
        return saved

    def _save_best(self) -> None:
        meta = self.now.meta(self.config, self.data_digest)
        files = {NETWORK: self.now.network_arrays()}
        self._try_to_save(lambda: self.checkpoints.save_best(meta, files))

    def _try_to_save(self, save: Callable[[], None]) -> bool:
        began = time.monotonic()
        try:
            save()
        except RunFolderError as problem:
            if self.config.checkpoint.on_failure == "stop":
                raise
            self._notice(f"not saved, going on: {problem}")
            return False
        finally:
            self.saving_seconds += time.monotonic() - began
        return True

    def _write(self, entries: list[dict[str, Any]]) -> None:
        self.unwritten += entries
        try:
            self._flush()
        except RunFolderError as problem:
            if self.config.checkpoint.on_failure == "stop":
                raise
            self._notice(f"records are kept in memory for now: {problem}")

    def _flush(self) -> None:
        if self.unwritten:
            self.folder.append("metrics.jsonl", self.unwritten)
            self.unwritten = []

    def stop_if_asked(self) -> None:
        """Saves, with all that train beside it, and raises `Stopped`, if it is asked to stop."""
        number = self.context.stop()
        if number is None:
            return
        saved, problems = [], []
        for run in self.beside:
            try:
                saved.append(run.save())
            except RunFolderError as problem:
                problems.append(problem)
        if problems:
            raise problems[0]
        state = "Saved" if all(saved) else "Not saved (see above)"
        cursor = self.now.cursor
        raise Stopped(
            f"run '{self.config.name}' was stopped by {name_of(number)} in epoch "
            f"{cursor.epoch + 1} after {cursor.batch} of {self.trainer.batches_per_epoch} "
            f"batches. {state}; go on with:\n  eqprop resume {self.folder.path}",
            number,
        )

    def _tell(self, **facts: Any) -> None:
        cursor = self.now.cursor
        where = {
            "name": self.config.name,
            "epoch": cursor.epoch + 1,
            "epochs": self.config.training.epochs,
            "batches_done": cursor.batch,
            "batches": self.trainer.batches_per_epoch,
            "validation_error": cursor.validation_error,
            "task": self.dataset.task,
        }
        self.context.report(Progress(**(where | facts)))

    def _notice(self, text: str) -> None:
        self._tell(notice=text)
