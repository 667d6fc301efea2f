"""The records of runs as one HTML page."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eqprop.analysis import collect, correlation
from eqprop.analysis.tables import Drawn
from eqprop.cli.app import written_to
from eqprop.config.run_config import RunConfig
from eqprop.config.settings import load_recorded
from eqprop.errors import ConfigError, RunFolderError
from eqprop.experiments.told import experiment_of, picture, table
from eqprop.plots import report as html
from eqprop.records import RunFolder
from eqprop.running import health
from eqprop.running.objects import recorded
from eqprop.sweeps.sweep import Cell, Sweep, may_differ, open_sweep
from eqprop.sweeps.vary import label
from eqprop.topology import Topology


def write(paths: Sequence[Path], out: Path) -> None:
    """One page on the runs in `paths`: folders of runs, or the folder of one figure.

    Where none is finished, the page shows how far they are.

    **Raises:** `RunFolderError` for a folder that is no run, for runs without a finished epoch,
    for runs on different data sets, and if `out` cannot be written.
    """
    sweeps = [sweep for path in paths if (sweep := open_sweep(path)) is not None]
    if sweeps and len(paths) > 1:
        raise RunFolderError(
            f"`run` must be folders of runs, or the folder of one figure, got "
            f"{', '.join(map(str, paths))}, which mix. Make a report for each."
        )
    sweep = sweeps[0] if sweeps else _as_sweep(paths)
    if not sweep.finished:
        sweep = dataclasses.replace(sweep, with_unfinished=True)
    runs = sweep.told
    if not runs:
        raise RunFolderError(
            f"`run` must hold runs with an epoch or more, got {', '.join(map(str, paths))}, where "
            "none is. Go on with `eqprop resume`."
        )
    configs = {cell: sweep.config(cell) for cell in runs}
    data = {_identity(sweep, cell, config): _examples(config) for cell, config in configs.items()}
    varies_data = any(name.startswith("data.") for name in sweep.varied)
    if len(data) > 1 and not (sweeps and varies_data):
        raise RunFolderError(
            f"the runs of a report must share their examples, got {', '.join(data.values())}. "
            "Make a report for each."
        )
    title = f"eqprop: {sweep.figure}" if sweeps else "eqprop: " + ", ".join(p.name for p in paths)
    page = html.page(title, _sections(sweep, configs, bool(sweeps)))
    with written_to(out):
        out.write_text(page, "utf-8")


def _identity(sweep: Sweep, cell: Cell, config: RunConfig) -> str:
    """What tells the examples of a run from those of another."""
    handed_over = recorded(sweep.run(cell)).get("data")
    return repr((config.data.model_dump(exclude={"batch_size", "shuffle"}), handed_over))


def _examples(config: RunConfig) -> str:
    data = config.data
    counts = ((data.num_train, "to train"), (data.num_validation, "to look at"))
    parts = [f"the first {count} {what}" for count, what in counts if count is not None]
    split = ["split as in the journal version"] if data.split == "journal" else []
    return " ".join([getattr(data.dataset, "path", data.dataset.name), *split, *parts])


def _as_sweep(paths: Sequence[Path]) -> Sweep:
    """Single runs, treated as the cells of a sweep; they must lie side by side."""
    folders = [RunFolder.open(path).path.resolve() for path in paths]
    if len({folder.parent for folder in folders}) > 1:
        raise RunFolderError(
            f"`run` must be folders side by side in one folder, got "
            f"{', '.join(map(str, paths))}. Copy them into one."
        )
    configs = {folder: load_recorded(folder / "config.toml") for folder in folders}
    varied = _differing([config.flat() for config in configs.values()])
    told = {folder: (folder.name, config.seed) for folder, config in configs.items()}
    if 0 < len(varied) <= _FEW:
        labels = {
            folder: (label({name: config.flat().get(name, "-") for name in varied}), config.seed)
            for folder, config in configs.items()
        }
        if len(set(labels.values())) == len(labels) > len(dict(labels.values())):
            told = labels  # several seeds of a condition
    cells = [Cell(folder.name, *told[folder]) for folder in configs]
    named = tuple(varied) if told[folders[0]][0] != folders[0].name else ()
    return Sweep(folders[0].parent, "runs", "", tuple(cells), named)


_FEW = 3  # settings that tell conditions apart in a line


def _differing(flat: Sequence[dict[str, Any]]) -> list[str]:
    """The settings that tell runs apart but for their seeds and names."""
    names = dict.fromkeys(name for values in flat for name in values)
    return [
        name
        for name in names
        if name not in ("name", "seed", "deterministic")
        and not name.startswith("checkpoint.")
        and len({repr(values.get(name)) for values in flat}) > 1
    ]


def _sections(
    sweep: Sweep, configs: dict[Cell, RunConfig], is_figure: bool
) -> dict[str, list[str]]:
    drawn = Drawn.of(sweep)
    epochs, experiment = drawn.epochs, experiment_of(sweep) if is_figure else None
    published = experiment.published if experiment else None
    if not epochs:
        raise RunFolderError(
            f"`run` must have records of an epoch, got {', '.join(c.name for c in configs)}, whose "
            "metrics.jsonl hold no whole epoch: they are cut."
        )
    columns, rows, legend = table(drawn)
    about = [html.paragraph(text) for text in html.EXPLANATION.split("\n\n")]
    if experiment:
        about.insert(0, html.paragraph(f"What was asked: {experiment.about}."))
    full = all(_is_the_papers(sweep, cell, config) for cell, config in configs.items())
    if full and published and published.errors:
        found = published.errors
        dataset = next(iter(configs.values())).data.dataset.name
        columns = [*columns, "the paper, training / test (kept)"]
        names = [row[0].partition(",")[0] for row in rows]
        said = [found.get(name, found.get(f"{dataset} {name}", "-")) for name in names]
        rows = [[*row, text] for row, text in zip(rows, said, strict=True)]
    results = [_picture(drawn), html.table(columns, rows)]
    results.append(f'<p class="note">{legend}</p>')
    if sweep.figure == "figure5" and is_figure:
        results += _small_world(sweep)
    if published:
        text = published.text if full else (
            "These runs have other data or settings than the paper's; their numbers do not stand "
            "beside its own."
        )  # fmt: skip
        results.append(html.paragraph(f"The paper. {text}" if full else text))
    results += [
        html.warning(f"The records of {cell.name} are cut and shown up to there.")
        for cell in collect.cut(sweep, epochs)
    ]
    if sweep.with_unfinished:
        results.append(html.warning("No run is finished: this is how far they are."))
    missing = [cell.name for cell in sweep.cells if cell not in configs]
    if missing:
        results.append(html.warning(f"Not finished, and not shown: {', '.join(missing)}."))
    return {
        "What this is": about,
        "Results": results,
        "How far the states settled": _settling(epochs),
        **_devices(sweep),
        "How long it took": _times(sweep, configs),
        **_names(sweep, configs),
        "Settings": _settings(configs),
    }


def _devices(sweep: Sweep) -> dict[str, list[str]]:
    """What the devices of each finished run went through, pair of layers by pair of layers."""
    rows, ends = [], collect.summaries(sweep)
    for cell, end in ends.items():
        for pair, counts in end.get("device", {}).items():
            told = [counts[what][of] for what in ("writes", "pulses") for of in ("mean", "most")]
            rows.append([f"{cell.condition}, seed {cell.seed}", pair, *(f"{n:,.0f}" for n in told)])
    if not rows:
        return {}
    columns = ["run", "weights", "writes, mean", "most", "pulses, mean", "most"]
    note = "Of a device since it was first held. A write is an update that reached it."
    return {"What devices went through": [html.table(columns, rows, note), *_reads(ends)]}


def _reads(ends: Mapping[Cell, dict[str, Any]]) -> list[str]:
    """How often devices were read in training, and how long units took to settle."""
    rows = []
    for cell, end in ends.items():
        found = end.get("settling", {})
        for of, digits in (("example", 1), ("epoch", 0)):
            if of in found:
                told = [found[of][name] for name in ("reads", "free_time", "nudged_time")]
                texts = ("-" if one is None else f"{one:,.{digits}f}" for one in told)
                rows.append([f"{cell.condition}, seed {cell.seed}", of, *texts])
    columns = ["run", "of one", "reads of a device", "free phase", "phases after it"]
    note = (
        "A device is read once in a step, by each unit that it drives. Times are in time constants "
        "of the units, where steps are steps of time."
    )
    return [html.table(columns, rows, note)] if rows else []


def _names(sweep: Sweep, configs: dict[Cell, RunConfig]) -> dict[str, list[str]]:
    """What the units are called, of the first run whose wiring has names."""
    for cell in configs:
        arrays = sweep.folder(cell) / "network.safetensors"
        if not arrays.is_file():
            continue
        names = Topology.from_arrays(sweep.run(cell).load_arrays(arrays.name)).names
        if names is None:
            return {}
        ends = np.cumsum(configs[cell].topology.layer_sizes)[:-1]
        layers = np.split(np.array(names), ends)
        rows = [[k, len(layer), ", ".join(layer)] for k, layer in enumerate(layers)]
        return {"Units": [html.table(["layer", "units", "names"], rows)]}
    return {}


def _is_the_papers(sweep: Sweep, cell: Cell, config: RunConfig) -> bool:
    """Whether a run is on the data that the paper's numbers are of, with the figure's settings.

    How the free phase gets to its equilibrium may differ, not how near.
    """
    bundled = ("mnist-5k", "teacher")
    dataset = config.data.dataset.name
    experiment = experiment_of(sweep)
    if experiment is None or dataset in bundled:
        return False
    if dataset != "mnist" and (experiment.published is None or experiment.published.mnist_alone):
        return False
    try:
        [own] = experiment.cells(sweep.preset, [cell.seed], only=[cell.condition]).values()
    except ConfigError:  # a preset or condition of another version
        return False
    differences = set(config.differences(own)) - _BESIDE
    return "evaluation.start" not in differences and all(map(may_differ, differences))


_BESIDE = {
    "free.method", "free.step_size", "free.block_size",  # the way to an equilibrium
    "training.record_every", "training.data_shards",
}  # fmt: skip


def _picture(drawn: Drawn) -> str:
    with tempfile.TemporaryDirectory() as folder:
        stem = Path(folder) / "figure"
        picture(drawn, stem)
        return html.picture(stem.with_suffix(".png"), drawn.caption)


def _small_world(sweep: Sweep) -> list[str]:
    rows = correlation.measured(sweep)
    if not rows:
        return []
    cells = [
        [
            f"{v:.2f}" if isinstance(v := row[name], float) else v
            for name in correlation.RANK_COLUMNS
        ]
        for row in correlation.rank_correlations(rows)
    ]
    note = "Rank correlation of small-world measures of the wirings with the training error."
    return [html.table(correlation.RANK_COLUMNS, cells, note)]


def _settling(epochs: Sequence[dict[str, Any]]) -> list[str]:
    rows, parts = [], []
    for condition in collect.conditions_of(epochs):
        for run in collect.by_seed(epochs, condition):
            last = run[-1]
            rows.append(
                [
                    f"{condition}, seed {last['seed']}",
                    f"{run[0]['free_steps']:.0f}, {last['free_steps']:.0f}",
                    f"{100 * last['free_unsettled']:.1f}",
                    f"{last['free_residual_mean']:.2g}",
                    f"{100 * last['nudged_unsettled']:.1f}",
                    f"{last['nudged_residual_mean']:.2g}",
                ]
            )
            for name, meaning in health.WARNINGS.items():
                found = [str(row["epoch"]) for row in run if name in row["warnings"].split()]
                if found:
                    where = f"{condition}, seed {last['seed']}, epochs {', '.join(found)}"
                    parts.append(html.warning(f"{where}: {meaning}."))
    columns = [
        "run", "steps of the free phase, first and last epoch", "examples unsettled %",
        "residual (largest of a batch, mean)", "nudged phase: unsettled %", "residual (as before)",
    ]  # fmt: skip
    note = "A state is settled when one more step would move no unit by more than 0.001."
    return [html.table(columns, rows, note), *parts]


def _times(sweep: Sweep, configs: dict[Cell, RunConfig]) -> list[str]:
    rows = []
    for cell in configs:
        lines = sweep.run(cell).read_lines("timing.jsonl")
        timed = [line for line in lines if "training_seconds" in line]
        seconds = [
            sum(line[f"{what}_seconds"] for line in timed)
            for what in ("training", "evaluation", "saving")
        ]
        facts = next((line["environment"] for line in lines if "environment" in line), {})
        cores = facts.get("cores", "?")
        machine = f"{cores} core{'' if cores == 1 else 's'}, {facts.get('device', '?')}"
        each = f"{seconds[0] / max(1, len(timed)):.1f}"
        rows.append([cell.name, each, *(f"{value:.1f}" for value in seconds), machine])
    columns = ["run", "training per epoch, s", "training, s", "evaluation, s", "saving, s", "on"]
    return [html.table(columns, rows)]


def _settings(configs: dict[Cell, RunConfig]) -> list[str]:
    first = next(iter(configs.values()))
    flat = {cell: config.flat() for cell, config in configs.items()}
    differing = _differing(list(flat.values()))
    if len({values["seed"] for values in flat.values()}) > 1:
        differing.insert(0, "seed")
    rows = [[cell.name, *(flat[cell].get(name, "-") for name in differing)] for cell in flat]
    parts = [html.table(["run", *differing], rows)] if differing else []
    return [*parts, html.paragraph("All settings of the first run:"), html.code(first.to_toml())]
