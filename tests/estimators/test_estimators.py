"""The estimators. Oracle: scikit-learn's own checks, and `eqprop.train` on the same examples."""

from __future__ import annotations

import copy
import os
import pickle
import signal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import eqprop
from eqprop import EqPropClassifier, EqPropRegressor
from eqprop.errors import ConfigError, DataError, DivergedError

# Three epochs on a hundred examples are at chance, and say so.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": "an update takes a batch of the examples "
    "there are: one of weight 0 takes the place of another in it",
    "check_sample_weight_equivalence_on_sparse_data": "the same",
    "check_methods_subset_invariance": "in float32 a product of another size rounds another way",
}


@parametrize_with_checks(
    [EqPropClassifier([8]), EqPropRegressor([8])], expected_failed_checks=lambda _: EXPECTED
)
def test_what_scikit_learn_asks_of_an_estimator(estimator, check):
    check(estimator)


X = np.random.default_rng(0).random((120, 4))
Y = np.where(X[:, 0] > X[:, 1], "up", "down")


def fitted(**params) -> EqPropClassifier:
    return EqPropClassifier([8]).set_params(**({"epochs": 3} | params)).fit(X, Y)


def weights(estimator) -> np.ndarray:
    return estimator.model_.network.hopfield.dense_weights()


def test_digits_wine_and_diabetes_are_learned():
    x, y = load_digits(return_X_y=True)
    seen, unseen, y_seen, y_unseen = train_test_split(x, y, random_state=0, stratify=y)
    assert EqPropClassifier(epochs=30).fit(seen, y_seen).score(unseen, y_unseen) > 0.95
    x, y = load_wine(return_X_y=True)
    assert cross_val_score(EqPropClassifier(), x, y, cv=3).mean() > 0.94
    x, y = load_diabetes(return_X_y=True)
    assert cross_val_score(EqPropRegressor(), x, y, cv=3).mean() > 0.35


def test_it_works_in_pipelines_and_searches():
    search = GridSearchCV(
        make_pipeline(MinMaxScaler(), EqPropClassifier(epochs=10)),
        {"eqpropclassifier__hidden_layer_sizes": [[4], [16]]},
        cv=2,
        n_jobs=2,
    ).fit(X, Y)
    assert search.best_score_ > 0.8


def test_ctrl_c_keeps_what_was_learned_and_warm_start_ends_where_one_call_would_have():
    def stop(progress):
        if progress.epoch_done and progress.epoch == 3:
            os.kill(os.getpid(), signal.SIGINT)

    estimator = EqPropClassifier([8], epochs=500, warm_start=True, callbacks=[stop])
    with pytest.warns(ConvergenceWarning, match="was stopped in epoch"):
        estimator.fit(X, Y)
    assert 3 <= estimator.n_iter_ < 500
    learned = weights(estimator)
    assert estimator.score(X, Y) > 0.5
    estimator.set_params(callbacks=(), epochs=12).fit(X, Y)
    whole = fitted(epochs=12, warm_start=True)
    np.testing.assert_array_equal(weights(estimator), weights(whole))
    assert np.abs(weights(whole) - learned).max() > 1e-3
    with pytest.raises(ConfigError, match="It counts in all"):
        whole.set_params(epochs=2).fit(X, Y)


def test_data_in_pieces():
    errors = []
    for seed in range(6):
        model = EqPropClassifier([16], recipe="paper", learning_rate=0.05, random_state=seed)
        for _ in range(20):
            for i in range(0, 120, 20):
                model.partial_fit(X[i : i + 20], Y[i : i + 20], classes=["down", "up"])
        errors.append(1 - model.score(X, Y))
    assert max(errors) < 0.2, errors
    for seed in range(6):
        model = eqprop.Model(eqprop.layered([4, 16, 2]), seed=seed)
        for _ in range(20):
            for i in range(0, 120, 20):
                labels = (Y[i : i + 20] == "up").astype(int)
                model.fit(X[i : i + 20], labels, epochs=1, learning_rate=0.05)
        errors.append(float(np.mean(model.predict(X) != (Y == "up"))))
    assert max(errors) < 0.2, errors


def going(estimator) -> Any:
    return estimator._going


def test_a_first_piece_may_lack_classes_and_a_fit_begins_anew():
    model = EqPropClassifier([8]).partial_fit(X[:3], ["a", "c", "c"], classes=["a", "b", "c"])
    assert model.partial_fit(X[:2], ["b", "b"]).predict_proba(X).shape == (120, 3)
    assert int(going(model).batches_seen) == 2
    model.set_params(epochs=1).fit(X, Y).partial_fit(X, Y)
    assert int(going(model).batches_seen) == 6  # those of this call alone


