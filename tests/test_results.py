"""The published tables are what the committed records say."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from eqprop.analysis.collect import read_rows, write_rows
from eqprop.analysis.pages import pages

RESULTS = Path(__file__).parents[1] / "docs" / "results"
PICTURES = runpy.run_path(str(RESULTS / "pictures.py"))


def test_the_results_pages_come_out_of_the_committed_records():
    made = pages(RESULTS)
    assert "figure3.md" in made
    for name, text in made.items():
        assert text == (RESULTS / name).read_text("utf-8"), name
        assert text.count("|---|") >= 1 or text.count("| --- |") >= 1
    named = "".join(made.values())
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", named):
        assert (RESULTS / picture).is_file(), picture
    for path in RESULTS.glob("*.csv"):
        assert f"({path.name})" in named or path.name == "figure3-quick.csv", path.name


def test_the_pictures_are_drawn_from_the_committed_records():
    shown = {
        picture
        for text in pages(RESULTS).values()
        for picture in re.findall(r"!\[.*?\]\((.*?)\.png\)", text)
    }
    assert shown - set(PICTURES["DRAWN"]) == {"figure4-3x500", "figure4-5x100"}


@pytest.mark.parametrize("name", PICTURES["DRAWN"])
def test_a_picture_is_drawn(name, tmp_path):
    drawn = PICTURES["draw"](name, tmp_path)
    assert drawn.read_bytes()[:4] == b"\x89PNG"
    assert drawn.with_suffix(".pdf").read_bytes()[:4] == b"%PDF"


def test_rows_come_back_as_they_were_written(tmp_path):
    rows = [{"name": "1-0", "error": 0.1, "epoch": 3, "settled": True, "kept": None, "p": 1e-5}]
    write_rows(rows, list(rows[0]), tmp_path / "rows.csv")
    assert read_rows(tmp_path / "rows.csv") == rows
    assert [type(v) for v in read_rows(tmp_path / "rows.csv")[0].values()] == [
        type(v) for v in rows[0].values()
    ]
