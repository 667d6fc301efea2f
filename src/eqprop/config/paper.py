"""The paper's numbers, which experiments and tables share."""

from __future__ import annotations

from typing import Any

SIZES = (784, 500, 500, 500, 10)
"""Units per layer of the paper's networks, input first."""

CONNECTIONS = 100_000
"""n of the paper's rewired network 784-500-500-500-10: p = 7.56 %."""

SMALL_CONNECTIONS = 11_332
"""n of the paper's rewired network 784-100-100-100-100-100-10."""

PAPER_P = 0.0756
"""p of the paper's rewired networks."""

PER_LAYER = [0.128, 0.032, 0.008, 0.002]
"""The rates of section 2.3.1, from input to output."""

RELEASED: dict[str, Any] = {
    "method": "euler", "step_size": 0.5, "steps": 500, "tolerance": 0.0, "share": 1.0,
}  # fmt: skip
"""The free phase of the paper and of its released code."""
