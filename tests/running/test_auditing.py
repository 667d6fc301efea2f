"""The audit of runs: by the command line, and every few epochs during training."""

from __future__ import annotations

import csv
import json

import pytest

import eqprop
from eqprop import data
from eqprop.cli import run as command
from eqprop.config.settings import build
from eqprop.running.auditing import audit_run
from eqprop.running.build import first_examples
from eqprop.running.run import train
from eqprop.training import Examples, evaluate_starts

SMALL = {
    "topology": {"layer_sizes": [20, 12, 12, 4], "intralayer": True, "wiring": "rewire", "p": 0.1},
    "data": {"dataset": "teacher", "num_train": 200},
    "training": {"epochs": 4},
    "evaluation": {"audit_every": 2, "audit_examples": 7},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(build(SMALL), tmp_path_factory.mktemp("audited"))


def test_a_run_audits_itself_every_few_epochs(run):
    found = [entry for entry in run.read_lines("metrics.jsonl") if entry["kind"] == "audit"]
    assert [entry["epoch"] for entry in found] == [2, 4]
    for entry in found:
        assert entry["examples"] == 7 and 0 <= entry["with_gradient"] <= 1
        assert entry["betas"] == [1, -1] and entry["effective_betas"] == [None, -0.5]
        assert {part["name"] for part in entry["kinds"]} == {
            "interlayer", "intralayer", "skip", "biases",
        }  # fmt: skip
        assert any("clamps the outputs hard" in line for line in entry["verdict"])
    assert len(run.epochs()) == 4


def test_the_command_prints_and_writes(run, tmp_path, capsys):
    arguments = ["audit", str(run.path), "--examples", "12", "--response", "--out", str(tmp_path)]
    assert command(arguments) == 0
    shown = capsys.readouterr().out
    assert (
        "with a small nudge in settled phases: cosine" in shown
        and "1-1" in shown
        and "clamps the outputs hard" in shown
    )
    record = json.loads((tmp_path / "audit.json").read_text())
    with open(tmp_path / "audit.csv") as file:
        names = [row["name"] for row in csv.DictReader(file)]
    assert record["examples"] == 12 and len(record["response"]) == 20 * len(names)
    assert set(names[:-5]) >= {"1-0", "1-1", "3-0"}
    assert sorted(names[-5:]) == ["all", "biases", "interlayer", "intralayer", "skip"]
    with open(tmp_path / "audit-facts.csv") as file:
        facts = {row["what"]: row["value"] for row in csv.DictReader(file)}
    assert facts["examples"] == "12" and facts["betas 2"] == "-1.0"
    model, train = eqprop.load(run.path), data.load("teacher").split("train").first(12)
    found = evaluate_starts(
        model.network, Examples.of(model.network, train.x, train.target), model.evaluation, 8
    )
    assert record["several_equilibria"] == found.several == float(facts["several_equilibria"])
    assert f"{found.several:.0%} of the examples have more than one equilibrium" in shown
    assert float(facts["free unsettled"]) == record["free"]["unsettled"]
    assert float(facts["effective_betas 1"]) == float("inf")
    assert [float(facts[f"saturation {layer}"]) for layer in (1, 2, 3)] == record["saturation"]
    assert (tmp_path / "audit.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["audit", "nowhere"], 5, "run"),
        (["audit", "RUN", "--examples", "0"], 2, "`examples` must lie in 1..200, got 0"),
    ],
)
def test_bad_input_is_one_message(run, arguments, code, message, capsys):
    assert command([str(run.path) if a == "RUN" else a for a in arguments]) == code
    error = capsys.readouterr().err
    assert message in error and error.count("eqprop:") == 1


def test_data_are_found_where_the_run_found_them(tmp_path, monkeypatch):
    asked = []
    config = build({**SMALL, "training": {"epochs": 1}, "evaluation": {}})
    folder = train(config, tmp_path)
    there = tmp_path / "there"
    folder.write_json("run.json", folder.read_json("run.json") | {"data_dir": str(there)})
    monkeypatch.delenv("EQPROP_DATA", raising=False)
    kind = type(config.data.dataset)
    usual = kind.load

    def load(self, data_dir=None):
        asked.append(data_dir)
        return usual(self)

    monkeypatch.setattr(kind, "load", load)
    audit_run(folder.path, examples=2)
    first_examples(folder.path, config, "validation", 2)
    first_examples(folder.path, config, "validation", 2, tmp_path / "elsewhere")
    assert asked == [there, there, tmp_path / "elsewhere"]
