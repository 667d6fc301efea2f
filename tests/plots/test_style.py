"""Pictures are drawn whatever the user's own settings of Matplotlib are."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

DRAW = """
from pathlib import Path
from eqprop.plots.wiring import *
from eqprop.cli import run
raise SystemExit(run(["reproduce", "figure2", "--preset", "smoke", "--out", "drawn"]))
"""


@pytest.mark.parametrize(
    ("settings", "backend"),
    [
        ("text.usetex: True\nfont.family: No Such Font\n", None),
        ("", "module://no_such_notebook.backend"),
    ],
    ids=["settings file", "a notebook's backend"],
)
def test_a_users_own_settings_break_no_picture(tmp_path, settings, backend):
    (tmp_path / "matplotlibrc").write_text(settings, "utf-8")
    environment = os.environ | ({"MPLBACKEND": backend} if backend else {})
    environment |= {"PATH": "/nowhere"}  # no LaTeX to be found
    done = subprocess.run(
        [sys.executable, "-c", DRAW], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert list((tmp_path / "drawn").rglob("*.png"))
