"""Cells in one program. Oracle: each of them on its own."""

from __future__ import annotations

import itertools
import signal

import numpy as np
import pytest

from eqprop.analysis import collect
from eqprop.config.settings import build
from eqprop.errors import RunFolderError, Stopped
from eqprop.experiments.catalogue import EXPERIMENTS
from eqprop.records import locked
from eqprop.running.context import Context
from eqprop.running.finished import load_model
from eqprop.running.in_progress import RunInProgress
from eqprop.running.run import complete
from eqprop.running.team import program_of
from eqprop.sweeps.sweep import Cell, create_sweep
from eqprop.sweeps.workers import finish_here, finish_together

SMALL = [
    "training.epochs=2", "data.num_train=100", "evaluation.examples=50", "training.chunk_batches=2",
]  # fmt: skip


def cells():
    chosen = EXPERIMENTS["figure3"].cells("smoke", range(3), overrides=SMALL)
    return {cell: config for cell, config in chosen.items() if cell.condition != "layered"}


def made(path):
    return create_sweep(path, "s", "figure3", "smoke", cells())


def table(sweep):
    return sorted(collect.epoch_rows(sweep), key=lambda r: (r["condition"], r["seed"], r["epoch"]))


def saved_after(sweep, cell):
    """Batches that a cell's newest checkpoint has behind it."""
    folders = (sweep.folder(cell) / "checkpoints").glob("step-*")
    return max((int(folder.name.removeprefix("step-")) for folder in folders), default=0)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    sweep = made(tmp_path_factory.mktemp("alone"))
    assert finish_here(sweep) == {}
    found = table(sweep)
    assert len(found) == 12 and len({row["validation_cost"] for row in found}) == 12
    return found


def check(sweep, expected):
    found = table(sweep)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert list(ours) == list(theirs)
        for name, value in theirs.items():
            if isinstance(value, float):
                assert ours[name] == pytest.approx(value, rel=1e-3, abs=1e-6), name
            else:
                assert ours[name] == value, name


def test_programs_are_shared_by_seeds_rates_and_wirings_of_the_same_pairs():
    programs = {cell.name: program_of(config) for cell, config in cells().items()}
    assert len(set(programs.values())) == 2
    one = next(iter(cells().values()))

    def changed(**sections):
        values = {k: one.__getattribute__(k).model_copy(update=v) for k, v in sections.items()}
        return one.model_copy(update=values)

    assert program_of(changed(learning={"learning_rate": 0.5})) == program_of(one)
    assert program_of(changed(free={"steps": 3})) != program_of(one)
    assert program_of(changed(topology={"intralayer": True})) != program_of(one)
    assert program_of(changed(training={"budget": 1e9})) is None


def test_programs_are_shared_by_strengths_of_one_device():
    def held(**settings):
        return program_of(build({"device": settings, "topology": {"layer_sizes": [9, 5]}}))

    four = held(kind="rounded", bits=4, low=-0.3, spread=0.2)
    assert four == held(kind="rounded", bits=6) != held(kind="rounded", rounding="nearest")
    assert len({four, held(kind="ideal"), held(kind="analog"), held(kind="pulses")}) == 4
    assert held(kind="analog", input_bits=4) != held(kind="analog")
    assert held(kind="analog", state_bits=4) == held(kind="analog", state_bits=6)
    assert held(kind="analog", state_bits=4) != held(kind="analog") == held(kind="analog", leak=0.1)


def test_strengths_of_a_device_are_each_networks_own(tmp_path):
    base = next(config for cell, config in cells().items() if cell.condition == "per-layer")

    def made_of(path):
        found = {}
        for number, bits in enumerate((3, 5, 8)):
            device = build({"device": {"kind": "rounded", "bits": bits, "spread": 0.1}}).device
            config = base.model_copy(update={"device": device, "name": f"c{number}"})
            found[Cell(f"c{number}", f"{bits} bits", base.seed)] = config
        return create_sweep(path, "s", "figure3", "smoke", found)

    alone, together = made_of(tmp_path / "alone"), made_of(tmp_path / "together")
    assert finish_here(alone) == finish_together(together, 3) == {}
    expected = table(alone)
    assert len({row["validation_cost"] for row in expected}) == 6
    check(together, expected)
    for cell, bits in zip(together.cells, (3, 5, 8), strict=True):
        network = load_model(together.folder(cell)).network
        for pair, weights in network.hopfield.weights.items():
            assert len(np.unique(weights)) <= 2**bits - 1, pair


