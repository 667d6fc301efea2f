"""The mutants are changes of the code as it stands."""

from __future__ import annotations

import runpy
from pathlib import Path

HERE = Path(__file__).parent


def test_every_mutant_changes_one_place():
    mutants = runpy.run_path(str(HERE / "mutants.py"))["MUTANTS"]
    assert len(mutants) >= 30
    for mutant in mutants:
        text = (HERE.parent / "src" / "eqprop" / mutant.file).read_text("utf-8")
        assert text.count(mutant.old) == 1, mutant.name
