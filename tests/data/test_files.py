"""Data of the user's own. Oracle: the same arrays prepared by hand, and scikit-learn's scaler."""

from __future__ import annotations

import csv
import gzip
import json
import struct
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from sklearn.preprocessing import MinMaxScaler

import eqprop
from eqprop.cli import run
from eqprop.config.recipes import cook
from eqprop.config.settings import build
from eqprop.data.files import load_inputs, read_idx
from eqprop.data.preparing import given
from eqprop.data.settings import FileSettings, GivenSettings
from eqprop.errors import ConfigError, DataError
from eqprop.running.finished import evaluate_run
from eqprop.running.run import train

RNG = np.random.default_rng(0)
X = RNG.normal(3, 5, (60, 4))
NAMES = np.array(["oak", "ash", "elm"])[RNG.integers(0, 3, 60)]


def load(path, **wanted) -> Any:
    return FileSettings(path=str(path), **wanted).load()


def write_table(path, x: Any = X, y=NAMES, more=None):
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([*(f"f{k}" for k in range(x.shape[1])), "tree", *(["part"] if more else [])])
        for number, row in enumerate(x):
            rows.writerow([*row, y[number], *([more[number]] if more else [])])
    return path


def test_a_table_with_classes_by_name(tmp_path):
    found = load(write_table(tmp_path / "trees.csv"), target="tree")
    assert (found.name, found.task, found.num_inputs, found.num_outputs) == (
        "trees", "classification", 4, 3,
    )  # fmt: skip
    train_, rest = found.split("train"), found.split("validation")
    assert (len(train_), len(rest)) == (48, 12)
    assert found.preparation is not None
    names = found.preparation.told(np.concatenate([train_.target, rest.target]))
    assert sorted(names) == sorted(NAMES)
    # Stratified: every class has its share, to within one example.
    for label in range(3):
        share = (found.preparation.classes[label] == NAMES).sum() / 5
        assert abs((rest.target == label).sum() - share) <= 1
    low, high = train_.x.min(axis=0), train_.x.max(axis=0)
    np.testing.assert_allclose(low, 0, atol=1e-6)
    np.testing.assert_allclose(high, 1, atol=1e-6)
    raw = train_.x * (found.preparation.high - found.preparation.low) + found.preparation.low
    scaler = MinMaxScaler(clip=True).fit(raw)
    np.testing.assert_allclose(found.preparation.inputs(X), scaler.transform(X), atol=1e-4)


def test_a_regression_is_told_in_its_own_units(tmp_path):
    y = 100 + 10 * X[:, 0]
    found = load(write_table(tmp_path / "yield.csv", y=y), target=-1)
    assert (found.task, found.num_outputs) == ("regression", 1)
    both = np.concatenate([found.split(s).target for s in ("train", "validation")])
    told = found.preparation.told(both)[:, 0]
    np.testing.assert_allclose(np.sort(told), np.sort(y), rtol=1e-5)
    assert load(tmp_path / "yield.csv", target="tree", split_seed=1).split("train").x.std() > 0


def test_whole_numbers_are_classes_unless_a_regression_is_asked_for(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=RNG.random((30, 2)), y=np.tile([3, 7, 9], 10))
    assert load(path).preparation.classes.tolist() == [3, 7, 9]
    assert load(path, task="regression").task == "regression"


def test_a_file_may_split_itself(tmp_path):
    parts = ["train"] * 40 + ["validation"] * 15 + ["test"] * 5
    path = write_table(tmp_path / "split.csv", more=parts)
    found = load(path, target="tree", split_column="part")
    assert {name: len(split) for name, split in found.splits.items()} == {
        "train": 40, "validation": 15, "test": 5,
    }  # fmt: skip
    arrays = tmp_path / "split.npz"
    np.savez(
        arrays, x_train=X[:40], y_train=NAMES[:40], x_validation=X[40:], y_validation=NAMES[40:]
    )
    assert len(load(arrays).split("validation")) == 20


def idx(array, kind=8, code=">u1"):
    head = bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(code).tobytes()


