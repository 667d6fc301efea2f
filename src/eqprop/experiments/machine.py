"""What must be settled before JAX starts. Imports neither JAX nor NumPy."""

from __future__ import annotations

import os
import sys

from eqprop.errors import ConfigError

_ONE_THREAD = {
    "NPROC": "1",  # the size of XLA's thread pools
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
_FLAGS = "--xla_cpu_multi_thread_eigen=false --xla_gpu_deterministic_ops=true"


def is_one_thread() -> bool:
    """Whether this process was set to compute on one thread."""
    return _FLAGS in os.environ.get("XLA_FLAGS", "") and all(
        os.environ.get(name) == value for name, value in _ONE_THREAD.items()
    )


def use_one_thread() -> None:
    """Makes this process compute the same bits each time: one thread, fixed algorithms.

    Compiled programs that run on several threads may round differently from call to call
    (github.com/jax-ml/jax issue 39741).

    **Raises:** `ConfigError` if JAX is loaded already, too late for it to matter.
    """
    if is_one_thread():
        return
    if "jax" in sys.modules:
        raise ConfigError(
            "`deterministic` must be set before JAX is imported, got a process that already has "
            "it. Start the run from the command line with --deterministic."
        )
    os.environ.update(_ONE_THREAD)
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_FLAGS}".strip()
