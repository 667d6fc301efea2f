"""Fixtures shared by all tests."""

from __future__ import annotations

import jax
import pytest


@pytest.fixture
def x64():
    """Double precision within a test: what a comparison with an oracle needs."""
    with jax.enable_x64(True):
        yield