def test_copies_predict_alike(tmp_path):
    estimator = fitted()
    estimator.save(tmp_path / "trees.safetensors")
    for other in (
        copy.deepcopy(estimator),
        pickle.loads(pickle.dumps(estimator)),
        EqPropClassifier.load(tmp_path / "trees.safetensors"),
    ):
        np.testing.assert_array_equal(other.predict_proba(X), estimator.predict_proba(X))
        assert other.predict(X).tolist() == estimator.predict(X).tolist()
    other.partial_fit(X, Y)
    assert other.n_iter_ == 4
    model = eqprop.load(tmp_path / "trees.safetensors")
    assert model.predict(X).tolist() == estimator.predict(X).tolist()  # in words, too
    (tmp_path / "other.safetensors").write_bytes(b"something")
    with pytest.raises(DataError, match="an estimator wrote"):
        eqprop.load(tmp_path / "other.safetensors")
    with pytest.raises(DataError, match=r"EqPropRegressor\.save wrote"):
        EqPropRegressor.load(tmp_path / "trees.safetensors")


def test_early_stopping_keeps_the_best_network():
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 2, 120)
    estimator = EqPropClassifier([8], epochs=200, early_stopping=True, patience=4,
                                 validation_fraction=0.3)  # fmt: skip
    estimator.fit(X, noise)
    run = estimator._run
    errors = [entry["validation_error"] for entry in run.entries()]
    assert estimator.n_iter_ == int(np.argmin(errors)) + 5 < 200
    np.testing.assert_array_equal(weights(estimator), run.best.network.hopfield.dense_weights())
    assert (weights(estimator) != run.model.network.hopfield.dense_weights()).any()


def test_weights_of_examples_and_classes():
    labels = (X[:, 0] > 0.5).astype(int)
    labels[:40] = 1 - labels[:40]  # a third says the opposite, and counts nothing
    weight = np.r_[np.zeros(40), np.ones(80)]
    estimator = EqPropClassifier([16], epochs=40)
    estimator.fit(X, labels, sample_weight=weight)
    assert estimator.score(X[40:], labels[40:]) > 0.9 > 0.5 > estimator.score(X[:40], labels[:40])
    rare = np.r_[np.zeros(110, int), np.ones(10, int)]
    told = EqPropClassifier([8], epochs=3, class_weight="balanced").fit(X, rare).predict(X)
    plain = EqPropClassifier([8], epochs=3).fit(X, rare).predict(X)
    assert told.mean() > plain.mean()


def test_a_warning_of_the_run_is_one_of_python():
    with pytest.warns(ConvergenceWarning, match="at-chance: the training error"):
        EqPropClassifier([8], epochs=1, learning_rate=1e-9).fit(X, Y)


def test_what_diverges_is_said_and_what_was_saved_stays():
    with pytest.raises(DivergedError):
        EqPropClassifier([8], settings={"learning": {"optimizer": "sgd", "learning_rate": 1e30}},
                         epochs=5).fit(X, Y)  # fmt: skip


def test_a_regression_speaks_in_its_own_units():
    y = np.stack([200 * X[:, 0] + 5, -3 * X[:, 1]], axis=1)
    model = EqPropRegressor([16], epochs=60).fit(X, y)
    found = model.predict(X)
    assert found.shape == (120, 2)
    assert np.abs(found - y).mean(axis=0)[0] < 20 and found[:, 0].max() > 100
    assert found[:, 1].min() < -1.5
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), found)


def test_wirings_and_topologies():
    rewired = EqPropClassifier([8, 8], epochs=1, wiring={"wiring": "rewire", "p": 0.3}).fit(X, Y)
    assert (2, 0) in rewired.model_.topology.masks
    own = eqprop.layered([4, 6, 6])
    assert EqPropClassifier(epochs=1, topology=own).fit(X, Y).model_.topology == own


def test_one_output_unit_tells_two_classes_apart():
    model = eqprop.Model(eqprop.layered([4, 16, 1]), seed=0)
    labels = (Y == "up").astype(int)
    errors = model.fit(X, labels, epochs=30, learning_rate=0.05)
    assert errors[0] > 0.3 and errors[-1] < 0.2
    seen = model.predict(X)
    assert set(seen) == {0, 1}
    assert np.mean(seen != labels) == model.evaluate(X, labels).error < 0.2
    with pytest.raises(DataError, match="output units can reach"):
        model.fit(X, 100 * X[:, :1], epochs=1)


def test_bad_input_is_said_once():
    with pytest.raises(DataError, match="two classes"):
        EqPropClassifier().fit(X, np.zeros(120))
    with pytest.raises(ConfigError, match="recipe"):
        EqPropClassifier(recipe="smal").fit(X, Y)
    with pytest.raises(DataError, match="labels of `classes`"):
        EqPropClassifier([4]).partial_fit(X, Y, classes=["up", "left"])


