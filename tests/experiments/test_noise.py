"""The conditions of the experiment `noise`."""

from __future__ import annotations

from typing import Any

from eqprop.experiments.noise import NOISE, STRENGTHS


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
