"""Data sets by name. Everything here is NumPy on the host."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from eqprop.data import idx
from eqprop.data.bundled import diabetes, mnist_5k, teacher, wine
from eqprop.data.dataset import Dataset, Split
from eqprop.errors import ConfigError, unknown_name

SOURCES = {source.name: source for source in (idx.MNIST, idx.FASHION_MNIST)}
"""Data sets made of files that can be downloaded."""

_OTHERS: dict[str, Callable[[], Dataset]] = {
    "mnist-5k": mnist_5k,
    "wine": wine,
    "diabetes": diabetes,
    "teacher": teacher,
}

NAMES = (*SOURCES, *_OTHERS)
"""Every data set that `load` knows."""


def load(name: str, data_dir: Path | None = None) -> Dataset:
    """A data set by name: mnist, fashion-mnist, mnist-5k, wine, diabetes or teacher.

    **Arguments:**

    - `data_dir`: the only folder in which files are looked for; nothing is downloaded then.
    """
    if name in SOURCES:
        return idx.load(SOURCES[name], data_dir)
    if name in _OTHERS:
        return _OTHERS[name]()
    raise ConfigError(unknown_name("dataset", name, NAMES))


__all__ = [
    "NAMES",
    "SOURCES",
    "Dataset",
    "Split",
    "diabetes",
    "load",
    "mnist_5k",
    "teacher",
    "wine",
]
