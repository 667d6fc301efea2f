"""The looks of a run at its own networks: at examples between epochs, and at the end."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Self

import numpy as np

from eqprop.config.run_config import RunConfig
from eqprop.data import Dataset, Split
from eqprop.energy import Network
from eqprop.running.entries import evaluation_entry
from eqprop.running.finished import look, look_from
from eqprop.training import Evaluation, Examples


def examples_of(network: Network, split: Split, *, learned: bool = True) -> Examples:
    """The examples of a split as a network takes them."""
    return Examples.of(network, split.x, split.target, split.weight, learned=learned)


@dataclasses.dataclass(frozen=True)
class Looks:
    """What a run looks at, and how.

    **Attributes:**

    - `validation`, `test`: the examples; None where a data set has no test examples.
    - `part`: the validation examples that every look is at.
    - `between`: called between two batches of a look; may raise.
    """

    config: RunConfig
    validation: Examples
    test: Examples | None
    part: np.ndarray | slice
    between: Callable[[], None]

    @classmethod
    def at(
        cls, config: RunConfig, dataset: Dataset, network: Network, between: Callable[[], None]
    ) -> Self:
        """The looks at networks that take their examples as this one does."""
        validation = dataset.split("validation")
        test = None
        if "test" in dataset.splits:
            test = examples_of(network, dataset.split("test"), learned=False)
        return cls(
            config,
            examples_of(network, validation, learned=False),
            test,
            validation.stratified_rows(config.evaluation.examples),
            between,
        )

    def first_states(self, network: Network) -> np.ndarray:
        """Where the examples are before the first look; none where every look is a cold one."""
        kept = 0 if self.config.evaluation.start == "cold" else len(self.validation)
        return np.zeros((kept, network.num_free), network.dtype)

    def cold(self, network: Network, *, whole: bool) -> Evaluation:
        """A look at validation examples, cold.

        **Arguments:** `whole`: whether at all of them, or at the part.
        """
        return self._look(network, slice(None) if whole else self.part)

    def of_epoch(
        self, network: Network, kept: np.ndarray, *, first: bool, whole: bool
    ) -> tuple[dict[str, Any], np.ndarray, Evaluation]:
        """Looks at the validation examples.

        Kept states are those of all examples at every look. The first look leaves the first ones:
        it starts cold, and what it finds is no error of kept states.

        **Arguments:**

        - `kept`: where the look before left the examples.
        - `first`: whether there was none before.
        - `whole`: whether the cold error is that of all examples, or of the part.

        **Returns:** what was found; where the examples were left; and the look at those examples
        alone that every look is at, by which networks are compared.
        """
        start = self.config.evaluation.start
        every = None if start == "cold" else self._look(network, states=kept)
        if every is not None:
            assert every.states is not None
            kept = every.states
            if start == "kept":
                entry = evaluation_entry("validation", every, "cold" if first else "kept")
                return entry, kept, every
        if first and every is not None:
            cold = every.of(slice(None) if whole else self.part)
        else:
            cold = self.cold(network, whole=whole)
        entry = evaluation_entry("validation", cold)
        if every is not None:
            of_kept = evaluation_entry("validation_kept", every, "kept")
            entry |= dict.fromkeys(of_kept) if first else of_kept
        return entry, kept, cold.of(self.part) if whole else cold

    def at_the_end(self, network: Network) -> dict[str, Any]:
        """At the test examples, and at the equilibria of lowest energy where that is wanted."""
        found: dict[str, Any] = {}
        if self.test is not None:
            test = look(self.config, network, self.test, between=self.between)
            found |= evaluation_entry("test", test)
        if starts := self.config.evaluation.starts:
            several = look_from(self.config, network, self.validation, starts, between=self.between)
            found |= evaluation_entry("validation_lowest", several.lowest, "lowest")
            found["several_equilibria"] = several.several
        return found

    def _look(self, network: Network, rows: Any = slice(None), states: Any = None) -> Evaluation:
        chosen = Examples(self.validation.x[rows], self.validation.target[rows])
        return look(self.config, network, chosen, states=states, between=self.between)
