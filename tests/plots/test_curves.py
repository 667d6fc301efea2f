"""Which errors are drawn, with which line."""

from __future__ import annotations

import pytest

from eqprop.plots import curves


def _row(epoch, **errors):
    return {"condition": "rewired", "seed": 0, "epoch": epoch, "task": "", "warnings": ""} | errors


ROWS = [
    _row(1, training_error=0.3, validation_error=0.2, validation_kept_error=None),
    _row(2, training_error=0.2, validation_error=0.15, validation_kept_error=0.1),
    _row(3, training_error=0.1, validation_error="", validation_kept_error=""),
]


@pytest.fixture
def drawn(monkeypatch):
    found = []

    def record(axes, epochs, points, *, linestyle, **settings):
        found.append((linestyle, epochs, [round(value, 6) for [value] in points]))

    monkeypatch.setattr(curves, "mean_and_band", record)
    return found


def test_kept_and_cold_errors_have_lines_of_their_own(drawn, tmp_path):
    curves.error_curves(ROWS, tmp_path / "both")
    assert drawn == [("-", [1, 2, 3], [30, 20, 10]), ("--", [2], [10]), (":", [1, 2], [20, 15])]
    words = [curves.KINDS[kind] for kind in ("validation_kept", "validation")]
    assert [style for _, style in words] == ["--", ":"]
    assert "kept" in words[0][0] and "cold" in words[1][0]


def test_what_was_not_recorded_is_not_drawn(drawn, tmp_path):
    rows = [{key: value for key, value in row.items() if "kept" not in key} for row in ROWS]
    curves.error_curves(rows, tmp_path / "cold")
    assert [line for line, *_ in drawn] == ["-", ":"]


def test_runs_of_one_epoch_show_every_kind(tmp_path):
    curves.error_curves(ROWS[:1], tmp_path / "one")
    assert (tmp_path / "one.png").stat().st_size > 1000
