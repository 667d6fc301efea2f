"""Settings: valid ones survive TOML, invalid ones end in one message before JAX is loaded."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eqprop.config.overrides import override
from eqprop.config.run_config import RunConfig
from eqprop.config.settings import build, load, recorded
from eqprop.config.toml import to_toml
from eqprop.errors import ConfigError, DivergedError
from eqprop.running.wiring import build_topology
from eqprop.topology.rewiring import probability_of
from eqprop.topology.settings import count_connections

numbers = st.floats(1e-6, 1e3)
counts = st.integers(1, 1000)
sizes = st.lists(counts, min_size=2, max_size=6)
stops = {"tolerance": st.floats(0, 1), "share": st.floats(0.01, 1)}
phases = st.one_of(
    st.fixed_dictionaries(
        {"method": st.just("block"), "steps": counts},
        optional={
            "step_size": st.floats(0.01, 1.99),
            "block_size": st.integers(0, 1000),
            "cold_steps": counts,
            **stops,
        },
    ),
    st.fixed_dictionaries(
        {
            "method": st.just("euler"),
            "steps": counts,
        },
        optional={"step_size": numbers, **stops},
    ),
)


@st.composite
def nudged_phases(draw):
    values = draw(phases)
    steps = ["joint"] if values["method"] == "block" else ["split", "joint"]
    return values | draw(st.sampled_from([{}, *({"nudging_step": step} for step in steps)]))


@st.composite
def valid(draw):
    layer_sizes = draw(sizes)
    topology = {"layer_sizes": layer_sizes, "intralayer": draw(st.booleans())}
    topology |= draw(
        st.sampled_from(
            [
                {"wiring": "layered"},
                {"wiring": "rewire", "connections": draw(st.integers(0, 10**6))},
                {"wiring": "rewire", "p": draw(st.floats(0, 0.999))},
                {"wiring": "rewire_each", "p": draw(st.floats(0, 1))},
                {"wiring": "add", "connections": draw(st.integers(0, 10**6))},
            ]
        )
    )
    if topology["wiring"] != "layered" and draw(st.booleans()):
        topology["receivers"] = draw(st.lists(st.tuples(counts, counts), max_size=3))
    learning = {
        "nudging": draw(st.sampled_from(["random-sign", "one-sided", "centered"])),
        "beta": draw(st.floats(0.01, 0.45)),
        "learning_rate": draw(
            st.one_of(
                numbers,
                st.lists(numbers, min_size=len(layer_sizes) - 1, max_size=len(layer_sizes) - 1),
            )
        ),
        "skip_rate": draw(numbers),
        "intralayer_rate": draw(numbers),
    }
    if draw(st.booleans()):
        learning["momentum"] = draw(st.floats(0, 0.99))
    name = draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True))
    return {
        "name": name,
        "seed": draw(st.integers(0, 2**63)),
        "deterministic": draw(st.booleans()),
        "topology": topology,
        "free": draw(phases),
        "nudged": draw(nudged_phases()),
        "learning": learning,
        "network": {"cost_factor": draw(st.floats(0.1, 1.0))},
        "checkpoint": {"every_minutes": draw(st.floats(0, 1e4)), "keep": draw(counts)},
    }


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(valid())
def test_valid_settings_round_trip_through_toml(values):
    config = build(values)
    text = config.to_toml()
    again = build(tomllib.loads(text))
    assert again == config and again.to_toml() == text


FIELDS = [
    (section, name)
    for section, field in RunConfig.model_fields.items()
    for name in getattr(field.annotation, "model_fields", ())
]
WRONG = st.one_of(
    st.just(float("nan")),
    st.just(float("inf")),
    st.just(-1),
    st.just({}),
    st.just("nonsense?"),
    st.just([[]]),
    st.just([-1, "a"]),
)


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    valid(), st.sampled_from(FIELDS), WRONG, st.sampled_from(["value", "key", "section", "scalar"])
)
def test_invalid_settings_are_one_message_that_names_them(values, field, wrong, kind):
    section, name = field
    values = {k: dict(v) if isinstance(v, dict) else v for k, v in values.items()}
    if kind == "value":
        if (section, name, wrong) == ("learning", "beta", -1):
            return  # a valid beta for some rules
        if (section, name, wrong) == ("topology", "file", "nonsense?"):
            return  # a path, as long as nobody looks
        values.setdefault(section, {})[name] = wrong
    elif kind == "key":
        name = f"{name}x"
        values.setdefault(section, {})[name] = 1
    elif kind == "section":
        name = f"{section}x"
        values[name] = {"steps": 3}
    else:
        values[section], name = 3, section
    with pytest.raises(ConfigError) as caught:
        build(values)
    message = str(caught.value)
    assert name in message and "Traceback" not in message and "pydantic" not in message


BROKEN = [
    "seed = -1",
    "seed = 1.5",
    "sed = 1",
    "seed = 1\nseed = 2",
    "seed =",
    "[topology]\nlayer_sizes = [784]",
    '[topology]\nlayer_sizes = "784"',
    '[topology]\nwiring = "rewire"\np = 1.0',
    '[topology]\nwiring = "rewire"\np = 0.1\nconnections = 3',
    '[topology]\nwiring = "smallworld"',
    "[learning]\nbeta = 0",
    "[learning]\nlearning_rate = [0.1, 0.2]",
    "[learning]\nlearning_rate = nan",
    "[learning]\nmomentum = 1.0",
    '[nudged]\nmethod = "block"\nnudging_step = "split"',
    '[data]\ndataset = "mnits"',
    "[data]\nbatch_size = 0",
    "[training]\nepochs = 0",
    "[checkpoint]\nkeep = 0",
    '\ufeff"',
]


@pytest.mark.parametrize("number", range(len(BROKEN)))
def test_a_broken_file_exits_2_without_loading_jax(tmp_path, number):
    path = tmp_path / "broken.toml"
    path.write_text(BROKEN[number], "utf-8")
    code = (
        "import sys; from eqprop.cli import run; code = run(sys.argv[1:]);"
        "sys.exit(99 if 'jax' in sys.modules else code)"
    )
    command = [sys.executable, "-c", code, "train", str(path), "--out", str(tmp_path / "runs")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr and done.stderr.count("eqprop:") == 1
    assert not (tmp_path / "runs").exists()


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="readable TOML"):
        load(tmp_path / "x.toml")


def test_toml_of_awkward_strings():
    values = {"a": 'quote " and \\', "b": [1, 2.5], "c": True, "section": {"d": "x"}}
    assert tomllib.loads(to_toml(values)) == values


@pytest.mark.parametrize("intralayer", [True, False])
def test_layers_that_cannot_fit_are_refused_before_anything_is_made(intralayer):
    huge = build({"topology": {"layer_sizes": [784, 10**7, 10**7, 10], "intralayer": intralayer}})
    with pytest.raises(ConfigError, match=r"must fit into memory, got \[784, 10000000"):
        build_topology(huge)


def test_the_first_tolerance_follows_the_others():
    from eqprop.running.build import free_phase

    loose = build({"free": {"tolerance": 1e-2}})
    assert loose.free.termination.cold_tolerance == pytest.approx(1e-4)  # pyright: ignore[reportAttributeAccessIssue]
    first, later = (free_phase(loose, epoch).termination for epoch in (0, 1))
    assert float(first.tolerance) == pytest.approx(1e-4)
    assert float(later.tolerance) == pytest.approx(1e-2)
    fixed = build({"free": {"tolerance": 0.0}})
    assert type(free_phase(fixed, 0).termination).__name__ == "FixedSteps"
    # What an earlier version wrote down had one tolerance for all epochs.
    before = recorded({"free": {"method": "block", "step_size": 1.0, "tolerance": 1e-2}})
    flat = before.flat()
    assert flat["free.cold_tolerance"] == flat["free.tolerance"] == 1e-2


@pytest.mark.parametrize("rule", ["implicit", "through-time", "backpropagation"])
def test_a_recorded_run_without_a_second_phase_outlives_other_defaults_of_it(rule):
    learning = {"learning": {"rule": rule}}
    written = tomllib.loads(build(learning).to_toml())
    written["nudged"]["steps"] += 36
    assert recorded(written) == build(learning)
    with pytest.raises(ConfigError, match="second relaxation"):
        build(written)
    # Where there is one, it stays as it was written.
    written["learning"]["rule"] = "coupled"
    assert recorded(written).nudged.steps == written["nudged"]["steps"]


@pytest.mark.parametrize("rate", [-1, [-1, 0.1], "fast"])
def test_a_wrong_rate_is_one_fault(rate):
    with pytest.raises(ConfigError) as raised:
        build({"learning": {"learning_rate": rate}})
    assert str(raised.value).count("`learning.learning_rate") == 1
    assert "constrained" not in str(raised.value)


def test_what_the_rule_refuses_is_said_before_a_folder_is_made(tmp_path):
    from eqprop.running.run import train

    config = build(
        {
            "network": {"activation": "tanh"},
            "free": {"method": "euler"},
            "data": {"dataset": "teacher"},
            "topology": {"layer_sizes": [20, 16, 4]},
        }
    )
    with pytest.raises(ConfigError, match="`beta` must let the outputs come to rest"):
        train(config, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_a_deep_network_cannot_do_is_said_before_a_folder_is_made(tmp_path):
    from eqprop.running.run import train

    deep = {
        "network": {"feedback": 0.01},
        "data": {"dataset": "teacher"},
        "topology": {"layer_sizes": [20, *[3] * 24, 4]},
        "training": {"epochs": 1},
    }
    with pytest.raises(ConfigError, match="in 25 layers"):
        train(build(deep), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_read_out_of_a_single_unit_trains(tmp_path):
    from eqprop.running.run import train

    one = {
        "network": {"cost": "cross-entropy", "activation": "activities"},
        "nudged": {"method": "block"},
        "learning": {"beta": 0.1},
        "data": {"dataset": "teacher"},
        "topology": {"layer_sizes": [20, 8, 1]},
        "training": {"epochs": 1},
    }
    assert train(build(one), tmp_path).is_finished


def test_activities_that_leave_their_range_lead_to_blocks_and_to_a_beta(tmp_path):
    from eqprop.running.run import train

    tried: Any = {
        "network": {"activation": "activities", "rho": "tanh"},
        "data": {"dataset": "teacher"},
        "topology": {"layer_sizes": [20, 8, 4]},
        "free": {"method": "euler"},
        "training": {"epochs": 1},
    }
    # Each message says what leads on.
    with pytest.raises(DivergedError, match=r'free\.method and nudged\.method to "block"'):
        train(build(tried), tmp_path)
    tried = override(tried, {"free.method": "block", "nudged.method": "block"})
    with pytest.raises(ConfigError, match=r"`learning\.beta` must be above -0\.5 .* Use a smaller"):
        train(build(tried), tmp_path)
    assert train(build(override(tried, {"learning.beta": 0.4})), tmp_path).is_finished
    # Of the hard sigmoid the force is finite.
    finite = override(tried, {"network.rho": "hard-sigmoid", "nudged.method": "euler"})
    assert train(build(finite), tmp_path).is_finished


@pytest.mark.parametrize("count", [50, 2_000, 100_000])
def test_other_layers_are_rewired_to_the_same_extent(count):
    base = {"topology": {"wiring": "rewire", "connections": count}}
    sizes = [784, 500, 500, 10]
    found: Any = build(override(base, {"topology.layer_sizes": sizes})).topology
    before = count_connections([784, 500, 500, 500, 10], False)
    assert found.p == pytest.approx(probability_of(count, before), rel=5e-3)
    assert found.p > 0


@pytest.mark.parametrize("section", ["free", "nudged", "training", "learning"])
def test_a_recorded_section_that_is_none_is_named(section):
    with pytest.raises(ConfigError, match=f"`{section}`"):
        recorded({section: 3})


def test_how_much_is_rewired_is_said_once():
    base = {"topology": {"wiring": "rewire", "connections": 100}}
    assert override(base, ["topology.p=0.1"])["topology"] == {"wiring": "rewire", "p": 0.1}
    plain = override(base, ["topology.wiring=layered"])
    assert plain["topology"] == {"wiring": "layered"}
    assert base["topology"]["connections"] == 100


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (
            {"training": {"patience": 2}, "data": {"split": "journal"}},
            "`training.patience`",
        ),
        ({"topology": {"wiring": "layered"}, "pruning": {"what": "others"}}, "without skips"),
        ({"device": {"kind": "rounded", "bits": 1}}, "device.bits"),
    ],
)
def test_what_would_do_nothing_or_harm_is_refused(values, told):
    with pytest.raises(ConfigError, match=told):
        build(values)
    if "device" not in values:  # an earlier version took it, and nothing came of it
        assert recorded(values).pruning.what == "nothing"
        assert recorded(values).training.patience is None
