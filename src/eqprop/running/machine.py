"""What must be settled before JAX starts. Imports neither JAX nor NumPy."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import platform
import sys
from pathlib import Path

from eqprop.errors import ConfigError

_ONE_THREAD = {
    "NPROC": "1",  # the size of XLA's thread pools
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
_ONE_PER_DEVICE = "--xla_cpu_multi_thread_eigen=false"
_DEVICES = "--xla_force_host_platform_device_count"
_REPEATABLE = f"{_ONE_PER_DEVICE} --xla_gpu_deterministic_ops=true"


def set_up(*, deterministic: bool, shards: int, worker_cores: int | None = None) -> None:
    """All that a process which trains needs before JAX is imported.

    **Arguments:**

    - `deterministic`, `shards`: of the run's settings.
    - `worker_cores`: cores that this process may take (default: those that it sees).
    """
    keep_compiled_programs()
    if deterministic or worker_cores == 1:
        use_one_thread()
    else:
        use_a_core_per_shard(shards)


def is_one_thread() -> bool:
    """Whether this process was set to compute on one thread."""
    return _REPEATABLE in os.environ.get("XLA_FLAGS", "") and all(
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
    _add_flags(_REPEATABLE)


def use_a_core_per_shard(shards: int) -> None:
    """Lets each shard of a batch relax on a CPU core of its own, one thread each.

    A product of a few examples with a matrix is too small to be shared by threads: two cores
    with ten examples each finish a sweep sooner than both together with twenty. Does nothing if
    JAX is loaded already, if `XLA_FLAGS` sets the number of devices, or for a single shard.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if shards > 1 and "jax" not in sys.modules and _DEVICES not in flags:
        _add_flags(f"{_ONE_PER_DEVICE} {_DEVICES}={min(shards, cores())}")


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def keep_compiled_programs() -> None:
    """Lets later processes use what this one compiles, from the user's cache.

    Call it before JAX is imported. Programs are kept apart by the features of the processor;
    JAX keeps its versions apart. `JAX_COMPILATION_CACHE_DIR`, if set, says where instead, and
    `JAX_ENABLE_COMPILATION_CACHE=false` turns it off.
    """
    import pooch

    machine = platform.machine() + platform.processor()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        machine += next(line for line in lines if line.startswith(("flags", "Features")))
    digest = hashlib.sha256(machine.encode()).hexdigest()[:16]
    folder = Path(pooch.os_cache("eqprop")) / "compiled" / digest
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(folder))
    # Of every program that it reads back XLA says, in 2 KB, that hints to the compiler such as
    # prefer-no-scatter are no features of the processor. What goes wrong is raised all the same.
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL", "1") == "1":  # which JAX sets where nobody has
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"


def release_memory() -> None:
    """Gives memory that is free again back to the system, which glibc is slow to do.

    A compiler needs some 200 MB for a while, and XLA holds notes on every step of a loop until
    its program ends. Does nothing where the C library is another one.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def release_programs(most: int | None = None) -> bool:
    """Lets go of all compiled programs where they come near to what a process may hold.

    Each takes some hundred memory maps; at `vm.max_map_count` of them, 65,530 as Linux ships,
    the next program compiled ends the process without a message. Those still needed are compiled
    again, or read from the folder of compiled programs.

    **Arguments:** `most`: how many memory maps to keep; by default half of what Linux allows.

    **Returns:** whether they were let go; never so on systems that do not tell.
    """
    try:
        maps = Path("/proc/self/maps").read_bytes().count(b"\n")
        if most is None:
            most = int(Path("/proc/sys/vm/max_map_count").read_text("ascii")) // 2
    except (OSError, ValueError):
        return False
    if maps <= most:
        return False
    import jax

    jax.clear_caches()
    return True


def _add_flags(flags: str) -> None:
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()
