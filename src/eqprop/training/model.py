"""A trained or trainable network with everything it needs: the short way to use the library."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import optax

from eqprop.energy import Network
from eqprop.energy.pixels import inputs
from eqprop.errors import ConfigError
from eqprop.learning import (
    AbstractLearningRule,
    EquilibriumPropagation,
    Phase,
    RandomSign,
    learning_rates,
)
from eqprop.relaxation import BlockCoordinateDescent, Euler, FixedSteps, Residual
from eqprop.topology import Topology
from eqprop.training.evaluation import Evaluation, evaluate, nearly_forward
from eqprop.training.examples import Examples, decided
from eqprop.training.finite import check_finite
from eqprop.training.health import PYTHON, guessing, warnings_of
from eqprop.training.preparation import Preparation
from eqprop.training.probing import probe
from eqprop.training.reading import Reading
from eqprop.training.sharding import copied
from eqprop.training.starts import COLD, evaluate_starts, starts_of
from eqprop.training.train import TrainState
from eqprop.training.trainer import Trainer

_SGD = optax.sgd(1.0)
_PROBED = 64  # examples that are looked at more closely
PATIENCE = 3
"""Epochs of a call after which an error at chance is worth a warning."""


_UNSETTLED = 0.5
"""The share of examples beyond which a prediction is worth a warning."""


def default_rule(beta: float = 1.0, max_sweeps: int = 100) -> EquilibriumPropagation:
    """The paper's rule, with a free phase by over-relaxed block descent until settled.

    Random sign of beta, nudged phase of 8 `split` Euler steps of size .5 as released.
    """
    return EquilibriumPropagation(
        RandomSign(beta),
        free=_sweeps(max_sweeps),
        nudged=Phase(Euler(0.5, nudging_step="split"), FixedSteps(8)),
    )


def evaluation_phase(network: Network, max_steps: int = 300) -> Phase:
    """How examples are relaxed when nothing else is said, until they have settled.

    Block coordinate descent where the network allows it, over-relaxed unless feedback is weak;
    else `Euler(0.5)`.
    """
    if network.energy.has_blocks:
        # A layer that nothing pulls back is done after one step of 1; a longer one leaves it again.
        return _sweeps(max_steps, step_size=1.0 if nearly_forward(network) else 1.5)
    return Phase(Euler(0.5), Residual(max_steps=max_steps))


def _sweeps(most: int, step_size: float = 1.5) -> Phase:
    return Phase(BlockCoordinateDescent(step_size, block_size=64), Residual(max_steps=most))


class Model:
    """A network on a topology that fits, predicts and exports.

    **Arguments:**

    - `topology`: which connections exist.
    - `seed`: of the initial weights and of the signs of beta.
    - `network`: instead of random initial weights.
    - `evaluation`: how examples relax when they are predicted or evaluated; default
      `evaluation_phase`; for an energy without blocks, once `fit` was given a rule, by the steps
      of its free phase.
    - `preparation`: what a run did to its data: `predict` and `outputs` then take inputs as they
      were before, and answer in the words and units of the data.
    - `config`: the settings of the run that trained it; a saved model has them, too.
    - `devices`: how parameters are read from what holds `network`; None for as they are.

    >>> import eqprop, numpy as np
    >>> x = np.random.default_rng(0).random((200, 6)); labels = (x[:, 0] > x[:, 1]).astype(int)
    >>> model = eqprop.Model(eqprop.layered([6, 16, 2]), seed=0)
    >>> errors = model.fit(x, labels, epochs=5, learning_rate=0.1)
    >>> model.predict(x).shape
    (200,)
    """

    def __init__(
        self,
        topology: Topology,
        *,
        seed: int = 0,
        network: Network | None = None,
        evaluation: Phase | None = None,
        preparation: Preparation | None = None,
        config: Any = None,
        devices: Reading | None = None,
    ) -> None:
        if network is not None and network.layer_sizes != topology.layer_sizes:
            raise ConfigError(
                f"`network` must have the layers of `topology`, {list(topology.layer_sizes)}, got "
                f"{list(network.layer_sizes)}. Make it by `Network.initialize(topology, ...)`."
            )
        self.topology = topology
        self.network = network or Network.initialize(topology, seed=seed)
        self.seed = seed
        self.evaluation = evaluation or evaluation_phase(self.network)
        self._is_usual = evaluation is None
        self.preparation = preparation or Preparation()
        self.config = config
        self.devices = devices
        self._going: TrainState | None = None
        self._epochs = 0

    @property
    def seen(self) -> Network:
        """`network` as phases and predictions see it: read from its devices, if it has any."""
        return self.network if self.devices is None else self.devices(self.network)

    def fit(
        self,
        x: Any,
        target: Any,
        *,
        epochs: int,
        learning_rate: float = 0.02,
        batch_size: int = 20,
        rule: AbstractLearningRule | None = None,
        shuffle: bool = True,
    ) -> list[float]:
        """Trains further, with persistent particles for the examples of this call.

        Whatever the rule draws goes on from call to call. Parameters are trained and then read as
        they are: devices that held them are gone. `Run.resume` trains with them.

        **Arguments:**

        - `x`: `[examples, ...]` in [0, 1].
        - `target`: labels `[examples]`, or `[examples, outputs]`.
        - `rule`: default `default_rule()`.
        - `shuffle`: whether each epoch has an order of its own; otherwise that of the arrays.

        **Returns:** the online training error of each epoch.

        **Raises:** `DivergedError` where a state or parameter becomes NaN or infinite; the network
        is that of some batches before. Warns (`UserWarning`) of what keeps a network from learning:
        phases that do not settle, dead outputs, saturated layers, an error at chance after
        `PATIENCE` epochs.
        """
        examples = Examples.of(self.network, self._given(x), target)
        self.devices = None
        trainer = Trainer(
            examples,
            _SGD,
            learning_rates(self.network, learning_rate),
            min(batch_size, len(examples)),
            jax.random.key(self.seed),
            shuffle_seed=self.seed if shuffle else None,
        )
        rule = rule or default_rule()
        state, errors, seen = trainer.onwards(self.network, self._going), [], 0
        unsettled = 0.0
        for _ in range(epochs):
            wrong, unsettled = 0, 0.0
            for chunk in trainer.epoch(state, rule, self._epochs):
                state = chunk.state
                check_finite(chunk.log, state.network, seen)
                seen += len(chunk.log.errors)
                wrong += int(chunk.log.errors.sum())
                unsettled += float(chunk.log.free.unsettled.sum()) / len(examples)
                self.network = copied(state.network)  # the next chunk takes that of the state
            self._epochs += 1
            errors.append(wrong / len(examples))
        free = getattr(rule, "free", None)
        if self._is_usual and isinstance(free, Phase) and not self.network.energy.has_blocks:
            # Nothing else is known of such an energy than the steps with which it has learned.
            self.evaluation = Phase(free.method, self.evaluation.termination)
        self._going = state  # an interrupted call goes on from the signs of the one before
        if errors:
            self._warn(trainer, state, getattr(rule, "free", None), errors, unsettled)
        return errors

    def _warn(
        self,
        trainer: Trainer,
        state: TrainState,
        phase: Phase | None,
        errors: list[float],
        unsettled: float,
    ) -> None:
        """Warns of what the last epoch shows."""
        examples = trainer.examples
        x = inputs(examples.x[:_PROBED], self.network.dtype)
        start = trainer.kept_states(state, len(x))
        seen = jax.device_get(probe(self.network, x, start, phase or self.evaluation))
        target = np.asarray(examples.target)
        is_class = target.ndim == 1 or ((target == 0) | (target == 1)).all()
        chance = guessing(self.network, examples, "classification") if is_class else np.inf
        reached = errors[-1] if len(errors) >= PATIENCE else 0.0
        measured = phase is not None and phase.termination.measures
        for name in warnings_of(seen, reached, chance, unsettled if measured else None):
            warnings.warn(f"{name}: {PYTHON[name]}.", stacklevel=3)

    def outputs(
        self, x: Any, *, starts: int | Sequence[str] = COLD, starts_seed: int = 0
    ) -> np.ndarray:
        """The settled output units `[examples, outputs]`; of a regression in the data's units.

        **Arguments:** as of `evaluate`.
        """
        return self.preparation.told(self._shown(x, starts, starts_seed).outputs)

    def scores(self, x: Any) -> np.ndarray:
        """What is compared with a target `[examples, targets]`: outputs, or a read-out of them."""
        return self._shown(x, COLD, 0).scores

    def predict(
        self, x: Any, *, starts: int | Sequence[str] = COLD, starts_seed: int = 0
    ) -> np.ndarray:
        """The class `[examples]` of the largest settled output, by its name in the data.

        Of a regression on prepared data the `outputs`.

        **Arguments:** as of `evaluate`.
        """
        if self.preparation.is_regression:
            return self.outputs(x, starts=starts, starts_seed=starts_seed)
        return self.preparation.told(
            decided(self._shown(x, starts, starts_seed).scores).astype(int)
        )

    def to_networkx(self) -> Any:
        """The graph of the units with trained weights as `weight` and biases as `bias`."""
        weights = {block: np.asarray(w) for block, w in self.network.hopfield.weights.items()}
        graph = self.topology.to_networkx(weights)
        inputs, nodes = self.network.num_inputs, list(graph)
        biases = np.concatenate([np.asarray(b) for b in self.network.hopfield.biases.values()])
        for node, bias in zip(nodes[inputs:], biases.tolist(), strict=True):
            graph.nodes[node]["bias"] = bias
        return graph

    def __repr__(self) -> str:
        energy: Any = self.network.energy
        parts = [type(getattr(energy, "activation", energy)), type(self.network.cost)]
        told = repr(self.topology).removeprefix("Topology(").removesuffix(")")
        return f"Model({told}, {', '.join(part.__name__ for part in parts)})"

    def _given(self, x: Any) -> Any:
        """Inputs as the devices of the run that trained the network give them."""
        return x if self.config is None else self.config.device.kind.given(np.asarray(x))

    def _shown(self, x: Any, starts: int | Sequence[str], seed: int) -> Evaluation:
        x = self.preparation.inputs(x)
        nothing = np.zeros((len(x), self.network.num_targets), np.float32)
        found = self.evaluate(x, nothing, starts=starts, starts_seed=seed)
        # Blocks settle, but for noise of reads that is new in every step, as somebody wanted it.
        if found.unsettled > _UNSETTLED and not self.network.energy.has_blocks:
            warnings.warn(
                f"{found.unsettled:.0%} of the examples have not settled: what they are told to be "
                "is no equilibrium. Say how they relax: Model(..., evaluation=Phase(...)).",
                stacklevel=4,
            )
        return found

    def evaluate(
        self, x: Any, target: Any, *, starts: int | Sequence[str] = COLD, starts_seed: int = 0
    ) -> Evaluation:
        """Error, cost and share unsettled.

        **Arguments:**

        - `starts`: where each example's relaxation begins: a cold start, with every unit at 0, or
          several, of whose equilibria that of lowest energy counts (`evaluate_starts`).
        - `starts_seed`: of random ones.
        """
        network = self.seen
        examples = Examples.of(network, self._given(x), target, learned=False)
        if starts_of(starts) == COLD:
            return evaluate(network, examples, self.evaluation)
        found = evaluate_starts(network, examples, self.evaluation, starts, seed=starts_seed)
        return found.lowest