def test_a_device_holds_what_an_estimator_learns():
    def held(**effects):
        device = {"kind": "rounded", "bits": 3, "low": -2.0, "high": 2.0, **effects}
        return fitted(settings={"device": device}, learning_rate=0.01)

    def values(estimator):
        return np.unique(estimator.model_.network.to_arrays()["weights_1_0"])

    assert len(values(held())) <= 2**3 - 1 < len(values(fitted()))

    # What comes through a converter of two bits does so once more without a change, in fit and in
    # partial_fit.
    def parameters(x, **effects):
        arrays = held(**effects).partial_fit(x, Y).model_.network.to_arrays()
        return np.concatenate([value.ravel() for value in arrays.values()])

    rough = (np.round(X * 3) / 3).astype(np.float32)
    fits = []
    for x, effects in ((X, {"input_bits": 2}), (rough, {}), (X, {})):
        device = {"kind": "rounded", "bits": 8, "low": -2.0, "high": 2.0, **effects}
        classifier = EqPropClassifier([8], epochs=3, settings={"device": device}).fit(x, Y)
        fits.append(weights(classifier))
    np.testing.assert_array_equal(fits[0], fits[1])
    assert not np.array_equal(fits[0], fits[2])
    found = parameters(X, input_bits=2)
    np.testing.assert_array_equal(found, parameters(rough, input_bits=2))
    assert not np.array_equal(found, parameters(X))


def test_the_model_of_a_classifier_and_its_export_answer_in_words(tmp_path):
    classifier = fitted(epochs=30)
    expected = classifier.predict(X)
    assert set(expected) == {"up", "down"}
    eqprop.export(classifier.model_, tmp_path / "all")
    classifier.save(tmp_path / "one.safetensors")
    again = EqPropClassifier.load(tmp_path / "one.safetensors")
    for model in (classifier.model_, eqprop.load(tmp_path / "all"), again.model_):
        np.testing.assert_array_equal(model.predict(X), expected)
    again.partial_fit(X, Y)
    assert set(again.model_.predict(X)) <= {"up", "down"}


def test_parameters_that_would_be_ignored_are_refused():
    whole = fitted(epochs=3, warm_start=True)
    with pytest.raises(ConfigError, match=r"`learning.learning_rate` must stay as it was with"):
        whole.set_params(epochs=6, learning_rate=0.5).fit(X, Y)
    whole.set_params(learning_rate=None).fit(X, Y)
    assert whole.n_iter_ == 6
    later = fitted(epochs=3).set_params(warm_start=True, epochs=5).fit(X, Y)
    assert later.n_iter_ == 5
    both = EqPropClassifier([8], topology=eqprop.layered([4, 8, 2]))
    with pytest.raises(ConfigError, match="`hidden_layer_sizes` must be left out with `topology`"):
        both.fit(X, Y)
    apart = EqPropClassifier([8], epochs=1, settings={"training": {"data_shards": 2}})
    assert apart.fit(X, Y)._run.config.training.data_shards == 2


def test_whole_numbers_in_8_bits_are_learned_as_numbers():
    x = np.random.default_rng(0).integers(0, 3, (120, 4))
    y = x[:, 0] > x[:, 1]
    small = EqPropClassifier([16], epochs=5).fit(x.astype(np.uint8), y)
    usual = EqPropClassifier([16], epochs=5).fit(x.astype(float), y)
    np.testing.assert_array_equal(small.predict_proba(x), usual.predict_proba(x))


def test_targets_of_a_piece_that_lie_beyond_the_first_are_told():
    y = 100 * X[:, 0]
    order = np.argsort(y)
    model = EqPropRegressor([8]).partial_fit(X[order[:60]], y[order[:60]])
    with pytest.warns(UserWarning, match="60 of 60 targets lie beyond"):
        model.partial_fit(X[order[60:]], y[order[60:]])
    both = EqPropRegressor([8], epochs=1).fit(X, np.stack([y, -y], axis=1))
    with pytest.raises(DataError, match=r"`y` must have 2 outputs .* got 1"):
        both.partial_fit(X, y)
    assert both.predict(X).shape == (120, 2)


def test_pieces_have_batches_and_weights_of_their_own():
    model = EqPropClassifier([8], batch_size=50)
    model.partial_fit(X[:2], Y[:2], classes=["down", "up"])
    before = int(going(model).batches_seen)
    assert model.partial_fit(X, Y)._config.data.batch_size == 50
    assert int(going(model).batches_seen) == before + 3

    def moved(weight):
        weights = None if weight is None else np.full(120, weight)
        settings = {"learning": {"optimizer": "sgd"}}
        model = EqPropClassifier([8], settings=settings, random_state=0)
        model.partial_fit(X, Y, classes=["down", "up"], sample_weight=weights)
        return model.model_.network.hopfield.weights[1, 0]

    np.testing.assert_array_equal(moved(1.0), moved(None))
    begun, slow, usual = moved(1e-9), moved(0.1), moved(1.0)
    assert 0 < np.abs(slow - begun).max() < 0.5 * np.abs(usual - begun).max()
    with pytest.raises(ConfigError, match="`class_weight` must hold a weight for each label"):
        EqPropClassifier([8], class_weight="balanced").partial_fit(X, Y, classes=["down", "up"])