def test_cells_in_one_program_make_the_table_of_cells_on_their_own(tmp_path, expected):
    sweep = made(tmp_path)
    assert finish_together(sweep, 2) == {}
    check(sweep, expected)
    for cell in sweep.cells:
        entries = sweep.run(cell).read_lines("timing.jsonl")
        assert [e["epoch"] for e in entries if "training_seconds" in e] == [1, 2]


@pytest.mark.parametrize("looks", [1, 3, 4])
def test_cells_that_were_stopped_together_go_on_alone_or_together(tmp_path, expected, looks):
    sweep, count = made(tmp_path), itertools.count()
    with pytest.raises(
        Stopped, match=r"Saved; go on with:\n  eqprop resume .*\nor all of it with:\n  "
    ):
        finish_together(
            sweep, 3, Context(stop=lambda: signal.SIGTERM if next(count) >= looks else None)
        )
    first, second, third, *rest = sorted(sweep.cells, key=lambda cell: cell.condition)
    begun = saved_after(sweep, first)
    assert begun and saved_after(sweep, second) == saved_after(sweep, third) == begun
    assert not any(sweep.is_finished(cell) for cell in rest)
    # One goes on alone and is stopped somewhere else, so that the others have to catch up.
    told = []
    with pytest.raises(Stopped, match="in epoch 2 after 2 of 5"):
        complete(
            sweep.config(second),
            sweep.folder(second),
            Context(
                report=told.append,
                stop=lambda: signal.SIGTERM if told and told[-1].epoch == 2 else None,
            ),
        )
    assert saved_after(sweep, second) > begun
    assert finish_together(sweep, 3) == {}
    check(sweep, expected)


def test_a_stop_between_results_saves_the_cells_that_have_none(tmp_path, expected):
    sweep = made(tmp_path)
    cells = [cell for cell in sweep.cells if cell.condition == "per-layer"]

    def stop():
        return signal.SIGTERM if sweep.is_finished(cells[0]) else None

    with pytest.raises(Stopped):
        finish_together(sweep, 3, Context(stop=stop))
    assert [sweep.is_finished(cell) for cell in cells] == [True, False, False]
    assert [saved_after(sweep, cell) for cell in cells] == [0, 10, 10]
    assert finish_together(sweep, 3) == {}
    check(sweep, expected)


def test_a_cell_that_cannot_be_saved_does_not_keep_the_others_from_it(tmp_path, monkeypatch):
    sweep, save, told = made(tmp_path), RunInProgress.save, []
    first, second, third, *_ = sorted(sweep.cells, key=lambda cell: cell.condition)

    def failing(run):
        if run.config.name == first.name:
            raise RunFolderError("no space left")
        return save(run)

    monkeypatch.setattr(RunInProgress, "save", failing)
    with pytest.raises(RunFolderError, match="no space left"):
        finish_together(
            sweep, 3, Context(report=told.append, stop=lambda: signal.SIGTERM if told else None)
        )
    assert [saved_after(sweep, cell) for cell in (first, second, third)] == [0, 2, 2]


def test_a_cell_that_fails_leaves_the_others_of_its_program(tmp_path, expected):
    sweep = made(tmp_path)
    broken, _, _, diverging = sweep.cells[:4]
    assert broken.condition == "per-layer" and diverging.condition == "rewired"
    file = sweep.folder(broken) / "config.toml"
    file.write_text(file.read_text("utf-8").replace("epochs = 2", "epochs = -2"), "utf-8")
    file = sweep.folder(diverging) / "config.toml"
    text = file.read_text("utf-8")
    assert "learning_rate = 0.02" in text
    file.write_text(text.replace("learning_rate = 0.02", "learning_rate = 1e38"), "utf-8")
    said = []
    failures = finish_together(sweep, 3, Context(tell=said.append))
    assert set(failures) == {broken.name, diverging.name} and len(said) == 2
    assert "epochs" in failures[broken.name] and "NaN or infinite" in failures[diverging.name]
    others = [r for r in expected if (r["condition"], r["seed"]) not in
              {(c.condition, c.seed) for c in (broken, diverging)}]  # fmt: skip
    assert len(others) == 8
    check(sweep, others)


def test_a_cell_that_another_process_holds_is_left_for_later(tmp_path, expected):
    sweep, said = made(tmp_path), []
    with locked(sweep.folder(sweep.cells[0])):
        with pytest.raises(Stopped):
            finish_together(
                sweep, 3, Context(tell=said.append, stop=lambda: signal.SIGTERM if said else None)
            )
        assert [sweep.is_finished(cell) for cell in sweep.cells] == [False] + 5 * [True]
        assert "Waiting for it" in said[0]
    assert finish_together(sweep, 3) == {}
    check(sweep, expected)
