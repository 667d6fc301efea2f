"""The README's lines run, and do what they say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def test_the_readme_example_trains_a_network(tmp_path, monkeypatch):
    code = re.search(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert code is not None
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(code[1], "README.md", "exec"), names)
    assert names["digits"].score(names["unseen"], names["y_unseen"]) > 0.93
    assert (tmp_path / "exported" / "connections.csv").is_file()


def test_importing_everything_starts_no_device():
    # A job of several processes must be joined before JAX starts its devices.
    code = (
        "import eqprop, jax._src.xla_bridge as bridge\n"
        "for name in eqprop.__all__: getattr(eqprop, name)\n"
        "assert not bridge._backends, bridge._backends"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
