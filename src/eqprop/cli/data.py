"""`eqprop data`: data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from eqprop.cli.app import app
from eqprop.errors import ConfigError, unknown_name

data_app = App(name="data", help="Data sets: which there are, and fetching them.")
app.command(data_app)


@data_app.command
def fetch(
    name: Annotated[str, Parameter(help="mnist or fashion-mnist.")] = "mnist",
    *,
    data_dir: Annotated[Path | None, Parameter(help="Where to put it; default: the cache.")] = None,
) -> None:
    """Download a data set and check its digests."""
    from eqprop.data.idx import fetch as fetch_source
    from eqprop.data.settings import DATASETS, source_of

    source = source_of(name)
    if source is None:
        files = [known for known in DATASETS.names() if source_of(known) is not None]
        raise ConfigError(unknown_name("dataset", name, files))
    print(fetch_source(source, data_dir))


@data_app.command(name="list")
def list_() -> None:
    """Name every data set."""
    from eqprop.data.settings import DATASETS

    print("\n".join(DATASETS.names()))
