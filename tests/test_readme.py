"""The README's lines run, and do what they say."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


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


def test_constraints_hold_a_version_of_each_dependency_that_is_allowed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    versions = {canonicalize_name(name): version for name, version in pinned.items()}
    wanted = [*project["dependencies"], *project["optional-dependencies"]["datasets"]]
    for one in map(Requirement, wanted):
        assert one.specifier.contains(versions[canonicalize_name(one.name)]), one
