"""A package beside eqprop: a thing of every kind, each declared by an entry point."""

from __future__ import annotations

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from pydantic import Field

import eqprop
from eqprop.data import Dataset, Split
from eqprop.data.settings import DatasetChoice
from eqprop.energy import AbstractSmoothActivation
from eqprop.energy.settings import ActivationChoice, TermChoice
from eqprop.experiments.experiment import Experiment
from eqprop.learning import AbstractContrastiveRule, Phase, Phases, Report
from eqprop.learning.settings import RuleChoice
from eqprop.relaxation import AbstractRelaxation, projected_residual
from eqprop.relaxation.settings import RelaxationChoice
from eqprop.topology import two_phases


class SoftSign(AbstractSmoothActivation):
    """s / (1 + |s|)."""

    def __call__(self, state):
        return state / (1 + jnp.abs(state))

    def derivative(self, state):
        return 1 / (1 + jnp.abs(state)) ** 2

    @property
    def is_identity_on_its_box(self):
        return False

    @property
    def is_holomorphic(self):
        return False


class SoftSignSettings(ActivationChoice, name="soft-sign"):
    """s / (1 + |s|)."""

    def build(self):
        return SoftSign()


class Levels(eqprop.AbstractTerm):
    """Draws each free unit to a level of its own, which is learned."""

    levels: jax.Array
    strength: float = eqx.field(static=True)

    def __call__(self, x, state):
        return 0.5 * self.strength * jnp.sum((state - self.levels) ** 2)


class LevelsSettings(TermChoice, name="levels"):
    """A level for each free unit."""

    strength: float = Field(default=0.2, gt=0, description="of the pull to the levels")

    def build(self, layer_sizes, key):
        return (Levels(jnp.full(sum(layer_sizes[1:]), 0.1), self.strength),)


class TwoHalves(AbstractRelaxation):
    """Two Euler steps of half the size."""

    step_size: float = eqx.field(static=True)

    def prepare(self, energy):
        return energy

    def init(self, prepared, state):
        return None

    def step(self, prepared, state, memory, key):
        seen = projected_residual(prepared, state)
        for _ in range(2):
            state = prepared.project(state + 0.5 * self.step_size * prepared.force(state))
        return state, None, seen

    def residual(self, energy, state):
        return projected_residual(energy, state)


class TwoHalvesSettings(RelaxationChoice, name="two-halves"):
    """Two Euler steps of half the size."""

    step_size: float = Field(default=0.4, gt=0, description="of both together")

    def build(self, nudged_step):
        return TwoHalves(self.step_size)


class Between(AbstractContrastiveRule):
    """beta is drawn for each batch, evenly between half of `most` and `most`."""

    most: jax.Array
    free: Phase
    nudged: Phase

    def check(self, network):
        """Nothing is refused."""

    def work(self, wires, free_steps, other_steps):
        return two_phases(wires, free_steps, other_steps)

    def phases(self, network, x, target, states, key):
        clamped = self.free.method.prepare(network.energy.clamp(x))
        free = eqprop.relax(clamped, states, self.free.method, self.free.termination)
        beta = jax.random.uniform(key, (), states.dtype, 0.5 * self.most, self.most)
        total = network.nudged(clamped, beta, target)
        nudged = eqprop.relax(total, free.state, self.nudged.method, self.nudged.termination)
        slopes = ((1 / beta, nudged.state), (-1 / beta, free.state))
        return Phases(slopes, free.state, Report(free, (nudged,), beta))


class BetweenSettings(RuleChoice, name="between"):
    """A strength drawn for each batch."""

    most: float = Field(default=0.4, gt=0, description="largest beta")

    def build(self, free, nudged):
        return Between(jnp.asarray(self.most), free, nudged)


class StripesSettings(DatasetChoice, name="stripes"):
    """Rows or columns that are brighter than the rest of a small picture."""

    noise: float = Field(default=0.2, ge=0, description="standard deviation on each pixel")

    def load(self, data_dir: Path | None = None):
        rng = np.random.default_rng(0)
        labels = rng.integers(2, size=240)
        pictures = np.full((240, 4, 4), 0.3)
        for picture, label, line in zip(pictures, labels, rng.integers(4, size=240), strict=True):
            if label:
                picture[line] = 0.9
            else:
                picture[:, line] = 0.9
        x = np.clip(pictures + self.noise * rng.standard_normal(pictures.shape), 0, 1)
        x = x.reshape(240, 16).astype(np.float32)
        splits = {"train": Split(x[:160], labels[:160]), "validation": Split(x[160:], labels[160:])}
        return Dataset("stripes", splits, 2)


def _picture(drawn, stem: Path) -> None:
    from eqprop.plots.style import figure

    with figure(stem, size=(4, 3)) as grid:
        errors = [row["training_error"] for row in drawn.epochs]
        grid[0, 0].plot(errors, marker="o")


QUESTION = Experiment(
    "strength-question",
    "does the largest beta matter",
    {
        "smoke": {
            "topology": {"layer_sizes": [16, 10, 2]},
            "data": {"dataset": "stripes"},
            "learning": {"rule": "between", "learning_rate": 0.1},
            "nudged": {"method": "euler", "nudging_step": "joint", "steps": 20},
            "training": {"epochs": 2},
        }
    },
    lambda preset: {"weak": {"learning": {"most": 0.1}}, "strong": {"learning": {"most": 0.45}}},
    picture=_picture,
    tables=lambda drawn: [f"{len(drawn.epochs)} epochs of a question from outside"],
)
