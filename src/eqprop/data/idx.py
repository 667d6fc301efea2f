"""The MNIST family: IDX files found on this machine or downloaded, always checked."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import math
import os
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from eqprop.data.dataset import Dataset, Split
from eqprop.errors import DataError

SYSTEM = Path("/usr/share/datasets")
"""Where Debian's package `dataset-fashion-mnist` puts its files, in a folder of the set's name."""

_LIMIT = 100_000_000
"""No file of the family unpacks to more bytes than this; a larger one is not unpacked."""


@dataclasses.dataclass(frozen=True)
class Source:
    """Where the files of a data set are to be had, and what they must be.

    `digests`: SHA-256 of each unpacked file, so that recompressed copies are accepted.
    """

    name: str
    digests: dict[str, str]
    mirrors: tuple[str, ...]


MNIST = Source(
    "mnist",
    {
        "train-images-idx3-ubyte": (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
        ),
        "train-labels-idx1-ubyte": (
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
        ),
        "t10k-images-idx3-ubyte": (
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
        ),
        "t10k-labels-idx1-ubyte": (
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
        ),
    },
    (
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ),
)
FASHION_MNIST = Source(
    "fashion-mnist",
    {
        "train-images-idx3-ubyte": (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
        ),
        "train-labels-idx1-ubyte": (
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"
        ),
        "t10k-images-idx3-ubyte": (
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"
        ),
        "t10k-labels-idx1-ubyte": (
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"
        ),
    },
    (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
)


def load(source: Source, data_dir: Path | None = None) -> Dataset:
    """Loads from files, downloading what is missing.

    Looks in `data_dir`, the folder that the environment variable EQPROP_DATA names, the user's
    cache, and where Debian's packages of data sets put them, each with or without a folder of the
    data set's name, for `FILE` and `FILE.gz`, also with a dot (`train-images.idx3-ubyte`) or in a
    folder of the file's name. A `data_dir` that is given is the only place looked at.
    """
    found = {name: _read(source, name, data_dir) for name in source.digests}
    train = Split(
        _images(found["train-images-idx3-ubyte"]), _labels(found["train-labels-idx1-ubyte"])
    )
    test = Split(_images(found["t10k-images-idx3-ubyte"]), _labels(found["t10k-labels-idx1-ubyte"]))
    splits = {
        # The paper trains on the first 50,000 and calls the other 10,000 its test examples.
        "train": train.first(50_000),
        "validation": Split(train.x[50_000:], train.target[50_000:]),
        "test": test,
    }
    return Dataset(source.name, splits, 10)


def fetch(source: Source, folder: Path | None = None) -> Path:
    """Downloads every file of `source` that is not already in `folder`, and checks it.

    **Arguments:**

    - `folder`: under which the files go, in a folder of the data set's name (default: the
      user's cache).

    **Returns:** the folder with the files. Several processes may fetch at once: each file is
    written beside its place and moved there when its digest is right.

    **Raises:** `DataError` naming every mirror that was tried and what it answered.
    """
    folder = (folder or cache()) / source.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise DataError(
            f"the data folder must be writable, got {folder} ({problem.strerror}). "
            "Name another with --data-dir or EQPROP_DATA."
        ) from None
    for name in source.digests:
        path = folder / f"{name}.gz"
        if not path.exists() or not _is_right(source, name, path):
            _download(source, name, path)
    return folder


def search_folders(name: str, data_dir: Path | None = None) -> Sequence[Path]:
    """The folders in which the files of a data set are looked for, in this order."""
    if data_dir is not None:
        roots = [data_dir]
    else:
        named = os.environ.get("EQPROP_DATA")
        roots = ([Path(named)] if named else []) + [cache(), SYSTEM]
    return [folder for root in roots for folder in (root / name, root)]


def cache() -> Path:
    """The user's folder for what is downloaded."""
    import pooch

    return Path(pooch.os_cache("eqprop"))


def folder_of(source: Source, data_dir: Path | None = None) -> Path | None:
    """Where all files of `source` lie on this machine already; None if one is missing."""
    files = [_file_of(source, name, data_dir) for name in source.digests]
    found = [file.parent for file in files if file is not None]
    return found[0] if len(found) == len(files) else None


def _file_of(source: Source, name: str, data_dir: Path | None) -> Path | None:
    for folder in search_folders(source.name, data_dir):
        for path in _spellings(folder, name):
            if path.is_file():
                return path
    return None


