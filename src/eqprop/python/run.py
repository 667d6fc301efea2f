"""Runs from Python: settings, and objects in place of any section of them."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from eqprop.config.overrides import override
from eqprop.config.recipes import cook
from eqprop.config.run_config import RunConfig
from eqprop.config.settings import build, load_recorded
from eqprop.config.toml import read
from eqprop.energy import Network
from eqprop.errors import ConfigError, DivergedError, Stopped
from eqprop.learning import AbstractLearningRule
from eqprop.python.progress import reporting
from eqprop.records import RunFolder
from eqprop.running import run as engine
from eqprop.running.context import Context, Reporter, nothing_said
from eqprop.running.finished import load_model
from eqprop.running.objects import Handed, Objects
from eqprop.running.signals import listening
from eqprop.topology import Topology
from eqprop.training import Model

Settings = RunConfig | Mapping[str, Any] | str | Path | None


def train(
    settings: Settings = None,
    *,
    recipe: str | None = None,
    data: Any = None,
    topology: Topology | None = None,
    network: Network | None = None,
    rule: AbstractLearningRule | None = None,
    out: str | Path | None = None,
    data_dir: str | Path | None = None,
    progress: bool | Reporter = False,
) -> Run:
    """Trains one network as `eqprop train` does, with objects in place of any section.

    Records, warnings, checkpoints and the network go to a new folder under `out`. Ctrl-C saves and
    stops; `resume` goes on.

    **Arguments:**

    - `settings`: a TOML file, or what one says, such as `{"training": {"epochs": 3}}`; defaults
      where it says nothing.
    - `recipe`: the name of settings that come first.
    - `data`: `(x, y)`, or such a pair for each of the splits `train`, `validation` and `test`; the
      section `data` says how it is prepared. The first and the last layer follow it.
    - `topology`: which connections exist.
    - `network`: untrained, with energy, activation and cost; needs `topology`.
    - `rule`: of every epoch, with its relaxations.
    - `out`: where the folder is made; None for a folder that ends with the `Run`.
    - `data_dir`: where the files of named data sets are.
    - `progress`: True shows it; or a function that is told (`eqprop.running.context.Progress`).

    **Raises:** `ConfigError`, `DataError` before anything is made; `DivergedError`; `Stopped`.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).random((120, 6)); y = np.where(x[:, 0] > x[:, 1], "a", "b")
    >>> few = {"topology": {"layer_sizes": [6, 12, 2]}, "training": {"epochs": 3}}
    >>> run = train(few, data=(x, y))
    >>> run.model.predict(x[:2]).shape, len(run.entries())
    ((2,), 3)
    """
    if network is not None and topology is None:
        raise ConfigError(
            "`topology` must be given with `network`, got none. Hand over the one that the network "
            "was made on."
        )
    handed = handed_over(data)
    config = configured(settings, recipe, handed, topology, rule=rule)
    objects = Objects(handed, topology, network, rule)
    with watched(data_dir, progress) as context:
        parent = Path(tempfile.mkdtemp(prefix="eqprop-") if out is None else out)
        try:
            folder, objects = engine.begin(config, parent, context, objects)
        except BaseException:
            if out is None:
                parent.rmdir()
            raise
        run = Run(folder, objects)
        if out is None:
            weakref.finalize(run, shutil.rmtree, parent, ignore_errors=True)
        return run._completed(context)


def resume(
    path: str | Path,
    *,
    data: Any = None,
    topology: Topology | None = None,
    network: Network | None = None,
    rule: AbstractLearningRule | None = None,
    epochs: int | None = None,
    data_dir: str | Path | None = None,
    progress: bool | Reporter = False,
) -> Run:
    """Goes on with a run where it was saved last; does nothing to a finished one.

    **Arguments:**

    - `path`: of the run's folder.
    - `epochs`: in all, where it is to go on for longer than its settings say, a finished one too.
    - the others are as in `train`, and must be what the run began with.

    **Raises:** as `train`, and `ConfigError` or `DataError` for other objects.
    """
    folder = RunFolder.open(Path(path))
    objects = Objects(handed_over(data), topology, network, rule)
    with watched(data_dir, progress) as context:
        return Run(folder, objects)._completed(context, epochs)


def framed(rows: list[dict[str, Any]]) -> Any:
    """Rows as a pandas DataFrame where pandas is installed."""
    try:
        import pandas
    except ImportError:
        return rows
    return pandas.DataFrame(rows)


class Run:
    """A run and its folder: records, trained network, picture.

    **Attributes:** `folder`, its path.
    """

    def __init__(self, folder: RunFolder, objects: Objects) -> None:
        self._records, self._objects = folder, objects

    @property
    def folder(self) -> Path:
        """The path of its folder."""
        return self._records.path

    @property
    def config(self) -> RunConfig:
        """Its settings, every one written out."""
        return load_recorded(self.folder / "config.toml")

    @property
    def summary(self) -> dict[str, Any]:
        """How it ended."""
        return self._records.read_json("summary.json")

    @property
    def model(self) -> Model:
        """The trained network: it predicts in the words and units of the data."""
        return load_model(self.folder, network=self._objects.network)

    @property
    def best(self) -> Model:
        """The network of the look with the smallest validation error."""
        return load_model(self.folder, best=True, network=self._objects.network)

    def entries(self) -> list[dict[str, Any]]:
        """What was recorded of each epoch."""
        return self._records.epochs()

    def metrics(self) -> Any:
        """`entries`, as a pandas DataFrame where pandas is installed."""
        return framed(self.entries())

    def plot(self, path: str | Path | None = None) -> Path:
        """Draws the errors over the epochs.

        **Arguments:** `path`: without an ending (default: `errors` in the run's folder).

        **Returns:** the `.png` file; an `.svg` and a `.pdf` are beside it.
        """
        from eqprop.plots.curves import error_curves

        stem = Path(path) if path is not None else self.folder / "errors"
        rows = [
            {"condition": self.config.name, "seed": self.config.seed} | entry
            for entry in self.entries()
        ]
        error_curves(rows, stem)
        return stem.with_suffix(".png")

    @property
    def has_saved(self) -> bool:
        """Whether `saved` has something to give."""
        return any(self.folder.glob("checkpoints/step-*"))

    @property
    def saved(self) -> Model:
        """The network as it was saved last; an unfinished run has it, too."""
        return load_model(self.folder, saved=True, network=self._objects.network)

    def resume(
        self, epochs: int | None = None, *, data: Any = None, progress: bool | Reporter = False
    ) -> Run:
        """Goes on with the same objects where it was saved last, or to so many epochs in all.

        **Arguments:** `data`: the same again, where somebody else holds it; it is checked.
        """
        if data is not None:
            self._objects = dataclasses.replace(self._objects, data=handed_over(data))
        with watched(None, progress) as context:
            return self._completed(context, epochs)

    def _completed(self, context: Context, epochs: int | None = None) -> Run:
        try:
            engine.resume(self.folder, context, self._objects, epochs)
        except (Stopped, DivergedError) as problem:
            problem.run = self
            raise
        return self

    def __repr__(self) -> str:
        entries = self.entries()
        seen = f"{len(entries)} of {self.config.training.epochs} epochs"
        return f"Run({str(self.folder)!r}, {seen})"


def configured(
    settings: Settings,
    recipe: str | None,
    data: Handed | None,
    topology: Topology | None,
    changes: Mapping[str, Any] = MappingProxyType({}),
    rule: AbstractLearningRule | None = None,
) -> RunConfig:
    """Settings with what the objects say.

    **Arguments:** `changes`: further settings by dotted name.
    """
    if isinstance(settings, RunConfig):
        if recipe is not None:
            raise ConfigError("`recipe` comes before settings that are whole, got both.")
        values: dict[str, Any] = settings.model_dump(mode="json", exclude_none=True)
    elif isinstance(settings, str | Path):
        values = read(Path(settings))
    else:
        values = {k: dict(v) if isinstance(v, Mapping) else v for k, v in (settings or {}).items()}
    # This process has its devices already: parts of a batch would wait for each other.
    _section(values, "training").setdefault("data_shards", 1)
    shape = None
    if data is not None:
        section = _section(values, "data")
        section["dataset"] = "given"
        of_data = {name: value for name, value in changes.items() if name.startswith("data.")}
        dataset = data.prepared(build(override({"data": section}, of_data)))
        shape = dataset.num_inputs, dataset.num_outputs
    if topology is not None:
        section = _section(values, "topology")
        section |= {"wiring": "given", "layer_sizes": list(topology.layer_sizes)}
    if rule is not None and rule.reads_forwards:  # which decides how examples are looked at
        changes = {"learning.rule": "backpropagation", **changes}
    return cook(recipe, values, changes, shape=shape)


def handed_over(data: Any) -> Handed | None:
    """Data that a caller may have given."""
    return None if data is None else Handed(data)


def _section(values: dict[str, Any], name: str) -> dict[str, Any]:
    found = values.setdefault(name, {})
    if not isinstance(found, dict):
        raise ConfigError(f"`{name}` must be a section of settings, got {found!r}.")
    return found


@contextmanager
def watched(data_dir: str | Path | None, progress: bool | Reporter) -> Iterator[Context]:
    """What is around a run in this process: who is told, and Ctrl-C."""
    place = None if data_dir is None else Path(data_dir)
    with ExitStack() as around:
        told = progress if callable(progress) else nothing_said
        if progress is True:
            told = around.enter_context(reporting())
        yield Context(place, told, around.enter_context(listening()))
