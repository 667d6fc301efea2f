"""Fixtures shared by all tests."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections import defaultdict
from pathlib import Path

import jax  # reads the environment at its first computation, not here
import pytest
from jaxtyping import install_import_hook

# Before anything imports them.
_CHECKED = ("energy", "relaxation", "learning", "devices", "training")
install_import_hook([f"eqprop.{room}" for room in _CHECKED], "checking.checked")

from eqprop.running.machine import release_programs  # noqa: E402

# What tests compile in processes of their own is kept for the length of one test run.
_COMPILED = tempfile.TemporaryDirectory(prefix="eqprop-compiled-")
os.environ["JAX_COMPILATION_CACHE_DIR"] = _COMPILED.name

# Most of the time would go to compiling small programs well; badly compiled ones are as right.
# What is asked for outside, as by those who measure, stands. JAX 0.12 lacks the second flag.
_QUICK = {"--xla_backend_optimization_level": "0"}
if jax.__version_info__ < (0, 11):
    _QUICK["--xla_cpu_use_fusion_emitters"] = "false"
_ASKED = os.environ.get("XLA_FLAGS", "")
_ADDED = (f"{flag}={value}" for flag, value in _QUICK.items() if flag not in _ASKED)
os.environ["XLA_FLAGS"] = " ".join([_ASKED, *_ADDED]).strip()

# The tests that the command of the README leaves to `-m slow`.
_SLOW = Path(__file__).with_name("slow.txt")

# Far below the limit, since doctests, which run last, do not see this file.
_MOST_MAPS = 20_000


collect_ignore = ["outside"]  # a package of its own, which only `test_outside.py` installs


@pytest.fixture
def x64():
    """Double precision within a test: what a comparison with an oracle needs."""
    with jax.enable_x64(True):
        yield


def pytest_runtest_teardown():
    """Hundreds of tests in one process would compile more than Linux lets it hold."""
    release_programs(_MOST_MAPS)


def pytest_addoption(parser):
    parser.addoption(
        "--kills", type=int, default=10, help="how many times runs are killed (200 to publish)"
    )
    parser.addoption(
        "--slower-than", type=float, help="write the tests that took more seconds to tests/slow.txt"
    )
    parser.addoption("--results", type=Path, help="folder for the CSV of tests that publish one")


def pytest_configure(config):
    """Without a word from outside only quick tests run; whoever names a file wants all of it."""
    if not config.option.markexpr:
        is_named = config.args_source is pytest.Config.ArgsSource.ARGS
        config.option.markexpr = "not longest" if is_named else "not slow and not longest"


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(config, items):
    data = os.environ.get("EQPROP_DATA")
    has_mnist = data is not None and (Path(data) / "mnist").is_dir()
    slow = set(_SLOW.read_text("utf-8").splitlines())
    for item in items:
        if "mnist" in item.keywords and not has_mnist:
            item.add_marker(pytest.mark.skip(reason="EQPROP_DATA names no folder with mnist/"))
        if item.nodeid in slow:
            item.add_marker("slow")


def pytest_terminal_summary(terminalreporter):
    """Tells anew which tests are slow, by a run of all of them."""
    limit = terminalreporter.config.option.slower_than
    if limit is None:
        return
    seconds: dict[str, float] = defaultdict(float)
    for report in itertools.chain(*terminalreporter.stats.values()):
        if isinstance(report, pytest.TestReport):
            seconds[report.nodeid] += report.duration
    slow = sorted(test for test, taken in seconds.items() if taken > limit)
    _SLOW.write_text("".join(f"{test}\n" for test in slow), "utf-8")
