"""The largest harmless strength, against plain arithmetic."""

from __future__ import annotations

from typing import Any

import pytest

from eqprop.experiments.noise import NOISE, STRENGTHS, largest


def test_the_point_of_error_is_found_between_two_strengths():
    strength, where = largest(0.10, {0.001: 0.102, 0.01: 0.106, 0.1: 0.126})
    assert where == "at" and strength == pytest.approx(0.01 * 10 ** (0.004 / 0.020))
    assert largest(0.10, {0.1: 0.105, 0.01: 0.09}) == (0.1, "beyond")
    assert largest(0.10, {0.01: 0.2, 0.1: 0.3}) == (0.01, "at or below")
    # What rises and comes back has risen.
    assert largest(0.0, {1.0: 0.0, 10.0: 0.02, 100.0: 0.0})[0] == pytest.approx(10**0.5)


def test_every_strength_has_a_network_beside_it_that_has_none():
    cells = NOISE.cells("paper", range(1))
    assert len(cells) == 2 * (1 + sum(map(len, STRENGTHS.values())) + 3)
    for cell, config in cells.items():
        _, _, what = cell.condition.partition(", ")
        device: Any = config.device.kind
        assert (device.low, device.high) == (-0.5, 0.5)
        name, _, strength = what.partition(" ")
        name, _, readings = name.partition("/")
        assert device.state_readings == int(readings or 1)
        told = {effect: getattr(device, effect) for effect in STRENGTHS}
        assert told == {effect: float(strength) if effect == name else 0.0 for effect in STRENGTHS}