def test_folders_of_idx_files_under_the_names_of_k_e_and_qmnist(tmp_path):
    images = RNG.integers(0, 256, (20, 5, 5)).astype(np.uint8)
    labels = RNG.permutation(np.arange(20) % 4).astype(np.uint8)
    wide = np.zeros((20, 8), np.int32)
    wide[:, 0], wide[:, 1] = labels, 77
    folders = {
        "kmnist": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", idx(labels)),
        "emnist": (
            "emnist-letters-train-images-idx3-ubyte",
            "emnist-letters-train-labels-idx1-ubyte",
            idx(labels),
        ),
        "qmnist": (
            "qmnist-train-images-idx3-ubyte.gz",
            "qmnist-train-labels-idx2-int.gz",
            idx(wide, 0x0C, ">i4"),
        ),
    }
    for name, (first, second, answer) in folders.items():
        folder = tmp_path / name
        folder.mkdir()
        for file, content in ((first, idx(images)), (second, answer)):
            packed = gzip.compress(content) if file.endswith(".gz") else content
            (folder / file).write_bytes(packed)
        found = load(folder)
        assert (found.num_inputs, found.num_outputs) == (25, 4)
        x = np.concatenate([found.split(s).x for s in ("train", "validation")])
        assert x.dtype == np.uint8
        assert x.sum() == images.sum()
    np.testing.assert_array_equal(read_idx(tmp_path / "qmnist" / folders["qmnist"][1]), wide)


FAULTS = [
    ("x.txt", b"1", dict(), r"must end in \.npz or \.csv"),
    ("x.npz", b"no archive", dict(), "must be a readable .npz file"),
    ("x.csv", b"a,b\n1,2\n3,4\n", dict(), r"must name the column to learn.*a, b.*data.target=b"),
    ("x.csv", b"a,b\n1,2\n3,4\n", dict(target="c"), "data.target"),
    ("x.csv", b"a,b\n1,2\n3\n", dict(target="b"), "2 cells as the first has, got 1 in line 3"),
    ("x.csv", b"a,b\nred,2\n3,4\n", dict(target="b"), "got 'red' in column 'a', line 2"),
    ("x.csv", b"a,b\nnan,2\n3,4\n1,2\n1,2\n1,2\n", dict(target="b"), "inputs must be finite"),
    ("x.csv", b"a,b\n5,2\n3,4\n1,2\ninf,2\n1,2\n", dict(target="b"), "got inf in example 4,"),
    ("x.csv", b"a,b\n1,u\n2,\n3,v\n4,u\n", dict(target="b"), "got none in column 'b', line 3"),
    ("x.csv", b"a;b\n1;2\n3;4\n", dict(target="b"), "got semicolons"),
    ("x.csv", b"1.5,2\n3,4\n1,2\n", dict(target=1), "must name the columns, got the numbers 1.5"),
    ("x.csv", b",a,b\n0,.1,u\n1,.2,v\n2,.3,u\n", dict(target="b"), "without a name that counts"),
    ("x.csv", b"a,b,c\n1,u,train\n3,u,train\n2,v,validation\n",
     dict(target="b", split_column="c"), "every class must be among the training examples"),
    ("x.csv", b"a,b,c\n1,u,train\n3,u,tain\n2,v,validation\n",
     dict(target="b", split_column="c"), "Did you mean 'train'"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "wanted", "message"), FAULTS)
