"""`EqPropClassifier` and `EqPropRegressor`: networks with scikit-learn's methods.

Everything is trained by the engine of `eqprop.train`. scikit-learn is an optional package:
`pip install 'eqprop[sklearn]'`.
"""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from eqprop.config.recipes import cook
from eqprop.config.run_config import RunConfig
from eqprop.config.settings import build
from eqprop.data import Dataset
from eqprop.data.preparing import given, prepared
from eqprop.data.settings import GivenSettings
from eqprop.errors import ConfigError, DataError, DivergedError, Stopped
from eqprop.exporting import saved as saving
from eqprop.python.run import Run, train
from eqprop.running.build import build_rule, build_trainer, initial_network
from eqprop.running.context import Progress
from eqprop.running.finished import model_of
from eqprop.running.health import WARNINGS
from eqprop.running.wiring import build_topology
from eqprop.topology import Topology
from eqprop.training import Examples, Model, TrainState
from eqprop.training.finite import check_finite
from eqprop.training.preparation import placed, scaled

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.utils import check_random_state, compute_sample_weight
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ImportError as problem:
    raise ImportError(
        "the estimators need scikit-learn 1.6 or later. Install it: pip install 'eqprop[sklearn]'"
    ) from problem


class _EqPropEstimator(BaseEstimator):
    """What both estimators share."""

    _task: Literal["classification", "regression"]

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] | None = None,
        *,
        wiring: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        topology: Topology | None = None,
        recipe: str = "small",
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        settings: Mapping[str, Any] | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        warm_start: bool = False,
        callbacks: Sequence[Callable[[Progress], None]] = (),
        verbose: bool = False,
        random_state: Any = 0,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.wiring = wiring
        self.topology = topology
        self.recipe = recipe
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.settings = settings
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Trains, from new weights unless `warm_start` goes on with those of the call before.

        **Arguments:**

        - `X`: `[examples, inputs]`; scaled to [0, 1], input by input, unless all lie there.
        - `y`: a label or a number per example; of a regression also `[examples, outputs]`.
        - `sample_weight`: `[examples]`, 0 or more.

        **Raises:** `DivergedError`, with the weights that were saved last in `model_`. Ctrl-C ends
        training with a warning and keeps what was learned.
        """
        before: Run | None = getattr(self, "_run", None) if self.warm_start else None
        if (
            self.warm_start
            and hasattr(self, "model_")
            and (before is None or self._going is not None)
        ):
            raise ConfigError(
                "with `warm_start` the `fit` before must be the last that was learned, got an "
                "estimator that was loaded, copied or trained by `partial_fit` since. Go on by "
                "`partial_fit`, or set warm_start=False to begin anew."
            )
        self._given = self._prepared_as(before)
        data = self._splits(*self._checked(X, y, sample_weight))
        self._run = self._begun(data) if before is None else self._go_on(before, data)
        self._tell_warnings()
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """One epoch over these examples, onwards from where the last call ended.

        Signs of beta, and what the optimiser remembers, go on; free states start cold. Inputs, and
        the targets of a regression, are scaled as the first call found them. What lies beyond is
        cut off; of targets that is said (`UserWarning`). Weights count as they are: an example of
        weight 1 as one without.

        **Arguments:** `classes`: all labels there will be; needed at the first call.
        """
        if getattr(self, "class_weight", None) == "balanced":
            raise ConfigError(
                "`class_weight` must hold a weight for each label with `partial_fit`, got "
                "'balanced': a piece knows nothing of the other ones."
            )
        first = not hasattr(self, "model_")
        X, y, weight = self._checked(X, y, sample_weight, classes, reset=first)
        if first:
            self._given = self._prepared_as()
            dataset = self._whole((X, y))
            config = self._configured(dataset, is_piece=True)
            topology = self.topology or build_topology(config)
            network = initial_network(config, topology, dataset.num_outputs)
            self._adopt(config, model_of(config, topology, network, dataset.preparation), [])
        model = self.model_
        target = self._targets(y)
        x = self._config.device.kind.given(model.preparation.inputs(X))
        examples = Examples.of(model.network, x, target, weight)
        if weight is not None:  # of this piece beside others: not scaled to a mean of 1
            weight = np.asarray(weight, examples.weight.dtype)
            examples = dataclasses.replace(examples, weight=weight)
        trainer = build_trainer(self._config, model.network, examples)
        state, cost = trainer.onwards(model.network, self._going), 0.0
        for chunk in trainer.epoch(state, build_rule(self._config, 0), len(self.loss_curve_)):
            state = chunk.state
            check_finite(chunk.log, state.network, 0)
            cost += float(chunk.log.cost.sum())
        self._going = state
        model.network, model.devices = state.network, trainer.reading(state)
        self.loss_curve_.append(cost / len(examples))
        self.n_iter_ = len(self.loss_curve_)
        return self

    def save(self, path: str | Path) -> None:
        """Writes a `.safetensors` file that `load` reads: weights, wiring, settings, parameters.

        Warns (`UserWarning`) of parameters that are no plain values, which `load` leaves at their
        defaults: `callbacks`, and a generator as `random_state`.
        """
        check_is_fitted(self)
        params, lost = {}, []
        for name, value in self._params_told().items():
            try:
                params[name] = _plain(value)
            except TypeError:
                lost.append(f"`{name}`")
        if lost:
            warnings.warn(
                f"{', '.join(lost)} cannot be saved: what is loaded has the default.", stacklevel=2
            )
        told = {"estimator": type(self).__name__, "params": params}
        saving.write(Path(path), self._config, self.model_, told | self._learned())

    def to_toml(self, path: str | Path | None = None, **sections: Mapping[str, Any]) -> str:
        """The settings of the last fit as TOML, for the command line.

        **Arguments:**

        - `path`: of a file to write them to.
        - `sections`: what is changed, such as `data={"dataset": "my.csv", "target": "species"}`:
          the data of a fit are in no file.

        **Raises:** `ConfigError` for what does not fit.
        """
        check_is_fitted(self)
        values = self._config.model_dump(mode="json", exclude_none=True)
        for section, changes in sections.items():
            values[section] = {**values.get(section, {}), **changes}
        text = build(values).to_toml()
        if path is not None:
            Path(path).write_text(text, "utf-8")
        return text

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """What `save` wrote: it predicts, and `partial_fit` goes on.

        **Raises:** `DataError` for another file.
        """
        config, arrays, told = saving.read(Path(path))
        if told.get("estimator") != cls.__name__:
            raise DataError(
                f"`path` must be a file that {cls.__name__}.save wrote, got {path}, which holds an "
                f"{told.get('estimator')}."
            )
        found = cls(**cls._params_of(told["params"]))
        found._restore(config, arrays, told)
        if config.topology.wiring.name == "given":
            found.topology = found.model_.topology
        return found

    def _params_told(self) -> dict[str, Any]:
        """The parameters as `save` writes them; a topology is in the file already."""
        return {k: v for k, v in self.get_params().items() if k != "topology"}

    @classmethod
    def _params_of(cls, told: Mapping[str, Any]) -> dict[str, Any]:
        """What `_params_told` gave, from JSON."""
        return dict(told)

    def __getstate__(self) -> dict[str, Any]:
        state: Any = dict(super().__getstate__())  # pyright: ignore
        for name in ("_run", "_going"):  # a folder of its own, and memory of the devices
            state.pop(name, None)
        if "model_" in state:
            model = state.pop("model_")
            told = {"preparation": model.preparation.to_dict(), **self._learned()}
            state["_saved"] = saving.arrays_of(model), told
        return state

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        state = dict(state)
        saved = state.pop("_saved", None)
        super().__setstate__(state)  # pyright: ignore
        if saved is not None:
            arrays, told = saved
            self._restore(self._config, arrays, told)

    def _checked(
        self, X: Any, y: Any, weight: Any, classes: Any = None, *, reset: bool = True
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        raise NotImplementedError

    def _targets(self, y: np.ndarray) -> np.ndarray:
        """Targets as the network has them."""
        raise NotImplementedError

    def _learned(self) -> dict[str, Any]:
        """What was learned beside the network, as JSON holds it."""
        names = getattr(self, "feature_names_in_", None)
        return {
            "features": int(self.n_features_in_),
            "feature_names": None if names is None else names.tolist(),
            "loss_curve": self.loss_curve_,
        }

    def _restore(
        self, config: RunConfig, arrays: dict[str, np.ndarray], told: Mapping[str, Any]
    ) -> None:
        """Takes what `_learned` gave, and the network."""
        self.n_features_in_ = told["features"]
        if told.get("feature_names") is not None:
            self.feature_names_in_ = np.array(told["feature_names"], object)
        self._adopt(
            config, saving.restored(config, arrays, told["preparation"]), told["loss_curve"]
        )

    def _prepared_as(self, before: Run | None = None) -> GivenSettings:
        """How the data are split and scaled: by the parameters, then by `settings`.

        **Arguments:** `before`: a run that is to go on.
        """
        own = dict((self.settings or {}).get("data", {}))
        if own.get("dataset", "given") != "given":
            raise ConfigError(
                "`settings` must leave `data.dataset` to the call of `fit`, which hands the data "
                f"over, got {own['dataset']!r}. Train on it by `eqprop.train`."
            )
        seed = self._seed()
        if before is not None and not isinstance(self.random_state, int | np.integer):
            was = before.config.data.dataset
            assert isinstance(was, GivenSettings)
            seed = was.split_seed  # the same examples stay held out
        values = {"dataset": "given", "split_seed": seed}
        if self.early_stopping:
            values["validation_share"] = self.validation_fraction
        found = build({"data": {**values, **own, "task": self._task}}).data.dataset
        assert isinstance(found, GivenSettings)
        return found

    def _places(self) -> np.ndarray | None:
        """Of all classes there are, as `_checked` numbers them; None for a regression."""
        return None

    def _whole(self, parts: tuple[np.ndarray, ...]) -> Dataset:
        """All examples to learn from; the first few are looked at, which chooses nothing."""
        raw = {"train": parts, "validation": tuple(part[:20] for part in parts[:2])}
        return prepared("given", raw, self._given, self._places())

    def _splits(self, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> Dataset:
        parts = (X, y) if weight is None else (X, y, weight)
        return given(parts, self._given) if self.early_stopping else self._whole(parts)

    def _seed(self) -> int:
        if isinstance(self.random_state, int | np.integer):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _configured(self, data: Dataset, *, is_piece: bool = False) -> RunConfig:
        """Recipe, then the parameters of the constructor, then `settings`.

        **Arguments:** `is_piece`: whether larger batches may come than these examples fill.
        """
        examples = len(data.split("train"))
        self._check_wiring()
        values: dict[str, Any] = {
            "seed": self._seed(),
            "data": {"dataset": "given", **self._given.model_dump(mode="json")},
            "training": {},
            "checkpoint": {"keep_finished": self.warm_start},
            "learning": {},
            "network": {},
            "topology": dict(self.wiring) if isinstance(self.wiring, Mapping) else {},
        }
        if isinstance(self.wiring, str | os.PathLike):
            named = os.fspath(self.wiring)
            values["topology"]["file" if Path(named).suffix else "wiring"] = named
        if self._task == "regression":
            values["network"]["cost"] = "squared-error"
        wanted = {
            ("training", "epochs"): self.epochs,
            ("training", "patience"): self.patience if self.early_stopping else None,
            ("data", "batch_size"): self.batch_size,
            ("learning", "learning_rate"): self.learning_rate,
        }
        for (section, name), value in wanted.items():
            if value is not None:
                values[section][name] = value
        for section, more in (self.settings or {}).items():
            both = isinstance(more, Mapping) and section in values
            values[section] = {**values[section], **more} if both else more
        shape = data.num_inputs, data.num_outputs
        config = cook(self.recipe, values, shape=shape)
        sizes = config.topology.layer_sizes
        if self.topology is not None:
            values["topology"] = {"wiring": "given"}
            sizes = self.topology.layer_sizes
        elif self.hidden_layer_sizes is not None and "layer_sizes" not in values["topology"]:
            outputs = [shape[1]] if config.network.cost.holds_targets else []
            sizes = (shape[0], *np.atleast_1d(self.hidden_layer_sizes).tolist(), *outputs)
        values["topology"] |= {"layer_sizes": list(sizes)}
        if not is_piece:
            values["data"]["batch_size"] = min(config.data.batch_size, examples)
        values["training"].setdefault("data_shards", 1)
        if not self.early_stopping:
            values.setdefault("evaluation", {})
            values["evaluation"] = {"every": config.training.epochs, **values["evaluation"]}
        return cook(self.recipe, values)

    def _check_wiring(self) -> None:
        """Refuses what says twice which connections exist, and what does not say it."""
        if not isinstance(self.wiring, str | os.PathLike | Mapping | None):
            raise ConfigError(
                "`wiring` must be a name, a file or settings, got "
                f"{type(self.wiring).__name__}. A topology is handed over as `topology`."
            )
        if self.topology is None:
            return
        others = {
            "hidden_layer_sizes": self.hidden_layer_sizes,
            "wiring": self.wiring,
            "settings['topology']": (self.settings or {}).get("topology"),
        }
        for name, value in others.items():
            if value is not None:
                raise ConfigError(
                    f"`{name}` must be left out with `topology`, which has "
                    f"{list(self.topology.layer_sizes[1:])} units in its layers, got {value}. "
                    "Hand over one of them."
                )

    def _begun(self, data: Dataset) -> Run:
        config = self._configured(data)
        return self._trained(
            config, lambda told: train(config, data=data, topology=self.topology, progress=told)
        )

    def _go_on(self, before: Run, data: Dataset) -> Run:
        """The run of the call before, to as many epochs in all as are wanted now."""
        wanted = self._configured(data)
        # Looks are at the end, and a run may come to be kept.
        free = {"training.epochs", "evaluation.every", "checkpoint.keep_finished"}
        if not isinstance(self.random_state, int):
            free.add("seed")  # drawn anew by every call
        for name, (now, was) in wanted.differences(before.config).items():
            if name not in free:
                raise ConfigError(
                    f"`{name}` must stay as it was with `warm_start`, {was!r}, got {now!r}: the "
                    "run of the call before goes on. Set warm_start=False to begin anew."
                )
        epochs = wanted.training.epochs
        return self._trained(wanted, lambda told: before.resume(epochs, data=data, progress=told))

    def _trained(self, config: RunConfig, work: Callable[[Any], Run]) -> Run:
        def told(progress: Progress) -> None:
            for callback in self.callbacks:
                callback(progress)

        def adopt(run: Run, model: Model) -> Run:
            curve = [entry["training_cost"] for entry in run.entries()]
            self._adopt(run.config, model, curve)
            return run

        try:
            run = work(True if self.verbose and not self.callbacks else told)
        except Stopped as stopped:
            run = adopt(stopped.run, stopped.run.saved)
            warnings.warn(
                f"training was stopped in epoch {len(run.entries()) + 1} of "
                f"{config.training.epochs}; what was learned until then is kept.",
                ConvergenceWarning,
                stacklevel=3,
            )
            return run
        except DivergedError as problem:
            if problem.run is not None and problem.run.has_saved:
                adopt(problem.run, problem.run.saved)
            raise
        return adopt(run, run.best if self.early_stopping else run.model)

    def _tell_warnings(self) -> None:
        """The warnings of the run, which the engine gives each epoch, once each."""
        found = self._run.entries()
        last = found[-1]["warnings"] if found else []
        for name in last:
            warnings.warn(f"{name}: {WARNINGS[name]}.", ConvergenceWarning, stacklevel=3)

    def _adopt(self, config: RunConfig, model: Model, curve: Sequence[float]) -> None:
        if (words := getattr(self, "classes_", None)) is not None:
            # Learned as numbers; the model answers in their words.
            model.preparation = dataclasses.replace(model.preparation, classes=words)
        self._config, self.model_ = config, model
        self._going: TrainState | None = None  # of partial_fit
        self.loss_curve_ = list(curve)
        self.n_iter_ = len(self.loss_curve_)


class EqPropClassifier(ClassifierMixin, _EqPropEstimator):
    """A classifier that learns by equilibrium propagation.

    **Arguments:**

    - `hidden_layer_sizes`: units of each hidden layer (default: those of the recipe).
    - `wiring`: by name, or with its settings: `{"wiring": "rewire", "p": 0.08}`; or a file that
      `read_topology` reads (default: that of the recipe).
    - `topology`: which connections exist, instead.
    - `recipe`: named settings that come first; `eqprop config --recipe NAME` prints them.
    - `epochs`, `batch_size`, `learning_rate`: instead of the recipe's.
    - `settings`: any others, such as `{"network": {"feedback": 0.1}}`.
    - `early_stopping`: holds `validation_fraction` of the examples out, stops when `patience`
      epochs brought no smaller error on them, and keeps the best network.
    - `class_weight`: "balanced", or a weight for each label.
    - `warm_start`: whether `fit` goes on with the network of the call before; `epochs` counts in
      all.
    - `callbacks`: functions that are told where training is (`eqprop.running.context.Progress`).
    - `verbose`: whether progress is shown.
    - `random_state`: of wiring, weights, order and signs.

    **Attributes:** `classes_`; `model_`, the trained `Model`; `loss_curve_`, the training cost of
    each epoch; `n_iter_`, epochs.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).random((200, 4)); y = np.where(x[:, 0] > x[:, 1], "a", "b")
    >>> float(EqPropClassifier([16], epochs=20).fit(x, y).score(x, y)) > 0.9
    True
    """

    _task = "classification"

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] | None = None,
        *,
        wiring: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        topology: Topology | None = None,
        recipe: str = "small",
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        settings: Mapping[str, Any] | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        class_weight: Any = None,
        warm_start: bool = False,
        callbacks: Sequence[Callable[[Progress], None]] = (),
        verbose: bool = False,
        random_state: Any = 0,
    ) -> None:
        super().__init__(
            hidden_layer_sizes,
            wiring=wiring,
            topology=topology,
            recipe=recipe,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            settings=settings,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            patience=patience,
            warm_start=warm_start,
            callbacks=callbacks,
            verbose=verbose,
            random_state=random_state,
        )
        self.class_weight = class_weight

    def predict(self, X: Any) -> np.ndarray:
        """The label of each example `[examples]`."""
        best = self._scores(X).argmax(axis=1)
        return self.classes_[best]

    def predict_proba(self, X: Any) -> np.ndarray:
        """`[examples, classes]`: the softmax of a read-out; of output units, their shares."""
        scores = self._scores(X).astype(np.float64)
        if not self._config.network.cost.holds_targets:
            scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        else:
            scores = np.clip(scores, 1e-6, None)
        return scores / scores.sum(axis=1, keepdims=True)

    def _scores(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", reset=False)
        found = self.model_.scores(_dense(X))
        if found.shape[1] == 1:  # a single output unit stands for both classes
            found = np.hstack([1 - found, found])
        return found

    def _targets(self, y: np.ndarray) -> np.ndarray:
        return y.astype(np.int64)

    def _places(self) -> np.ndarray | None:
        return np.arange(len(self.classes_))

    def _params_told(self) -> dict[str, Any]:
        told = super()._params_told()
        if isinstance(self.class_weight, Mapping):  # JSON has no labels but texts
            told["class_weight"] = [list(pair) for pair in self.class_weight.items()]
        return told

    @classmethod
    def _params_of(cls, told: Mapping[str, Any]) -> dict[str, Any]:
        params = super()._params_of(told)
        if isinstance(params.get("class_weight"), list):
            params["class_weight"] = {label: weight for label, weight in params["class_weight"]}
        return params

    def _learned(self) -> dict[str, Any]:
        return {**super()._learned(), "classes": self.classes_.tolist()}

    def _restore(
        self, config: RunConfig, arrays: dict[str, np.ndarray], told: Mapping[str, Any]
    ) -> None:
        super()._restore(config, arrays, told)
        self.classes_ = np.array(told["classes"])

    def _checked(
        self, X: Any, y: Any, weight: Any, classes: Any = None, *, reset: bool = True
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        X, y = validate_data(self, X, y, accept_sparse="csr", reset=reset)
        check_classification_targets(y)
        if reset:
            self.classes_ = np.unique(y if classes is None else classes)
            if len(self.classes_) < 2:
                raise DataError(
                    f"a classifier must have two classes to learn, got one class: "
                    f"{self.classes_[0]!r}. Add examples of another one."
                )
        places, strange = placed(y, self.classes_)
        if len(strange):
            raise DataError(
                f"`y` must hold labels of `classes`, {self.classes_.tolist()}, got "
                f"{strange[0]!r}. Name all of them at the first call of partial_fit."
            )
        if weight is not None or self.class_weight is not None:
            weight = _check_sample_weight(weight, X, ensure_non_negative=True)
            if self.class_weight is not None:
                weight = weight * compute_sample_weight(self.class_weight, y)
        return _dense(X), places, weight


class EqPropRegressor(RegressorMixin, _EqPropEstimator):
    """A regression by equilibrium propagation; targets are scaled to [0, 1] and back.

    **Arguments and attributes:** as of `EqPropClassifier`, without classes. With one hidden layer
    or more, the outputs are units of the network.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).random((200, 4)); y = 30 * x[:, 0] - 20 * x[:, 1]
    >>> float(EqPropRegressor([16], epochs=60).fit(x, y).score(x, y)) > 0.9
    True
    """

    _task = "regression"

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def predict(self, X: Any) -> np.ndarray:
        """The targets of each example, in their own units, in the shape of `y`."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", reset=False)
        found = self.model_.outputs(_dense(X))
        return found[:, 0] if self._single else found

    def _learned(self) -> dict[str, Any]:
        return {**super()._learned(), "single": self._single}

    def _restore(
        self, config: RunConfig, arrays: dict[str, np.ndarray], told: Mapping[str, Any]
    ) -> None:
        super()._restore(config, arrays, told)
        self._single = told["single"]

    def _targets(self, y: np.ndarray) -> np.ndarray:
        done = self.model_.preparation
        assert done.target_low is not None and done.target_high is not None
        values = np.asarray(y, np.float64).reshape(len(y), -1)
        if values.shape[1] != len(done.target_low):
            raise DataError(
                f"`y` must have {len(done.target_low)} outputs per example as at the call before, "
                f"got {values.shape[1]}."
            )
        beyond = ((values < done.target_low) | (values > done.target_high)).any(axis=1).sum()
        if beyond:
            warnings.warn(
                f"{beyond} of {len(values)} targets lie beyond those of the first call, "
                f"{done.target_low.tolist()} to {done.target_high.tolist()}, and are cut off "
                "there. Begin with examples that span all targets.",
                stacklevel=3,
            )
        return np.clip(scaled(values, done.target_low, done.target_high), 0, 1)

    def _checked(
        self, X: Any, y: Any, weight: Any, classes: Any = None, *, reset: bool = True
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        X, y = validate_data(
            self, X, y, accept_sparse="csr", multi_output=True, y_numeric=True, reset=reset
        )
        if reset:
            self._single = y.ndim == 1
        if weight is not None:
            weight = _check_sample_weight(weight, X, ensure_non_negative=True)
        return _dense(X), np.asarray(y, np.float64), weight


def _dense(X: Any) -> np.ndarray:
    """As an array of numbers: whole numbers in 8 bits are no pixels to an estimator."""
    X = X.toarray() if hasattr(X, "toarray") else X
    return X.astype(np.float32) if X.dtype == np.uint8 else X


def _plain(value: Any) -> Any:
    """A parameter as JSON holds it.

    **Raises:** `TypeError` for what it does not hold.
    """
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, bool | int | float | str | None):
        return value
    raise TypeError
