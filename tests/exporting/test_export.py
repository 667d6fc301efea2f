"""Exports hold numbers that other programs can read."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

import eqprop


def test_a_half_precision_network_exports_numbers(tmp_path):
    network = eqprop.Network.initialize(eqprop.layered([6, 8, 2]), seed=0)
    half = network.astype(jnp.bfloat16)
    found = np.load(eqprop.export(half, tmp_path / "half")[0])["weights"]
    whole = np.load(eqprop.export(network, tmp_path / "whole")[0])["weights"]
    assert found.dtype.kind == "f" and whole.any()
    np.testing.assert_allclose(found, whole, rtol=2**-7, atol=1e-6)
