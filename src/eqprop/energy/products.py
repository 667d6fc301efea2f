"""Products in the precision of their factors, on every device.

A GPU's own choice for float32 keeps 10 bits of each factor (TF32): too few for a phase that is to
settle to 1e-5, and a nudged one that differs little from it.
"""

from __future__ import annotations

import functools

import jax.numpy as jnp
from jax import lax

dot = functools.partial(jnp.dot, precision=lax.Precision.HIGHEST)
matmul = functools.partial(jnp.matmul, precision=lax.Precision.HIGHEST)
