"""`eqprop view` at the command line."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from eqprop.cli import run as cli

TOML = """
name = "{name}"
topology.layer_sizes = {sizes}
data.dataset = "{data}"
training.epochs = 1
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for name, sizes, data in (
        ("one", [20, 12, 4], "teacher"),
        ("two", [20, 12, 4], "teacher"),
        ("wine", [13, 8, 3], "wine"),
        ("sugar", [10, 8, 1], "diabetes"),
    ):
        file = folder / f"{name}.toml"
        file.write_text(TOML.format(name=name, sizes=sizes, data=data))
        assert cli(["train", str(file), "--out", str(folder)]) == 0
    return folder


def told(path):
    found = re.search(r'id="data">(.*?)</script>', path.read_text("utf-8"), re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_two_runs_and_examples_of_every_class(runs, tmp_path, capsys):
    out = tmp_path / "view.html"
    assert cli(["view", str(runs / "one"), str(runs / "two"), "--examples", "8", "--out",
                str(out)]) == 0  # fmt: skip
    assert capsys.readouterr().out.split() == [str(out)]
    page = told(out)
    assert [one["name"] for one in page["networks"]] == ["one", "two"]
    labels = page["examples"]["labels"]
    assert len(labels) == 8 and set(labels[:4]) == {0, 1, 2, 3} == set(labels[4:])
    assert page["networks"][0]["nudge"] == 1
    assert page["networks"][0]["steps"] == {"count": 8, "step": 0.5, "isSplit": True}
    assert "teacher, validation" in page["examples"]["title"]


def test_what_cannot_be_written_or_counted_is_said(runs, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert cli(["view", str(runs / "one"), "--out", str(tmp_path / "file" / "v.html")]) == 5
    assert "`--out` must name a writable file" in capsys.readouterr().err
    assert cli(["view", str(runs / "one"), "--examples", "0"]) == 2
    assert "`--examples` must be 1 or more, got 0" in capsys.readouterr().err


def test_a_page_of_a_table(runs, tmp_path):
    assert cli(["view", str(runs / "wine"), "--weights", "int8", "--out",
                str(tmp_path / "wine.html")]) == 0  # fmt: skip
    page = told(tmp_path / "wine.html")
    assert page["examples"]["side"] == 0 and page["examples"]["x"]["kind"] == "float32"
    assert len(page["examples"]["classes"]) == 3
    assert np.unique(page["examples"]["labels"]).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "asked, message",
    [
        ([], "takes one run or two, got 0"),
        (["one", "two", "wine"], "takes one run or two, got 3"),
        (["one", "wine"], "of the same data, split alike, got teacher and wine"),
        (["sugar"], "shows networks that tell classes, got a regression (sugar)"),
        (["."], "must be folders of finished runs, whose data are known"),
    ],
)
def test_what_cannot_be_shown_is_said(runs, tmp_path, capsys, asked, message):
    paths = [str(runs / name) for name in asked]
    assert cli(["view", *paths, "--out", str(tmp_path / "no.html")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "no.html").exists()
