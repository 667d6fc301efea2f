"""Every example runs and shows what it says."""

from __future__ import annotations

import re
import runpy
import shutil
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def shown(name: str, capsys: pytest.CaptureFixture[str]) -> list[float]:
    """The last number of every line that an example prints."""
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    found = [re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", line) for line in lines]
    return [float(numbers[-1]) for numbers in found if numbers]


def test_which_layers_learn(capsys):
    numbers = shown("which_layers_learn", capsys)
    (layered, *_, uneven), (rewired, *_, less) = numbers[:6], numbers[6:]
    assert len(numbers) == 12 and rewired < 0.8 * layered and 1 < less < uneven


def test_rounded_weights(capsys):
    numbers = shown("rounded_weights", capsys)
    # "500 new digits" ends the first line; what it says of the network stands before it.
    assert len(numbers) == 6
    eight, three = numbers[1], numbers[-1]
    assert eight < 30 and three > eight + 10


@pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")
def test_train_in_spice(capsys):
    numbers = shown("train_in_spice", capsys)
    for begun, _, ended, apart in (numbers[:4], numbers[4:]):
        assert ended < 0.1 * begun and ended < 0.01 and apart < 1e-3


def test_there_is_a_test_for_every_example():
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert {f"test_{name}" for name in names} <= set(globals())
