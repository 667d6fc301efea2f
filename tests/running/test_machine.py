"""What a process of many runs holds."""

from __future__ import annotations

import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from eqprop.running.machine import release_programs


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of memory maps")
def test_programs_are_let_go_where_they_are_too_many():
    def maps() -> int:
        return Path("/proc/self/maps").read_bytes().count(b"\n")

    compiled = jax.jit(lambda x: jax.lax.fori_loop(0, 9, lambda _, y: jax.numpy.tanh(y @ y), x))
    found = compiled(np.eye(7))
    held = maps()
    assert not release_programs(held + 1000) and not release_programs()
    assert maps() >= held
    assert release_programs(1)
    assert maps() < held
    np.testing.assert_array_equal(compiled(np.eye(7)), found)
