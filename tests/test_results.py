"""The published tables are what the committed records say."""

from __future__ import annotations

import re
from pathlib import Path

from eqprop.analysis.pages import pages

RESULTS = Path(__file__).parents[1] / "docs" / "results"


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
