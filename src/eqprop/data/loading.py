"""Data sets by name."""

from __future__ import annotations

from pathlib import Path

from eqprop.data.dataset import Dataset
from eqprop.data.settings import DATASETS


def load(name: str, data_dir: Path | None = None) -> Dataset:
    """A data set by name: mnist, fashion-mnist, mnist-5k, wine, diabetes or teacher.

    **Arguments:**

    - `data_dir`: the only folder in which files are looked for; nothing is downloaded then.
    """
    return DATASETS.find(name)().load(data_dir)
