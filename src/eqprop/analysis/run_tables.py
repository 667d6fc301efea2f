"""Kinds of tables of results pages whose rows are runs, or what was found in them.

Each takes the rows of CSV files, as they are written there, and gives Markdown.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from eqprop.analysis import collect, correlation, paired
from eqprop.analysis.collect import Row
from eqprop.analysis.depths import best_by_depth
from eqprop.analysis.numbers import lay_out, mean_and_singles, number, points, with_interval


def shown_as(
    rows: Sequence[Mapping[str, str]], show: Mapping[str, str] | Sequence[str]
) -> dict[str, str]:
    """Conditions in the order of a table, with the names to show them by; default all."""
    names = dict(show) if isinstance(show, Mapping) else {name: name for name in show}
    return names or {name: name for name in collect.conditions_of(rows)}


def conditions(
    rows: Sequence[Mapping[str, str]],
    epoch: int | None = None,
    reference: str = "",
    show: Mapping[str, str] | Sequence[str] = (),
    looks: int = 1,
) -> str:
    """A row per condition: errors after an epoch, and what they differ by from a reference.

    A regression, where no example is ever wrong, has costs instead. The validation error is that
    from a cold start; the one from kept states, as the paper measures it, stands before it where it
    was recorded.

    **Arguments:**

    - `epoch`: the last one that all seeds of all conditions have, if it is not given.
    - `reference`: a condition; differences are paired by seed.
    - `show`: conditions in the order of the table, or names to show them by; all if empty.
    - `looks`: the validation error is the mean of so many, up to that epoch.
    """
    names = shown_as(rows, show)
    rows = [row for row in rows if row["condition"] in names]
    ends: dict[tuple[str, str], int] = {}
    for row in rows:
        ends[row["condition"], row["seed"]] = int(row["epoch"])
    epoch = epoch or min(ends.values())
    kinds = ("training", "validation")
    wrong: list[Row] = [
        {"task": row.get("task", "")}
        | {f"{kind}_error": float(row[f"{kind}_error"] or 0) for kind in kinds}
        for row in rows
    ]
    what, factor = collect.measure_of(wrong)
    found: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
    seen: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows:
        run = row["condition"], row["seed"]
        if int(row["epoch"]) <= epoch and row[f"validation_{what}"]:
            seen[run].append(float(row[f"validation_{what}"]))
        if int(row["epoch"]) == epoch:
            validation = float(np.mean(seen[run][-looks:]))
            errors = {"training": float(row[f"training_{what}"]), "validation": validation}
            if row.get("validation_kept_error") and what == "error":
                errors["kept"] = float(row["validation_kept_error"])
            found[run[0]][run[1]] = errors
    table, has_kept = [], any("kept" in run for runs in found.values() for run in runs.values())
    for name, shown in names.items():
        runs = found[name]
        line = [shown]
        for kind in ("training", *(["kept"] if has_kept else []), "validation"):
            values = [run[kind] for run in runs.values() if kind in run]
            line.append(mean_and_singles(values, factor) if values else "-")
        gap = np.mean([run["validation"] - run["training"] for run in runs.values()])
        line.append(number(float(gap), factor, "+"))
        if reference:
            base = found[reference]
            for kind in kinds:
                pairs = [runs[seed][kind] - base[seed][kind] for seed in runs if seed in base]
                line.append("-" if name == reference else points(pairs, factor))
        table.append(line)
    mean = f", mean of {looks} looks" if looks > 1 else ""
    unit = "%" if what == "error" else what
    columns = ["", f"training {unit}", *([f"validation, kept {unit}"] if has_kept else [])]
    columns += [f"validation, cold {unit}{mean}", "cold - training"]
    if reference:
        shown = names[reference]
        columns += [f"training, against {shown}", f"cold, against {shown}"]
    plural = "s" if epoch > 1 else ""
    return f"After {epoch} epoch{plural}.\n\n" + lay_out(columns, table)


def reach(rows: Sequence[Mapping[str, str]], limits: Sequence[float] = ()) -> str:
    """After how many epochs each network first had an error as small as each of `limits`.

    The training error between two epochs is taken to fall along a straight line.
    """
    names = collect.conditions_of(rows)
    table = []
    for limit in limits:
        line = [f"{100 * limit:g} %"]
        for name in names:
            found = [first_below(run, limit) for run in collect.by_seed(rows, name)]
            told = [f"{epoch:.1f}" for epoch in found if epoch is not None]
            rest = "" if len(told) == len(found) else " (others never)" if told else "never"
            line.append(", ".join(told) + rest)
        table.append(line)
    return lay_out(["online training error", *names], table)


def first_below(run: Sequence[Mapping[str, str]], limit: float) -> float | None:
    """The epoch, a fraction, at which the training error of a run first was `limit`."""
    before = None
    for row in run:
        epoch, error = int(row["epoch"]), float(row["training_error"])
        if error <= limit:
            if before is None:
                return float(epoch)
            return epoch - (limit - error) / (before - error)
        before = error
    return None


def errors(rows: Sequence[Mapping[str, str]]) -> str:
    """A row per epoch, a column per network; training and validation error."""
    found = defaultdict(list)
    for row in rows:
        for kind in ("training", "validation"):
            found[row["condition"], row["epoch"], kind].append(float(row[f"{kind}_error"]))
    networks, epochs, seeds = (
        list(dict.fromkeys(row[key] for row in rows)) for key in ("condition", "epoch", "seed")
    )
    parts = [f"Seeds {', '.join(seeds)}.\n"]
    for kind in ("training", "validation"):
        table = [
            [epoch, *(mean_and_singles(found[network, epoch, kind]) for network in networks)]
            for epoch in epochs
        ]
        parts.append(lay_out([f"{kind} error after epoch", *networks], table))
    return "\n".join(parts)


def across(
    rows: Sequence[Mapping[str, str]],
    columns: Mapping[str, str],
    show: Sequence[str] = (),
    way: str = "",
) -> str:
    """A row per way of training, a column per network and error, of runs that came to the end.

    **Arguments:**

    - `rows`: epochs of conditions `network, way`, such as `rewired, 8 bits`; or runs.
    - `columns`: names of errors in the rows, and the words for them.
    - `show`: ways in the order of the table; all if empty.
    - `way`: of rows that are runs, the column that says it, beside the column `network`.
    """
    found: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    labelled = (
        [(row["network"], row[way], row) for row in rows]
        if way
        else [(*row["condition"].split(", ", 1), row) for row in collect.last_epoch(rows)]
    )
    for network, shown, row in labelled:
        for name in columns:
            if row[name]:
                found[network, shown, name].append(float(row[name]))
    networks, ways = (list(dict.fromkeys(key[place] for key in found)) for place in (0, 1))
    heads = [f"{network}, {words}" for network in networks for words in columns.values()]
    table = [
        [shown]
        + [
            mean_and_singles(values) if (values := found.get((network, shown, name))) else "-"
            for network in networks
            for name in columns
        ]
        for shown in show or ways
    ]
    return lay_out(["", *heads], table)


def ends(
    rows: Sequence[Mapping[str, str]],
    columns: Mapping[str, str],
    show: Mapping[str, str] | Sequence[str] = (),
    counts: Sequence[str] = (),
    reference: str = "",
    judged: str = "",
) -> str:
    """A row per condition of rows that are runs: the mean over seeds, and each of a few seeds.

    **Arguments:**

    - `columns`: of the CSV, shares that are shown in percent, with their headings.
    - `show`: conditions in the order of the table, or names to show them by; all if empty.
    - `counts`: columns that are no shares.
    - `reference`: the last word of some conditions, such as `small` of `wide-small`. Those that
      begin alike are compared with them, seed by seed, in the column `judged`.
    """
    table, by_seed = [], {(row["condition"], row["seed"]): row for row in rows}
    for name, shown in shown_as(rows, show).items():
        own, line = [row for row in rows if row["condition"] == name], [shown]
        for column in columns:
            values = [float(row[column]) for row in own if row[column]]
            form = _count if column in counts else number
            line.append(mean_and_singles(values, form=form) if values else "-")
        if reference:
            other = f"{name.rpartition('-')[0]}-{reference}"
            pairs = [
                float(row[judged]) - float(by_seed[other, row["seed"]][judged])
                for row in own
                if other != name and (other, row["seed"]) in by_seed
            ]
            line.append(points(pairs) if pairs else "-")
        table.append(line)
    against = [f"{columns[judged]}, against {reference}"] if reference else []
    return lay_out(["", *columns.values(), *against], table)


def _count(value: float, _: int) -> str:
    """A number that is no share, so without a factor."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}"


