"""Objects in place of settings: what Python hands to a run, and asks for again when it goes on."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import equinox as eqx
import jax
import numpy as np

from eqprop.config.run_config import RunConfig
from eqprop.data import Dataset
from eqprop.data.preparing import given
from eqprop.data.settings import GivenSettings
from eqprop.energy import Network
from eqprop.errors import ConfigError, DataError, RunFolderError
from eqprop.learning import AbstractLearningRule
from eqprop.records import RunFolder
from eqprop.topology import Topology

RECORD = "objects.json"
"""What a run folder says of the objects that the run began with."""
FILE = "topology.file"
"""The wiring of a file, which the settings name: nobody hands it over."""


class Handed:
    """Data that Python handed over, as `eqprop.data.preparing.given` takes them.

    Each way to prepare them stays until another one is asked for: all that ask for a run get one.
    """

    def __init__(self, data: Any) -> None:
        self._data = data
        self._last: tuple[GivenSettings, Dataset] | None = None

    def prepared(self, config: RunConfig) -> Dataset:
        """The data set, as the settings prepare it.

        **Raises:** `ConfigError` for a run that has a data set by name.
        """
        wanted = config.data.dataset
        if not isinstance(wanted, GivenSettings):
            raise ConfigError(
                f"the run began with the data set '{wanted.name}' of its settings, got other data. "
                "Leave out `data`."
            )
        if self._last is None or self._last[0] != wanted:
            self._last = wanted, given(self._data, wanted)
        return self._last[1]


@dataclasses.dataclass(frozen=True)
class Objects:
    """What stands in place of sections of the settings; None where the settings say all.

    **Attributes:**

    - `data`: of data set `given`; or a data set as it was loaded or prepared, before the settings
      of the run choose from it (`for_run`).
    - `topology`: of wiring `given`, or what `build_topology` gave.
    - `network`: untrained, with energy and cost.
    - `rule`: the learning rule of every epoch.
    """

    data: Handed | Dataset | None = None
    topology: Topology | None = None
    network: Network | None = None
    rule: AbstractLearningRule | None = None

    def dataset(self, config: RunConfig) -> Dataset | None:
        """The data set, where it is at hand."""
        return self.data.prepared(config) if isinstance(self.data, Handed) else self.data

    def facts(self, config: RunConfig) -> dict[str, str]:
        """What is written down of those that the settings do not say: digests, and forms."""
        found = {}
        dataset = self.dataset(config)
        if dataset is not None and config.data.dataset.name == "given":
            splits = [split for _, split in sorted(dataset.splits.items())]
            parts = [part for split in splits for part in vars(split).values()]
            found["data"] = digest([part for part in parts if part is not None])
        if self.topology is not None and config.topology.wiring.name == "given":
            found["topology"] = digest(self.topology.to_arrays().values())
        elif self.topology is not None and config.topology.file is not None:
            found[FILE] = digest(self.topology.to_arrays().values())
        if self.network is not None:  # arrays show as type and shape: values are what is learned
            found["network"] = _form(self.network)
        if self.rule is not None:
            values = [np.asarray(leaf) for leaf in jax.tree.leaves(self.rule)]
            found["rule"] = _form(self.rule) + digest(values)
        return found

    def begin(self, config: RunConfig, folder: RunFolder) -> None:
        """Writes down what a new run begins with."""
        facts = self.facts(config)
        if facts:
            folder.write_json(RECORD, facts)

    def check(self, config: RunConfig, folder: RunFolder) -> None:
        """Refuses, by `ConfigError` or `DataError`, objects that the run did not begin with."""
        wanted = recorded(folder)
        found = self.facts(config)
        missing = [name for name in wanted if name not in found and name != FILE]
        if missing:
            raise ConfigError(
                f"the run in {folder.path} began with {_named(wanted)} handed over in Python, got "
                f"no {' and no '.join(missing)}. Go on by eqprop.resume(folder, "
                f"{', '.join(f'{name}=...' for name in wanted)}) with the same objects."
            )
        for name, fact in found.items():
            if name not in wanted and name == FILE:
                # Such as a cell of a sweep, which was made before anything was read.
                folder.write_json(RECORD, {**wanted, FILE: fact})
            elif name not in wanted:
                raise ConfigError(
                    f"the run in {folder.path} began with the {name} of its settings, got another "
                    f"one. Leave out `{name}`."
                )
            elif fact != wanted[name]:
                error = DataError if name == "data" else ConfigError
                raise error(
                    f"`{name}` must be what the run in {folder.path} began with, got something "
                    "else. Go on with the same, or begin a new run."
                )


NOTHING = Objects()
"""The settings say all."""


def recorded(folder: RunFolder) -> Mapping[str, str]:
    """What the run in a folder began with beside its settings."""
    if not (folder.path / RECORD).is_file():
        return {}
    found: Any = folder.read_json(RECORD)
    if not isinstance(found, dict):
        raise RunFolderError(f"{folder.path / RECORD} must be an object, got {found!r}.")
    return found


def digest(arrays: Iterable[np.ndarray]) -> str:
    """Of types, shapes and values."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(str((array.dtype, array.shape)).encode())
        total.update(np.ascontiguousarray(array).data.cast("B"))
    return total.hexdigest()


def _form(thing: Any) -> str:
    return hashlib.sha256(eqx.tree_pformat(thing).encode()).hexdigest()


def _named(names: Mapping[str, str]) -> str:
    return " and ".join(names)
