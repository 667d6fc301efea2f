"""Runs on their way to the end: one alone, or several of one shape in one program."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Hashable, Iterator, Sequence

import jax

from eqprop.config.run_config import RunConfig
from eqprop.energy import Network
from eqprop.errors import EqpropError, Stopped
from eqprop.learning import AbstractLearningRule
from eqprop.running.in_progress import RunInProgress
from eqprop.running.machine import release_memory, release_programs
from eqprop.running.wiring import build_topology
from eqprop.training import BatchLog, Together, TrainState

Failed = Callable[[RunInProgress, Exception], None]
"""Gets a run that failed, and why."""


def finish(runs: Sequence[RunInProgress], failed: Failed | None = None) -> None:
    """Trains what is left of runs, and writes the results of each when it is over.

    Those that are furthest behind go first, so that runs which were stopped at several places
    meet.

    **Arguments:**

    - `runs`: of one `program_of`, on the same examples.
    - `failed`: called for each run that fails, which leaves the others alone; without it an
      error is raised.

    **Raises:** `Stopped`, with all that is not over saved as far as it could be.
    """
    team = _Team(runs, failed)
    try:
        team.finish()
    except EqpropError:
        raise
    except Exception as problem:  # such as too little memory for so many
        if failed is None:
            raise
        for run in team.left:
            failed(run, problem)


def program_of(config: RunConfig) -> Hashable:
    """Equal for runs that one program can train; None for one that must be alone.

    Seeds, wirings of the same pairs of layers, learning rates, initial weights and strengths of
    devices may differ.
    """
    if config.training.budget is not None or config.pruning.what != "nothing":
        return None
    values = config.model_dump(mode="json")
    for section in ("name", "seed", "topology", "device", "evaluation", "checkpoint"):
        del values[section]
    for own in (
        "learning_rate",
        "bias_rates",
        "skip_rate",
        "intralayer_rate",
        "own_rates",
        "max_weight",
    ):
        del values["learning"][own]
    for own in ("skip_scale", "intralayer_scale"):
        del values["network"][own]
    values["given"] = getattr(config.device.kind, "input_bits", None)  # all learn the same examples
    topology, device = build_topology(config), jax.tree.structure(config.device.kind.build())
    return json.dumps(values, sort_keys=True), device, topology.layer_sizes, tuple(topology.masks)


class _Team:
    """Runs that are brought to their end side by side; `left`, those neither over nor failed."""

    def __init__(self, runs: Sequence[RunInProgress], failed: Failed | None) -> None:
        self.left, self.failed = list(runs), failed
        for run in runs:
            run.beside = self.left

    def finish(self) -> None:
        program: _Program | None = None
        self.left[0].stop_if_asked()
        while True:
            for run in [run for run in self.left if run.is_over()]:
                if self._each([run], RunInProgress.write_results):
                    self.left.remove(run)
            if not self.left:
                return
            place = min(run.place() for run in self.left)
            runs = [run for run in self.left if run.place() == place]
            if program is None or program.runs != runs:
                program = _Program(runs)
                entry = {"compile_seconds": program.compile() / len(runs)}
                self._each(runs, lambda run, entry=entry: run.note_time(entry))
            self._train_epoch(program)

    def _train_epoch(self, program: _Program) -> None:
        began = time.monotonic()
        saved = {run: -run.saving_seconds for run in program.runs}
        rule = program.runs[0].rule()
        for done, parts in program.chunks(rule):
            runs = self._each(
                program.runs, lambda run, done=done, parts=parts: run.take(rule, *parts[run], done)
            )
            if not runs or runs[0].has_spent():
                break
            over = done == runs[0].trainer.batches_per_epoch
            due = [] if over else [run for run in runs if run.is_save_due()]
            asked = runs[0].context.stop() is not None
            if due or asked:
                program.hand_back()
                self._each(due, RunInProgress.save)
                if asked and self.left:
                    self.left[0].stop_if_asked()
                program.take_back()
            if not any(run in self.left for run in runs):
                break
        program.hand_back()
        program.state = None
        release_memory()
        saved = {run: run.saving_seconds + before for run, before in saved.items()}
        share = (time.monotonic() - began - sum(saved.values())) / len(saved)
        runs = self._each(program.runs, lambda run: _end_epoch(run, share, saved[run]))
        self._each([run for run in runs if run.is_save_due()], RunInProgress.save)
        if self.left:
            self.left[0].stop_if_asked()

    def _each(
        self, runs: Sequence[RunInProgress], step: Callable[[RunInProgress], object]
    ) -> list[RunInProgress]:
        """A step of those runs that are left; returns those that did not fail in it."""
        done = []
        for run in [run for run in runs if run in self.left]:
            try:
                step(run)
                done.append(run)
            except EqpropError as problem:
                if self.failed is None or isinstance(problem, Stopped):
                    raise
                self.left.remove(run)
                self.failed(run, problem)
        return done


def _end_epoch(run: RunInProgress, training: float, saving: float) -> None:
    """Ends an epoch, with the seconds that it took so far."""
    began = time.monotonic()
    run.end_epoch()
    entry = {
        "epoch": run.now.cursor.epoch,
        "training_seconds": training,
        "evaluation_seconds": time.monotonic() - began,
        "saving_seconds": saving,
    }
    run.note_time(entry)


class _Program:
    """What trains runs that stand at the same place: the trainer of one, or `Together`."""

    def __init__(self, runs: Sequence[RunInProgress]) -> None:
        self.runs = list(runs)
        self.trainer = runs[0].trainer
        self.together: Together | None = None
        if len(runs) > 1:
            same = self.trainer.examples  # in the same memory
            trainers = [dataclasses.replace(run.trainer, examples=same) for run in runs]
            self.trainer = self.together = Together(trainers)
        self.state: TrainState | None = None  # None while each run has its own

    def compile(self) -> float:
        """Compiles what `chunks` will run; returns the seconds that took."""
        began = time.monotonic()
        release_programs()  # of the runs before these in this process
        self.state = self.trainer.compile(self._joined(), self.runs[0].rule())
        release_memory()
        return time.monotonic() - began

    def chunks(
        self, rule: AbstractLearningRule
    ) -> Iterator[tuple[int, dict[RunInProgress, tuple[BatchLog, Network]]]]:
        """Trains what is left of the epoch.

        **Yields:** batches done, and records and network of each run after a chunk.
        """
        first = self.runs[0]
        epoch, batch = first.place()
        if batch and first.has_spent():
            return
        for chunk in self.trainer.epoch(self._joined(), rule, epoch, first_batch=batch):
            self.state = chunk.state
            if self.together is None:
                logs, networks = [chunk.log], [chunk.state.network]
            else:
                logs = self.together.logs(chunk.log)
                networks = self.together.networks(chunk.state)
            parts = zip(self.runs, logs, networks, strict=True)
            yield chunk.batches_done, {run: (log, network) for run, log, network in parts}

    def _joined(self) -> TrainState:
        """The state of all runs, which do not have their own until it is handed back."""
        if self.state is not None:
            return self.state
        states = [run.now.state for run in self.runs]
        return states[0] if self.together is None else self.together.joined(states)

    def hand_back(self) -> None:
        """Gives each run its own part of the state."""
        if self.state is None:
            return
        together = self.together
        states = [self.state] if together is None else together.states(self.state)
        for run, state in zip(self.runs, states, strict=True):
            run.now.state = state

    def take_back(self) -> None:
        """Lets go of what `hand_back` copied, which is as large as the state."""
        if self.together is not None:
            for run in self.runs:
                run.now.state.particles.delete()
