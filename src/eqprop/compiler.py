"""The arithmetic of the compiler: a guard against a release that gets it wrong, and a check.

JAX 0.10.2 on CPUs computes wrong values for a batched matrix-vector product that a sum follows
(github.com/jax-ml/jax issue 39103). The dependencies exclude it; where it is installed all the same
a flag of the compiler mends it.
"""

from __future__ import annotations

import functools
import os
import sys
from importlib import metadata

from eqprop.errors import EqpropError

WRONG = ("0.10.2",)
"""Releases of jaxlib that need the flag."""

FLAG = "--xla_cpu_experimental_ynn_fusion_type=-reduce"
TURNED_OFF = "EQPROP_NO_COMPILER_GUARD"
"""An environment variable: set to anything, it keeps `guard` from touching `XLA_FLAGS`."""


class WrongArithmeticError(EqpropError, ArithmeticError):
    """A compiler whose programs compute wrong values."""


def guard() -> None:
    """Sets the flag where it is needed; before the first computation of the process."""
    flags = os.environ.get("XLA_FLAGS", "")
    if os.environ.get(TURNED_OFF) or FLAG.partition("=")[0] in flags:
        return
    if version_of("jaxlib") in WRONG:
        os.environ["XLA_FLAGS"] = f"{flags} {FLAG}".strip()


def version_of(package: str) -> str | None:
    """The version of an installed package; None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@functools.cache
def is_right() -> bool:
    """Whether compiled programs of this process compute what they should."""
    import jax
    import jax.numpy as jnp

    count = 32_769
    numbers = jnp.arange(count, dtype=jnp.float32)
    rows = jnp.stack((numbers, jnp.zeros_like(numbers), jnp.zeros_like(numbers)), axis=1)
    eye = jnp.eye(3, dtype=jnp.float32)
    found = jax.jit(lambda r: jax.vmap(lambda row: jnp.sum((eye @ row) ** 2))(r))(rows)
    return float(found[-1]) == float(count - 1) ** 2


def check() -> None:
    """Refuses to go on with a compiler that computes wrong values.

    **Raises:** `WrongArithmeticError`, with the way out.
    """
    if is_right():
        return
    late = "jax" in sys.modules and FLAG not in os.environ.get("XLA_FLAGS", "")
    way = f"start the process with XLA_FLAGS={FLAG}" if late else "install another release of JAX"
    raise WrongArithmeticError(
        f"the compiler must compute right values, got jaxlib {version_of('jaxlib')}, which gets a "
        f"sum after a batched product wrong (github.com/jax-ml/jax issue 39103). To go on, {way}, "
        "or `pip install 'jax!=0.10.2'`."
    )