def course(
    rows: Sequence[Mapping[str, str]], epochs: Sequence[int], show: Mapping[str, str]
) -> str:
    """Training errors and those of kept states in percent, of single runs, at some epochs.

    **Arguments:** `epochs`: after which; a run that has not come to one has a dash there.
    """
    heads = [f"{what}, epoch {epoch}" for what in ("training %", "kept %") for epoch in epochs]
    table = []
    for condition, name in show.items():
        run = {int(row["epoch"]): row for row in rows if row["condition"] == condition}
        found = (
            run[epoch][key] if epoch in run else ""
            for key in ("training_error", "validation_kept_error")
            for epoch in epochs
        )
        table.append([name, *(number(float(error)) if error else "-" for error in found)])
    return lay_out(["", *heads], table)


def depths(rows: Sequence[Mapping[str, str]]) -> str:
    """A row per wiring: the validation error of its best setting at each depth, and the setting.

    Below, where there are several seeds, what it is more than that of the first wiring: seed by
    seed, of the seeds that both have.
    """
    found = best_by_depth(rows)
    first = next(iter(found))
    columns = sorted({depth for by_depth in found.values() for depth in by_depth})
    table, pairs = [], []
    for wiring, by_depth in found.items():
        line, pair = [wiring], [f"{wiring}, against {first}"]
        for depth in columns:
            setting, errors = by_depth.get(depth, ("", {}))
            against = found[first].get(depth, ("", {}))[1]
            both = [errors[seed] - against[seed] for seed in errors if seed in against]
            seeds = f" ({len(errors)} seeds)" if len(errors) > 1 else ""
            mean = with_interval([*errors.values()]) if errors else ""
            line.append(f"{mean}{seeds}<br>{setting}" if errors else "-")
            pair.append(f"{points(both)} ({len(both)} seeds)" if len(both) > 1 else "-")
        table.append(line)
        if wiring != first and set(pair[1:]) != {"-"}:
            pairs.append(pair)
    return lay_out(["", *(f"{depth} hidden layers" for depth in columns)], table + pairs)


