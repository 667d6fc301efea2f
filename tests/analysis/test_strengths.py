"""The largest harmless strength, against plain arithmetic."""

from __future__ import annotations

import pytest

from eqprop.analysis.strengths import by_network, effects_of, largest, strengths

ERRORS = {
    ("layered, none", 0): 0.10, ("layered, none", 1): 0.12,
    ("layered, gain 0.1", 0): 0.105, ("layered, gain 0.1", 1): 0.121,
    ("layered, gain 1", 0): 0.115, ("layered, gain 1", 1): 0.2,
    ("layered, state_noise/16 0.4", 0): 0.3,
    ("rewired, none", 0): 0.05, ("rewired, gain 0.1", 0): 0.05, ("rewired, gain 1", 0): 0.055,
}  # fmt: skip


def rows():
    """As they come from a CSV file, after epochs of which the last one counts."""
    return [
        {"condition": name, "seed": str(seed), "epoch": str(epoch), "training_error": str(told)}
        for (name, seed), error in ERRORS.items()
        for epoch, told in ((1, 0.9), (2, error))
    ]


def test_the_point_of_error_is_found_between_two_strengths():
    strength, where = largest(0.10, {0.001: 0.102, 0.01: 0.106, 0.1: 0.126})
    assert where == "at" and strength == pytest.approx(0.01 * 10 ** (0.004 / 0.020))
    assert largest(0.10, {0.1: 0.105, 0.01: 0.09}) == (0.1, "beyond")
    assert largest(0.10, {0.01: 0.2, 0.1: 0.3}) == (0.01, "at or below")
    # What rises and comes back has risen.
    assert largest(0.0, {1.0: 0.0, 10.0: 0.02, 100.0: 0.0})[0] == pytest.approx(10**0.5)


def test_errors_are_told_apart_by_network_effect_strength_and_seed():
    found = by_network(rows())
    assert list(found) == ["layered", "rewired"]
    assert effects_of(found) == ["gain", "state_noise/16"]
    layered = found["layered"]
    assert layered.exact == {"0": 0.10, "1": 0.12}
    assert layered.under["gain"] == {
        0.1: {"0": 0.105, "1": 0.121},
        1: {"0": 0.115, "1": 0.2},
    }
    assert layered.seeds("state_noise/16") == ["0"]
    assert found["rewired"].seeds("state_noise/16") == []


def test_a_table_tells_each_seed_and_what_was_not_reached():
    head, _, gain, averaged = strengths(rows()).splitlines()
    assert head == "| a point of training error at | layered | rewired |"
    at = 0.1 * 10**0.5, 0.1 * 10 ** (0.009 / 0.079)
    assert gain == f"| spread of the gain of units | {at[0]:.2g}, {at[1]:.2g} | more than 1 |"
    assert averaged == "| noise of states that are read (mean of 16) | at most 0.4 | - |"
