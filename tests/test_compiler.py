"""The guard against a release of the compiler that computes wrong values."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from eqprop import compiler

FLAG = "--xla_cpu_experimental_ynn_fusion_type"


def flags_after_import(**environment: str) -> str:
    code = (
        "from importlib import metadata; real = metadata.version\n"
        "metadata.version = lambda name: '0.10.2' if name == 'jaxlib' else real(name)\n"
        "import eqprop, os; print(os.environ.get('XLA_FLAGS', ''))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={k: v for k, v in os.environ.items() if k != "XLA_FLAGS"} | environment,
    )  # fmt: skip
    return done.stdout.strip()


def test_the_flag_is_set_where_it_is_needed_and_can_be_turned_off():
    assert flags_after_import() == compiler.FLAG
    kept = "--xla_cpu_multi_thread_eigen=false"
    assert flags_after_import(XLA_FLAGS=kept) == f"{kept} {compiler.FLAG}"
    assert flags_after_import(**{compiler.TURNED_OFF: "1"}) == ""
    own = f"{FLAG}=reduce"
    assert flags_after_import(XLA_FLAGS=own) == own


def test_this_process_computes_right_values():
    assert compiler.is_right()
    compiler.check()


def test_wrong_values_are_refused_with_the_way_out(monkeypatch):
    monkeypatch.setattr(compiler, "is_right", lambda: False)
    with pytest.raises(compiler.WrongArithmeticError, match="issue 39103"):
        compiler.check()
