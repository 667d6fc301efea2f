"""The pages build without a warning, and their code runs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pages import DOCS, run_page

PAGES = sorted(path for path in DOCS.glob("howto/*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs(page, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = run_page(page.stem, tmp_path)
    assert capsys.readouterr().out.strip()
    if "errors" in names:
        assert names["errors"][-1] < 0.7 * names["errors"][0]
    if page.stem == "rule":
        assert names["found"].overall.cosine > 0.9


def test_the_pages_build_without_a_warning(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", str(DOCS), str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "HolomorphicEquilibriumPropagation" in (tmp_path / "reference/learning.html").read_text()
