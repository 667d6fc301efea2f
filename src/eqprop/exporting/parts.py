"""What other tools need of a network: how a unit answers, and what layers pass on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.energy import HopfieldEnergy, Network
from eqprop.energy.activation import name_of
from eqprop.energy.connections import ways
from eqprop.energy.feedback import Feedback
from eqprop.errors import ConfigError
from eqprop.learning import Phase
from eqprop.relaxation import BlockCoordinateDescent, Euler, ForwardPass, Residual, relax
from eqprop.training import Examples, Model, evaluate


@dataclasses.dataclass(frozen=True)
class Unit:
    """How a unit answers: `spice`, a voltage in which `{pull}` stands; `rho`, on NumPy arrays."""

    spice: str
    rho: Callable[[np.ndarray], np.ndarray]


# `limit()` does not clip in a B source of ngspice.
_HARD = Unit("min(max({pull}, 0), 1)", lambda pull: np.clip(pull, 0, 1))
UNITS = {
    "HardSigmoid": _HARD,
    "Activities(HardSigmoid)": _HARD,
    "Activities(Sigmoid)": Unit("1/(1+exp(-({pull})))", lambda pull: 1 / (1 + np.exp(-pull))),
    "Activities(ShiftedSigmoid)": Unit(
        "1/(1+exp(2-4*({pull})))", lambda pull: 1 / (1 + np.exp(2 - 4 * pull))
    ),
    "Activities(Tanh)": Unit("tanh({pull})", np.tanh),
}
"""By the name of the activation."""


def unit_of(energy: HopfieldEnergy, what: str) -> Unit:
    """How the units of a network answer.

    **Arguments:** `what`: it is to become, for the message.

    **Raises:** `ConfigError` for an activation that is not listed, and for further terms.
    """
    found, terms = UNITS.get(name_of(energy.activation)), energy.terms
    if found is None or terms:
        got = "terms of its own" if terms else name_of(energy.activation)
        raise ConfigError(
            f"{what} needs an activation out of {', '.join(UNITS)} and no further terms, got "
            f"{got}. With other activations the paper's energy has no such equilibrium."
        )
    return found


def energy_of(model: Model, what: str) -> HopfieldEnergy:
    """What a model settles by, as its units see it.

    **Raises:** `ConfigError`, in the name of `what` needs it, for one that does not settle.
    """
    if isinstance(model.evaluation.method, ForwardPass):
        raise ConfigError(
            f"{what} settles, got a network of backpropagation, whose wiring is read forwards. "
            "Train one by a rule that relaxes."
        )
    return model.seen.hopfield


def ways_of(energy: HopfieldEnergy) -> Iterator[tuple[int, int, np.ndarray]]:
    """To which layer, from which, by which weights `[units of to, units of from]`, float64.

    Both directions of every pair of layers, weakened feedback included; from the inputs one only.
    Inside a layer both directions are a triangle each.
    """
    feedback = Feedback(energy.feedback, energy.layer_sizes)
    forwards, back = ways(energy.connections)
    for post, pre in forwards:
        weights = np.asarray(forwards[post, pre], np.float64)
        yield post, pre, feedback.on_the_way(post, pre) * weights
        if pre:  # nothing goes back into an input
            weights = np.asarray(back[post, pre], np.float64)
            yield pre, post, feedback.on_the_way(pre, post) * weights.T


MOST_STEPS = 20_000
"""Of a relaxation that has to settle."""


def settled_exactly(network: Network, x: np.ndarray) -> tuple[np.ndarray, int]:
    """Where examples settle from a cold start, to 1e-10.

    **Arguments:** `x`: `[examples, inputs]`, as the network sees them.

    **Returns:** states `[examples, free units]`, and how many examples have not settled in
    `MOST_STEPS`: with those there is nothing to compare.
    """
    nothing = np.zeros((len(x), network.num_targets), np.float32)
    examples = Examples.of(network, np.asarray(x, np.float32), nothing)
    method = BlockCoordinateDescent(1.0) if network.energy.has_blocks else Euler(0.3)
    start = np.zeros((len(x), network.num_free), np.float32)
    phase = Phase(method, Residual(1e-6, max_steps=MOST_STEPS))
    found = evaluate(network, examples, phase, states=start)
    with jax.enable_x64(True):
        clamped = network.astype(jnp.float64).energy.clamp(jnp.asarray(x, jnp.float64))
        near = jnp.asarray(np.asarray(found.states), jnp.float64)
        end = relax(clamped, near, method, Residual(1e-10, max_steps=MOST_STEPS))
    return np.asarray(end.state), int((~np.asarray(end.settled)).sum())


def written_into(folder: str | Path) -> Path:
    """Makes the folder of an export.

    **Raises:** `ConfigError` where that fails.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise ConfigError(
            f"`folder` must be a folder that can be written to, got {folder} ({problem.strerror}). "
            "Name another one."
        ) from None
    return folder