def _read(source: Source, name: str, data_dir: Path | None) -> bytes:
    path = _file_of(source, name, data_dir)
    if path is not None:
        content = _unpack(path)
        _check(source, name, content, path)
        return content
    if data_dir is not None:
        raise DataError(
            f"`data_dir` must hold the files of {source.name}, got {data_dir}, which has no "
            f"{name} or {name}.gz. Run `eqprop data fetch {source.name} --data-dir {data_dir}`."
        )
    return _unpack(fetch(source) / f"{name}.gz")


def _spellings(folder: Path, name: str) -> list[Path]:
    """What people call a file: with a dot, packed or not, in a folder of its own name."""
    names = [name, name.replace("-idx", ".idx")]
    files = [f"{one}{suffix}" for one in names for suffix in (".gz", "")]
    inside = [folder / outer / file for outer in names for file in files]
    return [*(folder / file for file in files), *inside]


def _unpack(path: Path) -> bytes:
    try:
        if path.suffix != ".gz":
            return path.read_bytes()
        with gzip.open(path) as file:
            content = file.read(_LIMIT + 1)
    except (OSError, EOFError, zlib.error) as problem:
        raise DataError(
            f"the data file must be a readable gzip file, got {path}: {problem}. "
            "It is truncated or damaged. Delete it and run `eqprop data fetch`."
        ) from None
    if len(content) > _LIMIT:
        raise DataError(
            f"the data file must unpack to less than {_LIMIT} bytes, got more from {path}. "
            "It is not the file it claims to be. Delete it and run `eqprop data fetch`."
        )
    return content


def _check(source: Source, name: str, content: bytes, path: Path) -> None:
    digest = hashlib.sha256(content).hexdigest()
    if digest != source.digests[name]:
        raise DataError(
            f"the data file must have SHA-256 {source.digests[name]} when unpacked, got {digest} "
            f"from {path}. It is truncated, damaged or another file. Delete it and run "
            f"`eqprop data fetch {source.name}`."
        )


def _is_right(source: Source, name: str, path: Path) -> bool:
    try:
        _check(source, name, _unpack(path), path)
    except DataError:
        return False
    return True


def _download(source: Source, name: str, path: Path) -> None:
    import pooch

    answers = []
    for mirror in source.mirrors:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{name}.")
        os.close(handle)
        try:
            download = pooch.HTTPDownloader(timeout=30)
            download(f"{mirror}{name}.gz", temporary, None)  # pyright: ignore[reportArgumentType]
            os.replace(temporary, f"{temporary}.gz")
            _check(source, name, _unpack(Path(f"{temporary}.gz")), path)
            os.replace(f"{temporary}.gz", path)
            return
        except Exception as problem:  # whatever a network can do; reported if no mirror helps
            answers.append(f"{mirror}{name}.gz: {in_short(problem)}")
        finally:
            for left in (Path(temporary), Path(f"{temporary}.gz")):
                left.unlink(missing_ok=True)
    listed = "\n  ".join(answers)
    raise DataError(
        f"{source.name} could not be downloaded:\n  {listed}\nWithout a network, put the files "
        f"{', '.join(f'{n}.gz' for n in source.digests)} into a folder and name it with --data-dir "
        "or EQPROP_DATA; or take mnist-5k, which is bundled: --dataset mnist-5k, or --set "
        "data.dataset=mnist-5k."
    )


def in_short(problem: Exception) -> str:
    """What went wrong in a download, in a line."""
    cause = problem
    while getattr(cause, "reason", None) is not None and isinstance(cause.reason, Exception):  # type: ignore[attr-defined]
        cause = cause.reason  # type: ignore[attr-defined]
    text = " ".join(str(cause).split())
    return text[:200] or type(problem).__name__


_KINDS = {0x08: np.uint8, 0x09: np.int8, 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def _images(content: bytes) -> np.ndarray:
    return decoded(content).reshape(-1, 784)


def _labels(content: bytes) -> np.ndarray:
    return decoded(content).astype(np.int64)


def decoded(content: bytes) -> np.ndarray:
    """The array of an IDX file.

    **References:** the format, from the page of MNIST: two zero bytes, a type, the number of axes,
    each length as a big-endian 32-bit number, then the values.
    """
    axes, kind = content[3], np.dtype(_KINDS[content[2]])
    shape = np.frombuffer(content, ">u4", axes, offset=4).tolist()
    values = np.frombuffer(content, kind, math.prod(shape), offset=4 + 4 * axes)
    return values.reshape(shape).astype(kind.newbyteorder("="), copy=False)
