"""ngspice run on netlists of networks, and what it says beside what we say."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from eqprop.errors import ConfigError, DataError
from eqprop.exporting.parts import energy_of, settled_exactly
from eqprop.exporting.spice import Circuit, write_netlists
from eqprop.training import Model
from eqprop.training.examples import decided

_PATIENCE = 600  # seconds for one circuit


def solved(file: Path) -> np.ndarray:
    """The states `[free units]` at which ngspice ends for a netlist that `write_netlists` wrote.

    **Raises:** `ConfigError` where ngspice is not installed; `DataError` where it finds no end, or
    none in ten minutes.
    """
    program = shutil.which("ngspice")
    if program is None:
        raise ConfigError(
            "ngspice must be installed, got no program of that name. On Debian: apt install ngspice"
        )
    raw = file.with_suffix(".raw")
    raw.unlink(missing_ok=True)
    try:
        done = subprocess.run(
            [program, "-b", file.name], cwd=file.parent, capture_output=True, text=True,
            timeout=_PATIENCE, errors="replace",
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise DataError(
            f"ngspice must end within {_PATIENCE} s, got no end for {file}. Use a smaller network."
        ) from None
    if not raw.is_file():
        told = re.findall(r"(?im)^.*(?:error|warning).*$", done.stdout + done.stderr)
        raise DataError(
            f"ngspice must find where the circuit settles, got no result for {file}: "
            f"{' '.join(told[:3]) or 'it says nothing'}"
        )
    return read_raw(raw)


def read_raw(file: Path) -> np.ndarray:
    """The last point of an ascii file of ngspice: variables `v(s0)`, `v(s1)`, ... in order."""
    head, _, body = file.read_text("utf-8", errors="replace").partition("Values:")
    names = re.findall(r"(?m)^\s*\d+\s+(\S+)\s+\S+\s*$", head.partition("Variables:")[2])
    numbers = [float(v) for v in re.findall(r"[-+]?\d\.\d+e[-+]?\d+", body)]
    last = dict(zip(names, numbers[-len(names) :], strict=True))
    states = sorted((int(n[3:-1]), v) for n, v in last.items() if re.fullmatch(r"v\(s\d+\)", n))
    return np.array([v for _, v in states])


@dataclasses.dataclass(frozen=True, eq=False)
class Verification:
    """ngspice beside us.

    **Attributes:**

    - `ours`, `theirs`: states `[examples, free units]`, theirs begun from ours.
    - `alone`: states at which ngspice ends from its own start.
    - `unsettled`: examples that have not settled here.
    - `labels`: classes `[examples, 3]` of the three; -1, and states that are not numbers, where
      ngspice finds no end.
    """

    ours: np.ndarray
    theirs: np.ndarray
    alone: np.ndarray
    labels: np.ndarray
    unsettled: int = 0

    def told(self) -> dict[str, Any]:
        """As JSON holds it."""
        lost = [np.isnan(end).any(axis=1) for end in (self.theirs, self.alone)]
        apart = np.abs(self.theirs - self.ours)[~lost[0]]
        return {
            "examples": len(self.ours),
            "not_settled_here": self.unsettled,
            "no_end_found_from_our_start": int(lost[0].sum()),
            "no_end_found_from_its_own_start": int(lost[1].sum()),
            "largest_difference_from_our_start": float(apart.max()) if apart.size else None,
            "same_class_from_our_start": int((self.labels[:, 0] == self.labels[:, 1]).sum()),
            "another_equilibrium_from_its_own_start": int(
                (np.abs(self.alone - self.ours).max(axis=1) > _APART).sum()
            ),
            "same_class_from_its_own_start": int((self.labels[:, 0] == self.labels[:, 2]).sum()),
        }


_APART = 1e-3  # two states that differ by more are two equilibria


def verify(model: Model, x: np.ndarray, circuit: Circuit | None = None) -> Verification:
    """Settles examples here to 1e-10 and in ngspice, from our states and from its own start.

    **Arguments:** `x`: `[examples, inputs]`, as the network sees them.
    """
    circuit, network = circuit or Circuit(), model.seen
    energy_of(model, "a circuit")
    ours, unsettled = settled_exactly(network, x)
    ends = []
    with tempfile.TemporaryDirectory() as folder:
        for starts in (list(ours), None):
            files = write_netlists(model, x, folder, circuit, starts=starts)
            ends.append(np.stack([_ended(file, network.num_free) for file in files]))
    labels = []
    for end in (ours, *ends):
        scores = np.asarray(network.scores(jnp.asarray(end, np.float32)))
        labels.append(np.where(np.isnan(end).any(axis=1), -1, decided(scores).astype(int)))
    return Verification(ours, ends[0], ends[1], np.stack(labels, axis=1), unsettled)


def _ended(file: Path, free: int) -> np.ndarray:
    """What `solved` says; not a number where ngspice finds no end, which is told, not raised."""
    try:
        return solved(file)
    except DataError:
        return np.full(free, np.nan)