def layers(rows: Sequence[Mapping[str, str]], show: Sequence[str] = (), size: str = "") -> str:
    """A row per condition: size of updates per pair of adjacent layers, and their ratios.

    **Arguments:**

    - `show`: conditions in the order of the table; all if empty.
    - `size`: of `collect.LAYER_COLUMNS`; late updates if it is not given.
    """
    size = size or "late_update"
    wanted = list(show) or collect.conditions_of(rows)
    speeds = collect.layer_speeds(rows, size)
    adjacent = {
        row["pair"]: None
        for row in rows
        if row["condition"] in wanted and np.subtract(*collect.layers_of(row["pair"])) == 1
    }
    pairs, table = sorted(adjacent, key=collect.layers_of), []
    for name in wanted:
        line = [name]
        for pair in pairs:
            sizes = [float(r[size]) for r in rows if (r["condition"], r["pair"]) == (name, pair)]
            line.append(f"{collect.geometric_mean(sizes):.2e}" if sizes else "-")
        table.append([*line, *(f"{speeds[name][key]:.3g}" for key in collect.SPEEDS)])
    names = ["{1} to {0}".format(*collect.layers_of(pair)) for pair in pairs]
    return lay_out(["", *names, "output / input", "output / rest", "spread below"], table)


def differences(rows: Sequence[Mapping[str, str]]) -> str:
    """Each rule at the end of its budget, and against the paper's."""
    found = paired.paired_differences(rows, paired.BASELINE)
    apart = {(row["network"], row["rule"]): row for row in found}
    table = []
    for name in collect.conditions_of(rows):
        network, _, rule = name.partition("-")
        runs, row = collect.by_seed(rows, name), apart[network, rule]
        cells = [number(row["mean"], sign="+"), paired.interval_of(row) or "-"]
        if rule == paired.BASELINE:
            cells = ["-", "-"]
        seen = np.mean([float(run[-1]["multiply_adds"]) for run in runs])
        epochs = ", ".join(run[-1]["epoch"] for run in runs)
        errors = (
            mean_and_singles([float(r[-1][f"{k}_error"]) for r in runs])
            for k in ("training", "validation")
        )
        table.append([network, rule, *errors, *cells, epochs, f"{seen:.3g}"])
    names = [
        "network", "rule", "training %, last epoch", "validation, cold %",
        f"against {paired.BASELINE}", "95 % interval", "epochs begun", "multiply-adds",
    ]  # fmt: skip
    return lay_out(names, table)