def test_settings_of_data_reach_the_data():
    plain = EqPropClassifier([8], epochs=1, settings={"data": {"scale": "none"}}).fit(X, Y)
    assert plain.model_.preparation.low is None
    shared = {"data": {"validation_share": 0.5, "split_seed": 3}}
    held = EqPropClassifier([8], epochs=1, early_stopping=True, settings=shared).fit(X, Y)
    assert held._run.entries()[-1]["training_examples"] == 60
    own: Any = held._config.data.dataset
    assert own.split_seed == 3
    tenth = EqPropClassifier([8], epochs=1, early_stopping=True, validation_fraction=0.3).fit(X, Y)
    assert "validation_share = 0.3" in tenth.to_toml()
    with pytest.raises(ConfigError, match=r"`settings` must leave `data.dataset`.* got 'mnist'"):
        EqPropClassifier(settings={"data": {"dataset": "mnist"}}).fit(X, Y)


def test_a_wiring_is_a_file_or_refused(tmp_path):
    (tmp_path / "net.csv").write_text("source,target\n" + "".join(
        f"x{k},h{k % 2}\nh{k % 2},y{k}\n" for k in range(4)
    ))  # fmt: skip
    file = {"file": str(tmp_path / "net.csv"), "layers": [["x*"], ["h*"], ["y*"]]}
    found = EqPropRegressor(wiring=file, epochs=1).fit(X, X).model_.topology
    assert found.names is not None and found.num_connections == 8
    with pytest.raises(ConfigError, match="`layers` must say which nodes"):  # it was opened
        EqPropRegressor(wiring=tmp_path / "net.csv", epochs=1).fit(X, X)
    wrong: Any = 3
    with pytest.raises(ConfigError, match="`wiring` must be a name, a file or settings, got int"):
        EqPropClassifier(wiring=wrong).fit(X, Y)
    own = eqprop.layered([4, 6, 6])
    more: Any
    for more in ({"wiring": "rewire"}, {"settings": {"topology": {"intralayer": True}}}):
        with pytest.raises(ConfigError, match="must be left out with `topology`"):
            EqPropClassifier(topology=own, **more).fit(X, Y)
    with pytest.raises(ConfigError, match=r"`p` must be 0 here, got 0.08: .* Add a hidden layer"):
        EqPropClassifier(wiring={"wiring": "rewire", "p": 0.08}).fit(X, Y)


def test_what_was_saved_has_the_parameters_it_was_made_with(tmp_path):
    table, labels = pd.DataFrame(X, columns=list("abcd")), (Y == "up").astype(int)
    epochs: Any = np.int64(2)
    made = EqPropClassifier(
        topology=eqprop.layered([4, 5, 6]), epochs=epochs, class_weight={0: 1.0, 1: 5.0},
        settings={"learning": {"beta": np.float32(0.5)}}, callbacks=[lambda told: None],
    )  # fmt: skip
    made.fit(table, labels)
    with pytest.warns(UserWarning, match="`callbacks` cannot be saved"):
        made.save(tmp_path / "made.safetensors")
    found = EqPropClassifier.load(tmp_path / "made.safetensors")
    assert found.feature_names_in_.tolist() == list("abcd")
    assert found.class_weight == made.class_weight and found.epochs == 2
    assert found.topology == made.topology
    found.partial_fit(table, labels)
    with pytest.raises(ValueError, match="feature names"):
        found.predict(table[list("bacd")])
    assert found.fit(table, labels).model_.topology == made.topology


def test_a_warm_start_goes_on_with_what_was_learned_last_or_is_refused():
    model = fitted(epochs=2, warm_start=True).partial_fit(X, Y)
    with pytest.raises(ConfigError, match="with `warm_start` the `fit` before must be the last"):
        model.set_params(epochs=4).fit(X, Y)
    copied = pickle.loads(pickle.dumps(fitted(epochs=2, warm_start=True)))
    with pytest.raises(ConfigError, match="that was loaded, copied or trained by"):
        copied.fit(X, Y)
    drawn = fitted(epochs=2, warm_start=True, early_stopping=True, random_state=None)
    assert drawn.set_params(epochs=3).fit(X, Y).n_iter_ == 3
