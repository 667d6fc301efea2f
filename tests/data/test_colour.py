"""CIFAR and SVHN, from files that these tests write in their formats."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import tarfile

import numpy as np
import pytest
import scipy.io

from eqprop.cli import run as cli
from eqprop.data import colour
from eqprop.data.colour import SVHN, load
from eqprop.errors import DataError

RNG = np.random.default_rng(0)
COUNTS = {"train": 6, "test": 4}  # pictures in a file; the authors' have thousands
CIFAR_10, CIFAR_100 = (
    dataclasses.replace(source, records=COUNTS) for source in (colour.CIFAR_10, colour.CIFAR_100)
)


def records(source, count):
    """Pictures [count, 3, 32, 32], labels, and their bytes in a file."""
    pictures = RNG.integers(0, 256, (count, 3, 32, 32), np.uint8)
    labels = RNG.integers(0, source.classes, count)
    coarse = [[7]] * count if source.labels == 2 else [[]] * count
    content = b"".join(
        bytes([*first, label]) + picture.tobytes()
        for first, label, picture in zip(coarse, labels.tolist(), pictures, strict=True)
    )
    return pictures, labels, content


def written(source, folder):
    """Every member of an archive, written unpacked; what they hold, by split."""
    folder.mkdir(parents=True)
    found = {}
    for split, names in source.members.items():
        parts = [records(source, COUNTS[split]) for _ in names]
        for name, (_, _, content) in zip(names, parts, strict=True):
            (folder / name).write_bytes(content)
        found[split] = (np.concatenate([p for p, _, _ in parts]),
                        np.concatenate([labels for _, labels, _ in parts]))  # fmt: skip
    return found


def check(dataset, expected):
    pictures, labels = expected["train"]
    train, validation = dataset.split("train"), dataset.split("validation")
    assert len(train) + len(validation) == len(labels) and len(validation) == len(labels) // 2
    x = np.concatenate([train.x, validation.x])
    np.testing.assert_array_equal(x.reshape(-1, 3, 32, 32), pictures)
    np.testing.assert_array_equal(np.concatenate([train.target, validation.target]), labels)
    assert len(np.unique(labels)) > 2
    pictures, labels = expected["test"]
    test = dataset.split("test")
    np.testing.assert_array_equal(test.x.reshape(-1, 3, 32, 32), pictures)
    np.testing.assert_array_equal(test.target, labels)
    assert x.dtype == np.uint8 and dataset.num_inputs == 3072


@pytest.mark.parametrize("source", [CIFAR_10, CIFAR_100], ids=lambda source: source.name)
def test_unpacked_files_are_read(source, tmp_path):
    inside = {"cifar-10": "cifar-10-batches-bin", "cifar-100": "cifar-100-binary"}[source.name]
    expected = written(source, tmp_path / source.name / inside)
    check(load(source, tmp_path), expected)
    assert colour.folder_of(source, tmp_path) == tmp_path / source.name / inside
    assert load(source, tmp_path).num_outputs == source.classes


@pytest.mark.parametrize("source", [CIFAR_10, CIFAR_100], ids=lambda source: source.name)
def test_archives_are_read_without_unpacking(source, tmp_path):
    expected = written(source, tmp_path / "raw")
    (name,) = source.files
    with tarfile.open(tmp_path / name, "w:gz") as archive:
        archive.add(tmp_path / "raw", "somewhere/else")
    with pytest.raises(DataError, match=r"must have MD5 .* or another file"):
        load(source, tmp_path)  # not the authors' bytes
    digest = hashlib.md5((tmp_path / name).read_bytes()).hexdigest()
    ours = dataclasses.replace(source, files={name: digest})
    check(load(ours, tmp_path), expected)
    (tmp_path / "raw" / source.members["test"][0]).unlink()
    with tarfile.open(tmp_path / name, "w:gz") as archive:
        archive.add(tmp_path / "raw", "x")
    digest = hashlib.md5((tmp_path / name).read_bytes()).hexdigest()
    with pytest.raises(DataError, match=f"must hold {source.members['test'][0]}, got"):
        load(dataclasses.replace(source, files={name: digest}), tmp_path)
    (tmp_path / name).write_bytes(gzip.compress(b"no archive"))
    digest = hashlib.md5((tmp_path / name).read_bytes()).hexdigest()
    with pytest.raises(DataError, match="the archive must be readable"):
        load(dataclasses.replace(source, files={name: digest}), tmp_path)


def matlab(pictures, labels):
    file = io.BytesIO()
    # As the authors have it: rows, columns, colours, pictures; the digit 0 is called 10.
    named = np.where(labels == 0, 10, labels)[:, None].astype(np.uint8)
    scipy.io.savemat(file, {"X": pictures.transpose(2, 3, 1, 0), "y": named})
    return file.getvalue()


def test_house_numbers_are_read(tmp_path):
    expected, digests = {}, {}
    for split, count in COUNTS.items():
        pictures, labels, _ = records(SVHN, 3 * count)
        labels[0] = 0
        expected[split] = pictures, labels
        content = matlab(pictures, labels)
        (tmp_path / f"{split}_32x32.mat").write_bytes(content)
        digests[f"{split}_32x32.mat"] = hashlib.md5(content).hexdigest()
    ours = dataclasses.replace(SVHN, files=digests)
    check(load(ours, tmp_path), expected)
    other = io.BytesIO()
    scipy.io.savemat(other, {"Z": np.zeros(3)})
    (tmp_path / "test_32x32.mat").write_bytes(other.getvalue())
    digests["test_32x32.mat"] = hashlib.md5(other.getvalue()).hexdigest()
    with pytest.raises(DataError, match=r"MATLAB file with X \[32, 32, 3, n\] and y"):
        load(dataclasses.replace(SVHN, files=digests), tmp_path)


def test_what_is_damaged_or_missing_is_said(tmp_path):
    with pytest.raises(DataError, match=r"no cifar-10-binary.tar.gz.*eqprop data fetch cifar-10"):
        load(CIFAR_10, tmp_path)
    written(CIFAR_10, tmp_path / "cifar-10")
    batch = tmp_path / "cifar-10" / "data_batch_3.bin"
    batch.write_bytes(batch.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"data_batch_3.bin must be 6 records of 3,073 bytes"):
        load(CIFAR_10, tmp_path)
    batch.write_bytes(6 * (bytes([11]) + bytes(3072)))
    with pytest.raises(DataError, match=r"labels of data_batch_3.bin must be below 10, got 11"):
        load(CIFAR_10, tmp_path)


def test_a_download_that_fails_names_the_files(tmp_path):
    source = dataclasses.replace(CIFAR_10, mirror="http://127.0.0.1:9/")
    with pytest.raises(DataError, match=r"(?s)could not be downloaded: http://127.*put cifar-10"):
        colour.fetch(source, tmp_path)


def test_files_of_common_names_are_not_taken_for_ours(tmp_path):
    written(CIFAR_100, tmp_path / "mine")
    with pytest.raises(DataError, match=r"no cifar-100-binary\.tar\.gz"):
        load(CIFAR_100, tmp_path / "mine")


def test_one_command_trains_on_them_wherever_they_are(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(colour, "CIFAR_10", CIFAR_10)
    written(CIFAR_10, tmp_path / "data" / "cifar-10")
    settings = ["--set", "data.dataset=cifar-10", "--set", "training.epochs=1", "--data-dir",
                str(tmp_path / "data"), "--out", str(tmp_path)]  # fmt: skip
    assert cli(["train", "--recipe", "small", *settings]) == 0
    assert "15 examples of cifar-10" in capsys.readouterr().out
    assert cli(["data", "list", "--data-dir", str(tmp_path / "data")]) == 0
    told = capsys.readouterr().out
    assert str(tmp_path / "data" / "cifar-10") in told and "eqprop data fetch svhn" in told
