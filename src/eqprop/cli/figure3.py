"""`eqprop reproduce figure3`: experiments and plots, put together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from eqprop import data
from eqprop.cli.progress import reporting
from eqprop.experiments.config import RunConfig
from eqprop.experiments.figure3 import NETWORKS
from eqprop.experiments.run import train
from eqprop.plots.curves import error_curves, write_csv
from eqprop.records import RunFolder


def reproduce_figure3(
    configs: Sequence[RunConfig], preset: str, out: Path, data_dir: Path | None
) -> Path:
    """Trains every network, draws the figure and prints the table; returns the folder."""
    first = configs[0]
    # Loaded here so that missing data is said before any folder is made.
    dataset = data.load(first.data.dataset, data_dir)
    folder = RunFolder.create(out, f"figure3-{preset}").path
    runs: dict[str, list[list[dict[str, Any]]]] = {name: [] for name in NETWORKS}
    summaries: dict[str, list[dict[str, Any]]] = {name: [] for name in NETWORKS}
    with reporting() as report:
        for number, config in enumerate(configs):
            run = train(config, folder, data_dir=data_dir, report=report)
            network = NETWORKS[number % len(NETWORKS)]
            lines = [e for e in run.read_lines("metrics.jsonl") if e["kind"] == "epoch"]
            runs[network].append([entry | {"seed": config.seed} for entry in lines])
            summaries[network].append(run.read_json("summary.json"))
    seeds = sorted({config.seed for config in configs})
    examples = first.data.num_train or len(dataset.split("train"))
    caption = (
        f"{first.data.dataset}, {examples} training examples, {first.training.epochs} epochs, "
        f"seeds {', '.join(map(str, seeds))}; {schedule(first)}"
    )
    write_csv(runs, folder / "figure3.csv")
    error_curves(runs, caption, folder / "figure3")
    (folder / "caption.txt").write_text(caption + "\n", "utf-8")
    _print_table(runs, summaries, caption)
    print(folder / "figure3.png")
    return folder


def schedule(config: RunConfig) -> str:
    """How the phases relax, in words for a caption."""
    free, nudged = config.free, config.nudged
    unit = "sweeps" if free.method == "block" else "Euler steps"
    cold = f"{free.cold_steps} (epoch 1), then " if free.cold_steps else ""
    return f"{cold}{free.steps} free {unit} + {nudged.steps} {nudged.nudging_step} steps"


def _print_table(
    runs: dict[str, list[list[dict[str, Any]]]],
    summaries: dict[str, list[dict[str, Any]]],
    caption: str,
) -> None:
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
