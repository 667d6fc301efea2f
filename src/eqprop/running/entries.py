"""What a run writes down: logs and evaluations as lines of `metrics.jsonl`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from eqprop.learning import AbstractLearningRule
from eqprop.relaxation import Euler, Noisy
from eqprop.training import BatchLog, Evaluation


def join_logs(logs: Sequence[BatchLog]) -> BatchLog:
    """The logs of consecutive chunks as one."""
    return jax.tree.map(lambda *parts: np.concatenate(parts), *logs)


def update_entries(log: BatchLog, first: int) -> list[dict[str, Any]]:
    """One entry per recorded batch: root mean squares per group of parameters.

    **Arguments:**

    - `first`: number of the log's first batch, counted over the whole run.
    """
    entries = []
    recorded = next(iter(log.updates.values()))
    for row in np.flatnonzero(np.isfinite(recorded)):
        entry: dict[str, Any] = {"kind": "updates", "batch": first + int(row)}
        for name in ("corrections", "updates"):
            sizes = getattr(log, name)
            entry[name] = {label: float(v[row]) for label, v in sizes.items()}
        entries.append(entry)
    return entries


def epoch_entry(log: BatchLog) -> dict[str, Any]:
    """Training error and cost of an epoch, and how its two phases settled.

    `..._residual_mean` is the mean over batches of the largest residual in each.
    """
    examples = int(log.examples.sum())
    entry: dict[str, Any] = {
        "training_examples": examples,
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


def evaluation_entry(split: str, found: Evaluation, start: str = "cold") -> dict[str, Any]:
    """Error, cost and settling of one look at a split.

    **Arguments:** `start`: `cold`, or `kept` where states of the look before were.
    """
    return {
        f"{split}_error": found.error,
        f"{split}_cost": found.cost,
        f"{split}_examples": len(found.outputs),
        f"{split}_unsettled": found.unsettled,
        f"{split}_steps": found.steps,
        f"{split}_start": start,
    }


def settling_entry(
    epochs: Sequence[Mapping[str, Any]], rule: AbstractLearningRule
) -> dict[str, dict[str, float | None]]:
    """What settling took in training, of an `example` and of an `epoch`, means over epochs.

    `..._steps` are those of a free phase, and of all phases after it. `..._time` is that in time
    constants of the units, where steps are of time (`Euler`); None where they are sweeps or
    accelerated, which no circuit does. `reads` is how often a device is read: once in a step, by
    each unit that it drives.
    """
    second = getattr(rule, "nudged", getattr(rule, "clamped", None))
    example: dict[str, float | None] = {}
    reads = 0.0
    for name, phase in (("free", getattr(rule, "free", None)), ("nudged", second)):
        steps = float(np.mean([entry[f"{name}_steps"] for entry in epochs]))
        method = None if phase is None else phase.method
        while isinstance(method, Noisy):
            method = method.method
        time = steps * float(method.step_size) if isinstance(method, Euler) else None
        example |= {f"{name}_steps": steps, f"{name}_time": time}
        reads += steps
    example["reads"] = reads
    examples = float(np.mean([entry["training_examples"] for entry in epochs]))
    epoch = {name: None if one is None else one * examples for name, one in example.items()}
    return {"example": example, "epoch": epoch}
