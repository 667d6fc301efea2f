"""Settings in words: all of them, what they say is what pydantic checks, names that are near."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from eqprop.cli import run as cli
from eqprop.config.recipes import cook
from eqprop.config.run_config import RunConfig
from eqprop.config.settings import build, load
from eqprop.config.words import annotated, every_setting, explained, nearest, page
from eqprop.errors import ConfigError

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


def test_the_printed_settings_are_the_settings(tmp_path, capsys):
    assert cli(["config"]) == 0
    (tmp_path / "all.toml").write_text(capsys.readouterr().out)
    assert load(tmp_path / "all.toml") == RunConfig()
    text = annotated(cook("fast"))
    (tmp_path / "fast.toml").write_text(text)
    assert load(tmp_path / "fast.toml") == cook("fast")
    for last in ("p", "connections", "receivers", "max_weight", "skip_rate", "budget", "file"):
        assert re.search(rf"^# {last} = ", text, re.MULTILINE), last


def test_every_setting_that_can_be_said_has_words():
    known = every_setting()
    assert len(known) > 90
    said = {name for recipe in ("paper", "fast", "small") for name in cook(recipe).flat()}
    assert said <= set(known)
    for name, setting in known.items():
        assert setting.does and setting.takes, name


@pytest.mark.parametrize(
    ("name", "takes", "wrong"),
    [
        ("training.epochs", "a whole number, 1 or more", 0),
        ("network.feedback", "a number, above 0, 1 at most", 1.5),
        ("topology.p", "a number, 0 or more, 1 at most", -0.1),
        ("evaluation.start", 'one of "cold", "kept", "both"', "warm"),
    ],
)
def test_what_a_setting_takes_is_what_is_checked(name, takes, wrong):
    assert every_setting()[name].takes == takes
    section, _, last = name.partition(".")
    values = {last: wrong} | ({"wiring": "rewire"} if last == "p" else {})
    with pytest.raises(ConfigError, match=last):
        build({section: values})


def test_the_defaults_in_words_are_those_of_each_choice():
    compared = set()
    for setting in every_setting().values():
        for of, default in setting.defaults.items():
            if not default or not setting.section:
                continue
            section: Any = RunConfig.model_fields[setting.section].annotation
            field, _, choice = of.partition(" = ")
            given = {field: choice.strip('"')} if of else {}
            needed = {"path": "x.csv"} if of == 'dataset = "file"' else {}
            chosen = section.model_validate(given | needed)
            value = chosen.model_dump(mode="json")[setting.last]
            assert tomllib.loads(f"value = {default}")["value"] == value, (setting.name, of)
            compared.add((setting.name, default))
    own = {("free.step_size", "1.5"), ("free.share", "0.9"), ("nudged.tolerance", "0.0")}
    assert compared >= own | {("free.step_size", "0.5"), ("device.low", "-0.75")}
    assert "default 0.5 (euler), 1.5 (block)" in explained("free.step_size")
    assert "any kind but ideal" in explained("device.low")
    assert "default -1.0, but -0.75 (reram-sb)" in explained("device.low")


def test_one_setting_is_explained(capsys):
    assert cli(["config", "free.tolerance"]) == 0
    told = capsys.readouterr().out
    assert "a number, 0 or more; default 0.001" in told and 'termination = "residual"' in told
    assert "Nudges on a circle" in explained("learning.rule")
    assert len(explained("training").splitlines()) == 8
    assert cli(["config", "epochs"]) == 2
    assert "Did you mean `training.epochs`?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "meant"),
    [("epochs", "training.epochs"), ("training.epoch", "training.epochs"),
     ("batchsize", "data.batch_size"), ("data.learning_rate", "learning.learning_rate")],
)  # fmt: skip
def test_an_unknown_setting_suggests_the_nearest_by_its_whole_name(given, meant, tmp_path, capsys):
    assert nearest(given) == meant
    assert cli(["train", "--recipe", "fast", "--set", f"{given}=3"]) == 2
    assert f"Did you mean `{meant}`?" in capsys.readouterr().err


def test_the_reference_page_is_made_from_the_same_text():
    made = "python -c 'from eqprop.config.words import page; print(page(), end=str())'"
    assert PAGE.read_text("utf-8") == page(), f"{made} > docs/reference/settings.md"
