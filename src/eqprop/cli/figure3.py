"""`eqprop reproduce figure3`: experiments and plots, put together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from eqprop.cli.progress import reporting
from eqprop.errors import Stopped
from eqprop.experiments.config import RunConfig
from eqprop.experiments.config import load_recorded as load_config
from eqprop.experiments.figure3 import NETWORKS, RECORD
from eqprop.experiments.run import StopSignal, complete, load_data
from eqprop.plots.curves import error_curves, write_csv
from eqprop.records import RunFolder

Records = dict[str, list[Any]]


def start_figure3(
    configs: Sequence[RunConfig],
    preset: str,
    out: Path,
    data_dir: Path | None,
    stop: StopSignal,
) -> None:
    """Makes the figure's folder with the settings of every run, and finishes it."""
    # Loaded here so that missing data is said before any folder is made.
    load_data(configs[0], data_dir)
    folder = RunFolder.create(out, f"figure3-{preset}")
    for config in configs:
        RunFolder.create(folder.path, config.name).write_text("config.toml", config.to_toml())
    names = [config.name for config in configs]
    folder.write_json(RECORD, {"schema": 1, "figure": "figure3", "runs": names})
    finish_figure3(folder.path, names, data_dir, stop)


def finish_figure3(
    path: Path, names: Sequence[str], data_dir: Path | None, stop: StopSignal
) -> None:
    """Brings every run to its end, draws the figure and prints the table."""
    configs = [load_config(path / name / "config.toml") for name in names]
    runs: Records = {name: [] for name in NETWORKS}
    summaries: Records = {name: [] for name in NETWORKS}
    with reporting() as report:
        for config in configs:
            try:
                run = complete(
                    config, path / config.name, data_dir=data_dir, report=report, stop=stop
                )
            except Stopped as stopped:
                raise Stopped(
                    f"{stopped} or all of the figure with: eqprop resume {path}",
                    stopped.signal_number,
                ) from None
            network = config.name.rpartition("-seed")[0]
            runs[network].append([entry | {"seed": config.seed} for entry in run.epochs()])
            summaries[network].append(run.read_json("summary.json"))
    first, summary = configs[0], summaries[NETWORKS[0]][0]
    seeds = sorted({config.seed for config in configs})
    epochs = f"{first.training.epochs} epoch{'s' if first.training.epochs > 1 else ''}"
    caption = (
        f"{first.data.dataset}, {summary['training_examples']} training examples, {epochs}, "
        f"seeds {', '.join(map(str, seeds))}; {schedule(first)}"
    )
    write_csv(runs, path / "figure3.csv")
    error_curves(runs, caption, path / "figure3")
    RunFolder(path).write_text("caption.txt", caption + "\n")
    _print_table(runs, summaries, caption)
    print(path / "figure3.png")


def schedule(config: RunConfig) -> str:
    """How the phases relax, in words for a caption."""
    free, nudged = config.free, config.nudged
    unit = "sweeps" if free.method == "block" else "Euler steps"
    cold = f"{free.cold_steps} (epoch 1), then " if free.cold_steps else ""
    until = ""
    if free.tolerance:
        until = f" at most, until {free.share:.0%} settled to {free.tolerance:g}"
        if free.cold_tolerance != free.tolerance:
            until += f" ({free.cold_tolerance:g} in epoch 1)"
        until += ","
    return f"{cold}{free.steps} free {unit}{until} + {nudged.steps} {nudged.nudging_step} steps"


def _print_table(runs: Records, summaries: Records, caption: str) -> None:
    table = Table(title="Error", caption=caption, caption_justify="left")
    table.add_column("network")
    for title in (
        "training %",
        "validation %",
        "last 3 epochs %",
        "test %",
        "unsettled %",
    ):
        table.add_column(title, justify="right")
    for network, seeds in runs.items():
        last = [100 * run[-1]["validation_error"] for run in seeds]
        three = [
            100 * np.mean([e["validation_error"] for e in run if "validation_error" in e][-3:])
            for run in seeds
        ]
        test = [100 * s["test_error"] for s in summaries[network] if "test_error" in s]
        table.add_row(
            network,
            f"{np.mean([100 * run[-1]['training_error'] for run in seeds]):.2f}",
            f"{np.mean(last):.2f}",
            f"{np.mean(three):.2f}",
            f"{np.mean(test):.2f}" if test else "-",
            f"{np.mean([100 * run[-1]['validation_unsettled'] for run in seeds]):.1f}",
        )
    Console().print(table)
