"""The pages build without a warning, and their code runs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

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


def test_get_started_does_what_it_says(tmp_path):
    text = (DOCS / "start.md").read_text("utf-8")
    blocks = re.findall(r"```(bash|python)\n(.*?)```", text, re.DOTALL)
    said = ""
    assert [kind for kind, _ in blocks] == ["bash", "python", "bash", "python", "bash"]
    commands = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    }
    for kind, block in blocks[1:]:  # the first installs
        lines = [[sys.executable, "-c", block]]
        if kind == "bash":
            lines = [shlex.split(line) for line in block.splitlines()]
        for line in lines:
            done = subprocess.run(line, cwd=tmp_path, env=commands, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr[-2000:]
            said += done.stdout
    assert "['broad' 'narrow']" in said
    assert (tmp_path / "report.html").is_file()


def test_the_pages_build_without_a_warning(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", str(DOCS), str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "HolomorphicEquilibriumPropagation" in (tmp_path / "reference/learning.html").read_text()
    assert "--into" in (tmp_path / "reference/commands.html").read_text()
    # Formulas are drawn by the browser itself, and no page asks a network for anything.
    assert "<mfrac" in (tmp_path / "explanation.html").read_text()
    for page in tmp_path.rglob("*.html"):
        asked = re.findall(
            r"<(?:script|link|img)[^>]*(?:src|href)=\"(https?:[^\"]*)\"", page.read_text()
        )
        assert not asked, (page.name, asked)
