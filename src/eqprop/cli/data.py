"""`eqprop data`: data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from eqprop.cli.app import DataDir, Override, app
from eqprop.errors import ConfigError, unknown_name

data_app = App(name="data", help="Data sets: which there are, and fetching them.")
app.command(data_app)


@data_app.command
def fetch(
    name: Annotated[
        str, Parameter(help="mnist, fashion-mnist, cifar-10, cifar-100 or svhn.")
    ] = "mnist",
    *,
    data_dir: Annotated[Path | None, Parameter(help="Where to put it; default: the cache.")] = None,
) -> None:
    """Download a data set and check its digests."""
    from eqprop.data.settings import DATASETS, fetched

    chosen = fetched(name)
    if chosen is None:
        files = [known for known in DATASETS.names() if fetched(known) is not None]
        raise ConfigError(unknown_name("dataset", name, files))
    print(chosen.fetch(data_dir))


@data_app.command(name="list")
def list_(*, data_dir: DataDir = None) -> None:
    """Name every data set, and where it is on this machine."""
    from eqprop.data.settings import DATASETS

    for name, section in DATASETS.each():
        where, way = section.where_found(data_dir)
        print(f"{name:14} {where or f'not here: {way}'}")


@data_app.command
def describe(
    dataset: Annotated[str, Parameter(help="A name, or the path of a file or folder.")],
    *,
    set_: Override = None,
    data_dir: DataDir = None,
) -> None:
    """Read a data set as a run would, and say what is in it."""
    import numpy as np

    from eqprop.config.overrides import override
    from eqprop.config.settings import build

    config = build(override({"data": {"dataset": dataset}}, set_ or []))
    found = config.data.dataset.load(data_dir)
    print(f"{found.name}: {found.task}, {found.num_inputs} inputs, {found.num_outputs} outputs")
    for name, split in found.splits.items():
        counts = ""
        if split.target.ndim == 1:
            counts = ", of each class " + ", ".join(map(str, np.bincount(split.target)))
        print(f"{name}: {len(split)} examples{counts}")
    done = found.preparation
    if done is None:
        return
    if done.classes is not None:
        print("classes: " + ", ".join(map(str, done.classes)))
    elif done.target_low is not None and done.target_high is not None:
        spans = zip(done.target_low, done.target_high, strict=True)
        print("targets to [0, 1] from " + ", ".join(f"[{a:g}, {b:g}]" for a, b in spans))
    scaled = "as they are" if done.low is None else "each to [0, 1] over the training examples"
    print(f"inputs: {scaled}")
