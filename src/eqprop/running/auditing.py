"""The gradient audit of a run, finished or under way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from eqprop.config.settings import load_recorded as load_config
from eqprop.energy import Network
from eqprop.errors import ConfigError
from eqprop.learning import AbstractLearningRule, Audit, Oracle, as_held, audit, nudge_of, response
from eqprop.records import RunFolder
from eqprop.running.build import build_rule, data_of
from eqprop.running.finished import load_model, look_from
from eqprop.running.objects import recorded
from eqprop.training import Examples

AGREEMENT_COLUMNS = ("name", "cosine", "sign_agreement", "ratio", "exact")
RESPONSE_COLUMNS = (
    "beta", "effective_beta", "steps", "unsettled", "residual", "name", "cosine",
    "sign_agreement", "ratio",
)  # fmt: skip


def audit_run(
    path: Path, *, examples: int = 40, respond: bool = False, data_dir: Path | None = None
) -> tuple[Audit, list[dict[str, Any]], float]:
    """Audits a finished run on its first training examples.

    A finished run has no particles left; its free phases start with every unit at 1/2, and
    `Audit.elsewhere` compares where they settle with where a cold start does.

    **Arguments:**

    - `examples`: how many.
    - `respond`: whether to measure the answer to beta and to the number of nudged steps too.

    **Returns:** what was found; the answer, a row each; and the share of the examples that settle
    in more than one state from eight starts.
    """
    folder = RunFolder.open(path)
    config = load_config(folder.path / "config.toml")
    if "rule" in recorded(folder):
        raise ConfigError(
            f"`run` must have a rule of its settings, got {path}, whose rule was handed over in "
            "Python. Audit it there: eqprop.audit(network, rule, x, target, states)."
        )
    if config.learning.rule.reads_forwards:
        raise ConfigError(
            "`run` must have a rule that relaxes, got one trained by 'backpropagation', which is "
            "the gradient of another network: its wiring read forwards. Audit another run."
        )
    model = load_model(path)
    held, network = model.network, model.seen
    train = data_of(path, config, data_dir).split("train")
    if not 1 <= examples <= len(train):
        raise ConfigError(f"`examples` must lie in 1..{len(train)}, got {examples}.")
    chosen = Examples.of(network, train.x[:examples], train.target[:examples])
    states = np.full((examples, network.num_free), 0.5, network.dtype)
    batch, rule = (*_batch(chosen, network), states), build_rule(config, 1)
    if respond:
        nudge_of(rule)  # refuses rules that have none before anything is settled
    read = model.devices or as_held
    oracle = Oracle.of(network, *batch).through(read, held)
    rows = response(held, rule, *batch, oracle=oracle, read=read) if respond else []
    several = look_from(config, network, chosen, 8).several
    return audit(held, rule, *batch, oracle=oracle, read=read), rows, several


def audit_examples(
    rule: AbstractLearningRule,
    network: Network,
    examples: Examples,
    states: Any,
    read: Callable[[Network], Network] = as_held,
) -> Audit:
    """Audits a network under a rule."""
    return audit(network, rule, *_batch(examples, network), states, read=read)


def table(found: Audit) -> list[list[str]]:
    """Rows of text: every pair of layers, every kind of connection, and all together."""
    return [
        [
            part.name,
            f"{part.cosine:.4f}",
            f"{100 * part.sign_agreement:.1f}",
            f"{part.ratio:.3g}",
            f"{part.exact:.2e}",
        ]
        for part in (*found.pairs, *found.kinds, found.overall)
    ]


def facts(found: Audit) -> list[str]:
    """What the audit saw beside the table, a line each."""
    lines = [
        f"{found.examples} examples, {found.with_gradient:.0%} of them with a gradient",
        f"free phases: {found.free.unsettled:.0%} unsettled, largest residual "
        f"{found.free.largest:.1e}",
    ]
    if found.nudged is not None:
        lines.append(
            f"second phases: {found.nudged.unsettled:.0%} unsettled, largest residual "
            f"{found.nudged.largest:.1e}"
        )
    bounds = [share for share in found.saturation if not np.isnan(share)]
    saturation = ", ".join(f"{100 * share:.0f}" for share in bounds)
    return [
        *lines,
        *(
            f"beta {beta:g}, {effective:g} in effect"
            for beta, effective in zip(found.betas, found.effective_betas, strict=True)
        ),
        *(
            []
            if np.isnan(found.small_nudge_cosine)
            else [f"with a small nudge in settled phases: cosine {found.small_nudge_cosine:.4f}"]
        ),
        f"lowest eigenvalue of the coupling {found.lowest_eigenvalue:.2f}; Euler steps up to "
        f"{found.step_limit:.3g}" + _taken(found.step_size),
        f"steps of block descent up to {found.block_limit:.3g}" + _taken(found.block_step),
        f"{found.astray:.0%} of the free phases end elsewhere than where the oracle settled",
        f"{found.elsewhere:.0%} settle elsewhere from a cold start than from the states given",
        *([f"units at a bound per layer: {saturation} %"] if bounds else []),
        *_displacements(found),
    ]


def _taken(step: float) -> str:
    """What a rule takes, where it relaxes that way at all."""
    return f"; the rule takes {step:g}" if step else ""


def _displacements(found: Audit) -> list[str]:
    if not found.displacement:
        return []
    moved, unknown = (
        ", ".join(f"{size:.1e}" for size in sizes) for sizes in (found.displacement, found.rounding)
    )
    lost = f"rounding of the states: {unknown}" if any(found.rounding) else "none is subtracted"
    return [f"phases end apart, per layer: {moved}; {lost}"]


def _batch(examples: Examples, network: Network) -> tuple[Any, Any]:
    from eqprop.energy.pixels import inputs

    return inputs(examples.x, network.dtype), examples.target
