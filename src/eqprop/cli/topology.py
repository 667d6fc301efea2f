"""`eqprop topology`: the connections of a wiring, counted, drawn and compared."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from eqprop.cli.app import Override, app
from eqprop.errors import ConfigError

if TYPE_CHECKING:
    from eqprop.config.run_config import RunConfig


@app.command(name="topology")
def command(
    config: Annotated[Path | None, Parameter(help="TOML file; default: the paper's.")] = None,
    *,
    set_: Override = None,
    picture: Annotated[Path | None, Parameter(help="Write a PNG or SVG here.")] = None,
    small_world: Annotated[
        bool, Parameter(negative="", help="Measure path length and clustering too; seconds.")
    ] = False,
    compare: Annotated[
        Path | None,
        Parameter(help="Write a CSV: Algorithm 1 beside Watts and Strogatz's procedure; minutes."),
    ] = None,
    seeds: Annotated[int, Parameter(help="How many, with --compare.")] = 3,
) -> None:
    """Count the connections of a topology, and draw it like figures 1 and 2.

    Small networks are drawn as graphs, large ones as densities per pair of layers. --compare
    rewires its layers, full inside if they are so, by both procedures at several p.
    """
    from eqprop.config.overrides import override
    from eqprop.config.settings import build, load
    from eqprop.experiments.figure3 import networks

    if config is None:
        settings = build(override(networks("paper")["rewired"], set_ or []))
    else:
        settings = load(config, set_ or [])
    from eqprop.running.wiring import build_topology

    if compare is not None:
        _compare(settings, compare, seeds)
        return
    wired = build_topology(settings)
    facts = wired.accounting().to_dict()
    if small_world:
        from eqprop.topology import small_world as measure

        facts["small_world"] = measure(wired, seed=settings.seed).to_dict()
    print(json.dumps(facts, indent=2))
    if picture is not None:
        from eqprop.plots.wiring import draw

        try:
            draw(wired, picture)
        except (OSError, ValueError) as problem:
            raise ConfigError(
                f"`--picture` must name a writable .png or .svg file, got {picture}: {problem}."
            ) from None
        print(picture, file=sys.stderr)


def _compare(settings: RunConfig, file: Path, seeds: int) -> None:
    from eqprop.analysis import procedures
    from eqprop.analysis.collect import write_rows
    from eqprop.topology import layered, with_intralayer

    base = layered(settings.topology.layer_sizes)
    if settings.topology.intralayer:
        base = with_intralayer(base)

    def tell(line: str) -> None:
        print(line, file=sys.stderr)

    rows = procedures.compared(base, range(seeds), tell=tell)
    try:
        write_rows(rows, procedures.COLUMNS, file)
    except OSError as problem:
        raise ConfigError(
            f"`--compare` must name a writable file, got {file}: {problem}."
        ) from None
    print(file)
