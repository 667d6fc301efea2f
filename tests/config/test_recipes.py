"""Recipes: complete settings by name, under a file and `--set`."""

from __future__ import annotations

import numpy as np
import pytest

from eqprop.config.overrides import over
from eqprop.config.recipes import RECIPES, cook
from eqprop.config.run_config import RunConfig
from eqprop.config.settings import load
from eqprop.data import Dataset, Split
from eqprop.errors import ConfigError, DataError
from eqprop.running.run import train


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_complete_and_is_read_back(name, tmp_path):
    config = cook(name)
    assert config != RunConfig()
    path = tmp_path / "mine.toml"
    path.write_text(config.to_toml())
    assert load(path) == config


def test_a_file_changes_a_recipe_and_an_override_changes_both(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[learning]\nlearning_rate = 0.003\nbeta = 0.2\n[training]\nepochs = 3\n")
    plain, mixed = cook("fast"), cook("fast", path, ["training.epochs=4"])
    assert (mixed.learning.learning_rate, mixed.training.epochs) == (0.003, 4)
    assert set(plain.differences(mixed)) == {
        "learning.learning_rate", "learning.beta", "training.epochs",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("overrides", "sizes"),
    [
        ([], (784, 512, 512, 512)),
        (["data.dataset=wine"], (13, 512, 512, 512)),
        (["data.dataset=wine", "network.cost=squared-error"], (13, 512, 512, 512, 3)),
        (["topology.layer_sizes=[784, 20, 20]"], (784, 20, 20)),
    ],
)
def test_layers_follow_the_data_unless_they_are_said(overrides, sizes):
    assert cook("fast", overrides=overrides).topology.layer_sizes == sizes


@pytest.mark.parametrize("said_in", ["override", "file"])
@pytest.mark.parametrize(
    ("recipe", "section", "field", "value", "gone"),
    [
        ("fast", "learning", "schedule", "constant", "final_rate"),
        ("fast", "learning", "rule", "backpropagation", "carried"),
        ("chip", "learning", "rule", "coupled", "nudging"),
        ("paper", "topology", "wiring", "layered", "p"),
        ("paper", "topology", "connections", 50, "p"),
    ],
)
def test_what_belonged_to_a_replaced_choice_goes_with_it(
    recipe, section, field, value, gone, said_in
):
    said = {section: {field: value}}
    before = cook(recipe).model_dump(mode="json", exclude_none=True)[section]
    found = (
        cook(recipe, said)
        if said_in == "file"
        else cook(recipe, None, {f"{section}.{field}": value})
    )
    after = found.model_dump(mode="json", exclude_none=True)[section]
    assert gone in before and gone not in after and after[field] == value
    kept = {k: v for k, v in after.items() if k in before and k not in (field, gone)}
    assert kept.items() <= before.items() and kept
    # What was said together with the choice is refused, and not dropped.
    if field != "connections":
        with pytest.raises(ConfigError, match=f"`{section}.{gone}` belongs to"):
            cook(recipe, {section: {field: value, gone: before[gone]}})


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(
        ConfigError, match=r"must be one of paper, fast, .*; got 'fsat'\. Did you mean"
    ):
        cook("fsat")


def test_the_recipe_of_the_paper_is_its_network():
    config = cook("paper")
    flat = config.flat()
    assert config.topology.layer_sizes == (784, 500, 500, 500, 10)
    assert (flat["topology.wiring"], flat["topology.p"]) == ("rewire", 0.0756)
    assert config.topology.intralayer
    assert (config.learning.learning_rate, config.training.persistent) == (0.02, True)


def test_a_wiring_that_python_holds_takes_the_place_of_the_recipes():
    given = {"topology": {"wiring": "given", "layer_sizes": [6, 58, 2]}}
    config = cook("paper", given)
    assert config.topology.wiring.name == "given"
    assert config.topology.layer_sizes == (6, 58, 2)
    assert config.learning == cook("paper").learning


@pytest.mark.parametrize("name", ["fast", "deep", "small", "skips"])
def test_a_recipe_for_classes_refuses_numbers_before_a_folder_is_made(name, tmp_path):
    config = cook(name, overrides=["data.dataset=diabetes"], shape=(10, 1))
    with pytest.raises(DataError, match=r"learns classes.* diabetes .*numbers.*squared-error"):
        train(config, tmp_path)
    assert not list(tmp_path.iterdir())


def test_shares_of_classes_are_classes_and_numbers_are_not():
    rng = np.random.default_rng(0)
    x, shares = rng.random((60, 4)), rng.dirichlet(np.ones(3), 60)
    for target, said in ((shares, True), (2 * shares, False), (shares[:, :1], False)):
        splits = {part: Split(x, target) for part in ("train", "validation")}
        assert Dataset("mixed", splits, target.shape[1]).has_classes is said


def test_a_step_size_goes_with_the_method_it_belonged_to():
    """Block descent takes steps of 1.5, Euler of .5: the one of the other would not settle."""
    assert cook("chip").flat()["free.step_size"] == 1.0
    assert cook("chip", overrides=["free.method=euler"]).flat()["free.step_size"] == 0.5
    said = cook("chip", overrides=["free.method=euler", "free.step_size=0.7"]).flat()
    assert said["free.step_size"] == 0.7
    assert cook("chip", {"free": {"method": "euler"}}).flat()["free.step_size"] == 0.5
    # The default method, unwritten, is replaced like another one; the range of devices stays.
    assert over({"free": {"step_size": 1.5}}, {"free": {"method": "euler"}}) == {
        "free": {"method": "euler"}
    }
    held = {"device": {"kind": "ecram", "low": -0.5, "high": 0.5}}
    assert over(held, {"device": {"kind": "capacitor"}})["device"]["low"] == -0.5
    with pytest.raises(ConfigError, match="`method` must be one of"):
        cook("chip", overrides=['free.method=["euler"]'])