def test_what_cannot_be_read_is_said_in_one_message(tmp_path, name, content, wanted, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises((DataError, ConfigError), match=message):
        load(path, **wanted)


def test_missing_files_and_wrong_arrays(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        load(tmp_path / "none.csv")
    np.savez(tmp_path / "a.npz", images=X, label=NAMES)
    with pytest.raises(DataError, match=r"must hold `x` and `y`.*got images, label"):
        load(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", x=X, y=NAMES[:-1])
    with pytest.raises(DataError, match=r"per example, got shapes.*as many targets as inputs"):
        load(tmp_path / "a.npz")
    with pytest.raises(DataError, match="must hold IDX files"):
        load(tmp_path)


def test_a_path_is_a_data_set_in_a_settings_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "trees.csv")
    short = build({"data": {"dataset": "trees.csv", "target": "tree"}})
    assert short.flat()["data.dataset"] == "file"
    assert short.flat()["data.path"] == str(tmp_path / "trees.csv")
    again = tmp_path / "again.toml"
    again.write_text(short.to_toml())
    assert eqprop.config.settings.load(again) == short
    with pytest.raises(ConfigError, match=r"`data\.target` belongs to"):
        build({"data": {"dataset": "mnist", "target": "tree"}})
    changes = ["data.dataset=trees.csv", "data.target=tree"]
    assert cook("fast", overrides=changes).topology.layer_sizes == (4, 512, 512, 512)


def test_a_run_on_a_file_predicts_in_the_words_of_the_file(tmp_path):
    x = RNG.random((80, 3)) * [1, 10, 100]
    names = np.where(x[:, 0] > 0.5, "high", "low")
    path = write_table(tmp_path / "own.csv", x, names)
    config = build(
        {
            "topology": {"layer_sizes": [3, 12, 2]},
            "data": {"dataset": str(path), "target": "tree", "shuffle": True, "batch_size": 4},
            "learning": {"learning_rate": 0.1},
            "training": {"epochs": 40},
        }
    )
    folder = train(config, tmp_path / "runs")
    model = eqprop.load(folder.path)
    said = model.predict(x)
    assert set(said) <= {"high", "low"}
    assert (said == names).mean() > 0.8
    done = json.loads((folder.path / "preparation.json").read_text())
    assert done["classes"] == ["high", "low"]
    assert done["high"][2] > 90


def test_the_command_line_predicts_for_new_examples(tmp_path, capsys):
    x = RNG.random((80, 3)) * [1, 10, 100]
    tables = {
        "trees": np.where(x[:, 0] > 0.5, "high", "low"), "heights": 20 + 30 * x[:, 0],
    }  # fmt: skip
    for name, y in tables.items():
        path = write_table(tmp_path / f"{name}.csv", x, y)
        task = "classification" if name == "trees" else "regression"
        network = {"cost": "squared-error", "activation": "hard-sigmoid"}
        values = {
            "name": name,
            "topology": {"layer_sizes": [3, 12, 2 if name == "trees" else 1]},
            "network": network,
            "data": {
                "dataset": str(path), "target": "tree" if name == "trees" else 3, "task": task,
                "batch_size": 4,
            },
            "learning": {"learning_rate": 0.1},
            "training": {"epochs": 40},
        }  # fmt: skip
        folder = str(train(build(values), tmp_path / "runs").path)
        model = eqprop.load(folder)
        expected = (model.predict(x) if name == "trees" else model.outputs(x)).reshape(-1)
        assert len(set(expected.tolist())) > 1
        lines = path.read_text().splitlines()
        (tmp_path / "new.csv").write_text("\n".join(line.rsplit(",", 1)[0] for line in lines))
        np.savez(tmp_path / "new.npz", x=x)
        for file in (path, tmp_path / "new.csv", tmp_path / "new.npz"):
            capsys.readouterr()
            assert run(["predict", folder, str(file)]) == 0
            head, *told = capsys.readouterr().out.split()
            assert head == "prediction"
            assert told == [str(value) for value in expected.tolist()], file
    assert run(["predict", folder, str(path), "--out", str(tmp_path / "told.csv")]) == 0
    assert (tmp_path / "told.csv").read_text().split() == [head, *told]
    np.savez(tmp_path / "few.npz", x=x[:, :2])
    assert run(["predict", folder, str(tmp_path / "few.npz")]) != 0
    assert "the 3 inputs of training, got 2 columns" in capsys.readouterr().err
    assert run(["predict", folder, "none.csv"]) != 0
    assert "does not exist" in capsys.readouterr().err


def test_settings_of_a_file_reach_its_reader(tmp_path):
    path = write_table(tmp_path / "trees.csv", more=["train"] * 50 + ["validation"] * 10)
    plain = {"dataset": str(path), "target": "tree"}

    def read(**more) -> Any:
        return build({"data": plain | more}).data.dataset.load()

    assert len(read(split_column="part").split("validation")) == 10
    path = write_table(tmp_path / "trees.csv")
    shares = read(validation_share=0.5, test_share=0.1)
    assert [len(split) for split in shares.splits.values()] == [24, 6, 30]
    one, two = (read(split_seed=seed).split("validation").x for seed in (0, 1))
    assert one.shape == two.shape
    assert (one != two).any()
    inside = write_table(tmp_path / "inside.csv", 0.2 + 0.1 * (X > 3))
    plain["dataset"] = str(inside)
    assert read().split("train").x.max() < 0.4
    assert read(scale="columns").split("train").x.max() == 1
    beyond = write_table(tmp_path / "trees.csv")
    plain["dataset"] = str(beyond)
    assert read(scale="none").split("train").x.max() > 1
    numbers = write_table(tmp_path / "numbers.csv", y=np.arange(60) % 3)
    plain["dataset"] = str(numbers)
    assert (read().task, read(task="regression").task) == ("classification", "regression")


def test_the_command_line_describes_a_file(tmp_path, capsys):
    from eqprop.cli import run as cli

    path = write_table(tmp_path / "trees.csv")
    assert cli(["data", "describe", str(path), "--set", "data.target=tree"]) == 0
    said = capsys.readouterr().out
    assert "trees: classification, 4 inputs, 3 outputs" in said
    assert "classes: ash, elm, oak" in said
    assert cli(["data", "describe", str(path)]) == 4
    assert "must name the column to learn" in capsys.readouterr().err
    assert cli(["data", "list"]) == 0
    assert "teacher        made here" in capsys.readouterr().out


def test_an_archive_with_objects_is_refused(tmp_path):
    np.savez(tmp_path / "objects.npz", x=np.array([{1}, {2}], object), y=np.arange(2))
    with pytest.raises(DataError, match="plain arrays"):
        load(tmp_path / "objects.npz")


def test_a_regression_may_be_looked_at_beyond_what_it_learns(tmp_path):
    """The largest target of a file lands in whatever split it lands in."""
    x = np.linspace(0, 1, 60)[:, None].repeat(3, axis=1)
    split = ["train"] * 40 + ["validation"] * 10 + ["test"] * 10  # ever larger targets
    path = write_table(tmp_path / "heights.csv", x, 20 + 30 * x[:, 0], more=split)
    values = {
        "topology": {"layer_sizes": [3, 5, 1]},
        "network": {"cost": "squared-error", "activation": "hard-sigmoid"},
        "data": {
            "dataset": str(path), "target": "tree", "task": "regression", "split_column": "part"
        },
        "training": {"epochs": 1},
    }  # fmt: skip
    done = train(build(values), tmp_path / "runs")
    assert done.read_json("summary.json")["validation_cost"] > 0
    assert evaluate_run(done.path, "test")["test_cost"] > 0
    model = eqprop.load(done.path)
    assert model.evaluate(x, np.full((60, 1), 2.0)).cost > 0
    with pytest.raises(DataError, match="output units can reach"):
        model.fit(x, np.full((60, 1), 2.0), epochs=1)


@pytest.mark.parametrize("kind", ["text", "objects", "a column", "floats"])
def test_every_class_keeps_its_share_whatever_labels_are_made_of(kind):
    labels: Any = np.array(["a"] * 90 + ["b"] * 10)
    if kind == "objects":
        labels = labels.astype(object)
    elif kind == "a column":
        labels = labels[:, None]
    elif kind == "floats":
        labels = np.array([1.0] * 90 + [2.0] * 10)
    for seed in range(4):
        wanted = GivenSettings(task="classification", split_seed=seed)
        found = given((np.random.default_rng(0).random((100, 2)), labels), wanted)
        assert np.bincount(found.split("validation").target).tolist() == [18, 2]


def test_columns_of_several_kinds_are_numbers():
    frame = np.array([[row[0], bool(row[1] > 3)] for row in X], object)  # as pandas gives them
    found = given((frame, NAMES), GivenSettings()).split("train").x
    plain = given((frame.astype(float), NAMES), GivenSettings()).split("train").x
    np.testing.assert_array_equal(found, plain)
    frame[:, 1] = NAMES
    with pytest.raises(DataError, match="inputs must be numbers, got object"):
        given((frame, NAMES), GivenSettings())


def test_a_missing_label_is_named():
    labels = NAMES.astype(object)
    labels[7] = np.nan
    with pytest.raises(DataError, match=r"of one kind, got .* in example 1 and nan in example 8"):
        given((X, labels), GivenSettings())
    with pytest.raises(DataError, match="labels must be finite, got nan in example 3"):
        given((X, np.where(np.arange(60) == 2, np.nan, 1)), GivenSettings(task="classification"))


def test_sparse_examples_are_predicted_as_they_were_trained(tmp_path):
    settings = {"topology": {"layer_sizes": [4, 5, 3]}, "training": {"epochs": 1}}
    sparse = scipy.sparse.csr_array(X)
    model = eqprop.train(settings, data=(sparse, NAMES), out=tmp_path).model
    np.testing.assert_array_equal(model.predict(sparse), model.predict(X))


def test_a_column_may_be_called_by_a_number_or_counted_from_the_end(tmp_path):
    path = tmp_path / "years.csv"
    path.write_text("region,2019,2021\n1,0.5,7\n2,0.25,8\n3,0.75,7\n4,1,8\n5,0,7\n6,0.5,8\n")
    for target in ("2021", 2021, 2, -1):
        found = load(path, target=target, validation_share=0.4)
        assert found.num_inputs == 2 and found.preparation.classes.tolist() == [7, 8], target
        np.testing.assert_array_equal(load_inputs(path, [target], 2)[:, 0], [1, 2, 3, 4, 5, 6])
    with pytest.raises(DataError, match=r"data\.target"):
        load(path, target=2020)
