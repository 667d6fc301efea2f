"""Pixels as inputs."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array


def inputs(x: Any, dtype: Any) -> Array:
    """Inputs as the input units take them: uint8 pixels divided by 255, anything else as it is.

    >>> import numpy as np
    >>> inputs(np.array([[0, 255]], np.uint8), jnp.float32)
    Array([[0., 1.]], dtype=float32)
    """
    if x.dtype == jnp.uint8:
        return jnp.asarray(x, dtype) / 255
    return jnp.asarray(x, dtype)
