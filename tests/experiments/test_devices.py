"""What was programmed once stands in a file, as long as the network is the one that was."""

from __future__ import annotations

import json

import pytest

from eqprop.analysis.collect import read_rows
from eqprop.analysis.tables import Drawn
from eqprop.errors import DataError
from eqprop.experiments.devices import DEVICES, rows_of
from eqprop.plots.devices import trained_and_programmed
from eqprop.sweeps.sweep import Sweep

CELLS = DEVICES.cells("smoke", range(1), only=["layered, exact", "layered, ecram", "layered, pcm"])


def finish(path, cell, epochs, error):
    """A run that has ended, as far as tables read it."""
    folder = path / cell.name
    folder.mkdir(exist_ok=True)
    (folder / "config.toml").write_text(CELLS[cell].to_toml())
    errors = {"training_error": error / 2, "validation_error": error, "validation_start": "cold"}
    end = {"epoch": epochs, **errors}
    (folder / "summary.json").write_text(json.dumps(end))


@pytest.fixture
def programmed(monkeypatch):
    """Which devices runs were programmed onto, instead of doing it."""
    asked = []

    def evaluate_run(path, split, *, overrides, **_):
        if missing:
            raise DataError("no data")
        asked.append(overrides["device.kind"])
        return {"validation_error": len(asked) / 100, "weights_off": 0.5, "tolerance": 0.01}

    missing = []
    monkeypatch.setattr("eqprop.running.finished.evaluate_run", evaluate_run)
    return asked, missing


def test_a_sweep_that_grows_is_programmed_where_something_is_new(tmp_path, programmed):
    asked, missing = programmed
    exact, ecram, _ = cells = list(CELLS)
    drawn = Drawn(Sweep(tmp_path, "devices", "smoke", tuple(cells)), [], [], [], "")

    def told(device, *names):
        [row] = [row for row in rows_of(drawn) if row["device"] == device]
        assert row in read_rows(tmp_path / "devices-programmed.csv")
        return [row[name] for name in names]

    assert rows_of(drawn) == []
    trained_and_programmed([], tmp_path / "nothing")
    finish(tmp_path, ecram, 2, 0.3)
    assert told("ecram", "epochs", "trained_error", "programmed_error") == [2, 0.3, None]
    assert told("ecram", "training_error") == [0.15]
    finish(tmp_path, exact, 2, 0.2)
    missing.append("the files")
    assert told("ecram", "trained_error", "programmed_error") == [0.3, None]
    missing.clear()
    assert told("ecram", "trained_error", "programmed_error") == [0.3, 0.01]
    assert told("pcm", "trained_error", "programmed_error", "exact_epochs") == [None, 0.02, 2]
    assert told("exact", "trained_error", "programmed_error") == [0.2, None]
    assert asked == ["ecram", "pcm"]  # once each
    finish(tmp_path, exact, 10, 0.1)
    finish(tmp_path, ecram, 10, 0.15)
    assert told("ecram", "epochs", "trained_error", "programmed_error") == [10, 0.15, 0.03]
    assert asked == ["ecram", "pcm", "ecram", "pcm"]
