"""The README's lines run, and do what they say."""

from __future__ import annotations

import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def test_the_readme_example_trains_a_network(tmp_path, monkeypatch):
    code = re.search(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert code is not None
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(code[1], "README.md", "exec"), names)
    assert names["errors"][-1] < 0.75 * names["errors"][0]
    assert (tmp_path / "exported" / "connections.csv").is_file()
