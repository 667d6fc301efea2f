"""The published tables are what the committed records say."""

from __future__ import annotations

import runpy
from pathlib import Path

RESULTS = Path(__file__).parents[1] / "docs" / "results"


def test_the_results_page_comes_out_of_the_committed_records():
    made = runpy.run_path(str(RESULTS / "tables.py"))["page"]()
    assert made == (RESULTS / "figure3.md").read_text("utf-8")
    assert made.count("| 1 |") >= 2