def correlations(rows: Sequence[Mapping[str, str]]) -> str:
    """Rank correlation of small-world measures with the training error."""
    numbers = [{key: row[key] if key == "condition" else float(row[key]) for key in row}
               for row in rows]  # fmt: skip
    table = [
        [
            row["measure"],
            row["ranks"],
            f"{row['correlation']:+.2f}",
            f"[{row['low']:+.2f}, {row['high']:+.2f}]",
            f"{row['wirings']} of {row['values']} p",
        ]
        for row in correlation.rank_correlations(numbers)
    ]
    return lay_out(["measure", "ranks", "correlation", "95 % interval", "wirings"], table)


def sensitivity(rows: Sequence[Mapping[str, str]]) -> str:
    """A row per p, a column per factor on the initial weights (conditions `p...-x...`)."""
    parts = []
    for kind in ("training", "validation"):
        found: dict[str, dict[str, list[float]]] = defaultdict(dict)
        for name in collect.conditions_of(rows):
            p, _, factor = name.partition("-x")
            ends = [run[-1] for run in collect.by_seed(rows, name)]
            found[p][f"x {factor}"] = [float(row[f"{kind}_error"]) for row in ends]
        table = []
        for p, runs in found.items():
            means = [float(np.mean(errors)) for errors in runs.values()]
            apart = number(max(means) - min(means))
            table.append([p, *map(mean_and_singles, runs.values()), apart])
        parts.append(lay_out([f"{kind} %", *next(iter(found.values())), "means apart"], table))
    return "\n".join(parts)


def response(rows: Sequence[Mapping[str, str]], show: Sequence[str] = ()) -> str:
    """Cosines with the exact gradient, a row per beta and part of the network."""
    steps = list(dict.fromkeys(row["steps"] for row in rows))
    wanted = list(show) or ["all"]
    found = {(row["name"], row["beta"], row["steps"]): float(row["cosine"]) for row in rows}
    table = [
        [name, beta, *(f"{found[name, beta, count]:.3f}" for count in steps)]
        for name in wanted
        for beta in dict.fromkeys(row["beta"] for row in rows)
    ]
    return lay_out(["", "beta", *(f"{count} nudged steps" for count in steps)], table)


def wirings(rows: Sequence[Mapping[str, str]]) -> str:
    """A row per p: Algorithm 1 and, after the stroke, Watts and Strogatz's procedure."""
    shown = {
        "originals_kept": "original connections kept",
        "skip": "skips",
        "skips_from_input": "of them from the input",
        "degree_std_hidden": "spread of connections per hidden unit",
        "path_length": "path length",
        "clustering": "clustering",
    }

    def mean(p: str, procedure: str, key: str) -> str:
        found = [float(row[key]) for row in rows if (row["p"], row["procedure"]) == (p, procedure)]
        value = sum(found) / len(found)
        return f"{value:,.0f}" if value > 10 else f"{value:.3f}"

    procedures = ("algorithm 1", "watts-strogatz")
    table = [
        [p, *(" / ".join(mean(p, procedure, key) for procedure in procedures) for key in shown)]
        for p in dict.fromkeys(row["p"] for row in rows)
    ]
    return lay_out(["p", *shown.values()], table)
