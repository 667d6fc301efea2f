"""Oracles: the published digests, and files damaged on purpose."""

from __future__ import annotations

import dataclasses
import gzip
from pathlib import Path

import numpy as np
import pytest

from eqprop import DataError, data
from eqprop.data import idx
from eqprop.data.idx import MNIST, fetch

NAME = "train-images-idx3-ubyte"


@pytest.mark.mnist
def test_mnist_has_the_papers_splits():
    found = data.load("mnist")
    assert {k: len(v) for k, v in found.splits.items()} == {
        "train": 50_000,
        "validation": 10_000,
        "test": 10_000,
    }
    x = found.split("train").x
    assert x.dtype == np.uint8 and x.min() == 0 and x.max() == 255
    assert found.split("train").target[:5].tolist() == [5, 0, 4, 1, 9]
    assert found.split("validation").target[:5].tolist() == [3, 8, 6, 9, 6]


def test_bundled_digits_are_stratified():
    found = data.load("mnist-5k")
    assert np.bincount(found.split("train").target).tolist() == [400] * 10
    assert np.bincount(found.split("validation").target).tolist() == [100] * 10
    assert len(set(found.split("train").target[:20].tolist())) > 5, "not sorted by class"
    rows = np.concatenate([s.x for s in found.splits.values()])
    assert len(np.unique(rows, axis=0)) > 4990, "no example stands in both splits"


def write(folder: Path, content: bytes) -> Path:
    path = folder / f"{NAME}.gz"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>403 Forbidden</html>", "must be a readable gzip file"),
        (gzip.compress(bytes(5000))[:-20], "must be a readable gzip file"),
        (gzip.compress(b"something else"), "must have SHA-256 ba89"),
        (b"", "must be a readable gzip file|must have SHA-256"),
        (gzip.compress(bytes(100_000_001), 1), "must unpack to less than"),
    ],
    ids=["html", "truncated", "other", "empty", "bomb"],
)
def test_a_damaged_file_is_refused_and_kept(tmp_path, content, message):
    path = write(tmp_path, content)
    with pytest.raises(DataError, match=message) as caught:
        data.load("mnist", tmp_path)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == content


def test_a_missing_file_names_the_folder_and_the_fix(tmp_path):
    with pytest.raises(DataError, match=r"no train-images-idx3-ubyte.*eqprop data fetch mnist"):
        data.load("mnist", tmp_path)


def test_without_a_network_every_mirror_is_named_and_nothing_is_left(tmp_path, monkeypatch):
    # A closed port on this machine stands for an unreachable mirror.
    mirrors = ("http://127.0.0.1:9/a/", "http://127.0.0.1:9/b/")
    source = type(MNIST)(MNIST.name, MNIST.digests, mirrors)
    with pytest.raises(DataError, match=r"could not be downloaded") as caught:
        fetch(source, tmp_path)
    assert all(mirror in str(caught.value) for mirror in mirrors)
    assert not list((tmp_path / "mnist").iterdir())


def test_limits_are_checked():
    found = data.load("teacher").limited(num_train=10)
    assert len(found.split("train")) == 10
    with pytest.raises(DataError, match=r"`num_train` must lie in 1..600"):
        data.load("teacher").limited(num_train=601)
    with pytest.raises(ValueError, match="Did you mean 'mnist'"):
        data.load("mnits")


def test_a_stratified_part_keeps_the_shares():
    found = data.load("mnist-5k").split("validation").stratified(200)
    assert np.bincount(found.target).tolist() == [20] * 10


def test_what_a_package_of_the_system_installed_is_found_last(tmp_path, monkeypatch):
    for place in ("system", "cache"):
        (tmp_path / place / "fashion-mnist").mkdir(parents=True)
    monkeypatch.setattr(idx, "SYSTEM", tmp_path / "system")
    monkeypatch.setattr(idx, "cache", lambda: tmp_path / "cache")
    monkeypatch.delenv("EQPROP_DATA", raising=False)
    only = {name: "" for name in ["t10k-labels-idx1-ubyte"]}
    source = dataclasses.replace(idx.FASHION_MNIST, digests=only)
    assert idx.folder_of(source) is None
    for place in ("system", "cache"):
        folder = tmp_path / place / "fashion-mnist"
        (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(b"")
        assert idx.folder_of(source) == folder
    assert idx.folder_of(source, tmp_path) is None  # the only place looked at
