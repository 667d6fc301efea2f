"""Colour pictures of 32 x 32 pixels: CIFAR-10, CIFAR-100 and SVHN, from the files of their authors.

A picture is 3,072 inputs: red, green and blue, each 32 rows of 32. Digests are the MD5 sums that
are published with the files.

**References:** Krizhevsky, "Learning multiple layers of features from tiny images" (2009), whose
page tells the format of the binary version; Netzer et al., "Reading digits in natural images with
unsupervised feature learning", NIPS workshop (2011).
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from eqprop.data.dataset import Dataset, Split
from eqprop.data.idx import cache, in_short, search_folders
from eqprop.errors import DataError

_PIXELS = 3 * 32 * 32


@dataclasses.dataclass(frozen=True)
class Source:
    """Where the files of a data set are to be had, and what is in them.

    **Attributes:**

    - `files`: the MD5 sum of each.
    - `mirror`: the folder they are in.
    - `members`: of an archive, by split; where they are found unpacked, that will do.
    - `validation`: the last so many training examples.
    - `labels`: bytes of labels before each picture; the last is the class.
    - `records`: pictures in each member, by split.
    - `inside`: the folder that its archive unpacks to.
    """

    name: str
    files: Mapping[str, str]
    mirror: str
    classes: int
    validation: int
    members: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    labels: int = 1
    records: Mapping[str, int] = dataclasses.field(default_factory=dict)
    inside: str = ""

    @property
    def is_archive(self) -> bool:
        """Whether its files are packed."""
        return bool(self.members)


_TORONTO = "https://www.cs.toronto.edu/~kriz/"
CIFAR_10 = Source(
    "cifar-10",
    {"cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530"},
    _TORONTO,
    classes=10,
    validation=5_000,
    members={
        "train": tuple(f"data_batch_{k}.bin" for k in range(1, 6)),
        "test": ("test_batch.bin",),
    },
    records={"train": 10_000, "test": 10_000},
    inside="cifar-10-batches-bin",
)
CIFAR_100 = Source(
    "cifar-100",
    {"cifar-100-binary.tar.gz": "03b5dce01913d631647c71ecec9e9cb8"},
    _TORONTO,
    classes=100,
    validation=5_000,
    members={"train": ("train.bin",), "test": ("test.bin",)},
    labels=2,
    records={"train": 50_000, "test": 10_000},
    inside="cifar-100-binary",
)
SVHN = Source(
    "svhn",
    {
        "train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
        "test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3",
    },
    "http://ufldl.stanford.edu/housenumbers/",
    classes=10,
    validation=7_325,  # a tenth
)


def load(source: Source, data_dir: Path | None = None) -> Dataset:
    """Loads from files, downloading what is missing.

    Looks where the MNIST family is looked for, for the archives of CIFAR or their unpacked files,
    and for the two `.mat` files of SVHN.

    **Raises:** `DataError` for a file that is missing, damaged or another one.
    """
    if source.is_archive:
        found = _cifar(source, data_dir)
    else:
        found = {
            split: _svhn(_file(source, f"{split}_32x32.mat", data_dir))
            for split in ("train", "test")
        }
    train = found["train"]
    count = len(train) - min(source.validation, len(train) // 2)
    splits = {
        "train": train.first(count),
        "validation": train.rows(slice(count, None)),
        "test": found["test"],
    }
    return Dataset(source.name, splits, source.classes)


def fetch(source: Source, folder: Path | None = None) -> Path:
    """Downloads every file of `source` that is not in `folder` already, and checks it.

    **Arguments:** `folder`: under which a folder of the data set's name is made (default: the
    user's cache).

    **Returns:** the folder with the files.
    """
    import pooch

    folder = (folder or cache()) / source.name
    for name, digest in source.files.items():
        try:
            pooch.retrieve(source.mirror + name, f"md5:{digest}", name, folder)
        except Exception as problem:  # whatever a network or a disk can do
            raise DataError(
                f"{source.name} could not be downloaded: {source.mirror}{name}: "
                f"{in_short(problem)}\nWithout a network, put {', '.join(source.files)} into a "
                "folder and name it with --data-dir or EQPROP_DATA."
            ) from None
    return folder


def folder_of(source: Source, data_dir: Path | None = None) -> Path | None:
    """Where everything that `load` needs lies on this machine already; None if nowhere."""
    wanted = [name for names in source.members.values() for name in names]
    for folder in _folders(source, data_dir):
        # `train.bin` in any folder is anything; in one of this name it is ours.
        unpacked = wanted if folder.name in (source.name, source.inside) else []
        for names in filter(None, (unpacked, list(source.files))):
            if all((folder / name).is_file() for name in names):
                return folder
    return None


def _folders(source: Source, data_dir: Path | None) -> list[Path]:
    """Where files may be: also in the folders that the archives unpack to."""
    found = []
    for folder in search_folders(source.name, data_dir):
        found += [folder, *([folder / source.inside] if source.inside else [])]
    return found


def _file(source: Source, name: str, data_dir: Path | None) -> Path:
    """A file of the source, looked for and then downloaded; its digest is right."""
    for folder in _folders(source, data_dir):
        if (folder / name).is_file():
            _check(source, name, folder / name)
            return folder / name
    if data_dir is not None:
        raise DataError(
            f"`data_dir` must hold the files of {source.name}, got {data_dir}, which has no "
            f"{name}. Run `eqprop data fetch {source.name} --data-dir {data_dir}`."
        )
    return fetch(source) / name


def _check(source: Source, name: str, path: Path) -> None:
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "md5").hexdigest()
    if digest != source.files[name]:
        raise DataError(
            f"the data file must have MD5 {source.files[name]}, got {digest} from {path}. It is "
            f"truncated, damaged or another file. Delete it and run `eqprop data fetch "
            f"{source.name}`."
        )


def _cifar(source: Source, data_dir: Path | None) -> dict[str, Split]:
    folder = folder_of(source, data_dir)
    names = [name for names in source.members.values() for name in names]
    if folder is not None and all((folder / name).is_file() for name in names):
        parts = {name: (folder / name).read_bytes() for name in names}
    else:
        (archive,) = source.files
        parts = _unpacked(_file(source, archive, data_dir), names)
    return {
        split: _joined(
            [_records(source, name, parts[name], source.records[split]) for name in members]
        )
        for split, members in source.members.items()
    }


def _unpacked(path: Path, names: list[str]) -> dict[str, bytes]:
    """The members of an archive that are wanted, in whatever folder of it; nothing is extracted."""
    found = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                if member.isfile() and name in names:
                    file = archive.extractfile(member)
                    assert file is not None  # it is a file
                    found[name] = file.read()
    except (tarfile.TarError, OSError, EOFError) as problem:
        raise DataError(f"the archive must be readable, got {path}: {problem}.") from None
    if missing := sorted(set(names) - set(found)):
        raise DataError(f"the archive must hold {', '.join(missing)}, got {path} without.")
    return found


def _records(source: Source, name: str, content: bytes, count: int) -> Split:
    """Labels and pixels of so many records."""
    length = source.labels + _PIXELS
    if len(content) != count * length:
        raise DataError(
            f"{name} must be {count:,} records of {length:,} bytes, got {len(content):,} bytes. It "
            f"is truncated or another file. Run `eqprop data fetch {source.name}`."
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, length)
    labels = records[:, source.labels - 1].astype(np.int64)
    _check_labels(source, name, labels)
    return Split(np.ascontiguousarray(records[:, source.labels :]), labels)


def _svhn(path: Path) -> Split:
    """A file of MATLAB: `X` `[32, 32, 3, pictures]`, `y` with 10 for the digit 0."""
    import scipy.io

    try:
        content = scipy.io.loadmat(io.BytesIO(path.read_bytes()))
        pictures, labels = content["X"], content["y"].ravel().astype(np.int64) % 10
        pixels = np.ascontiguousarray(pictures.transpose(3, 2, 0, 1).reshape(len(labels), _PIXELS))
    except (KeyError, ValueError, TypeError, NotImplementedError) as problem:
        raise DataError(
            f"the data file must be a MATLAB file with X [32, 32, 3, n] and y, got {path}: "
            f"{problem}."
        ) from None
    _check_labels(SVHN, path.name, labels)
    return Split(pixels.astype(np.uint8, copy=False), labels)


def _check_labels(source: Source, name: str, labels: np.ndarray) -> None:
    if labels.max(initial=0) >= source.classes:
        raise DataError(
            f"labels of {name} must be below {source.classes}, got {labels.max()}. It is another "
            "file."
        )


def _joined(parts: list[Split]) -> Split:
    return Split(
        np.concatenate([part.x for part in parts]), np.concatenate([part.target for part in parts])
    )
