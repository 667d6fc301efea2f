"""What a version of JAX costs, and what the wrong arithmetic of 0.10.2 touched.

python benchmarks/versions.py PYTHON... [--wrong PYTHON] [--rounds 10] [--out docs/results]

Each PYTHON is an interpreter with what eqprop needs and another version of JAX; the first is what
the others are compared with. All train the same batches, round by round, in processes of their own;
compile time is left out. `--wrong` names one with JAX 0.10.2: it trains with the guard of
`eqprop.compiler` and without, on one thread, and the first PYTHON does so too. A table has the
largest difference of a weight after so many updates.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import common
from eqprop.compiler import TURNED_OFF

HERE = Path(__file__).parents[1]
NETWORKS = ("layered", "rewired", "layered-5x100")
FIGURES = ("layered", "per-layer", "rewired", "layered-5x100", "rewired-5x100")
UPDATES = (1, 10, 100, 500)
TIMED = """
import sys, time
sys.argv = sys.argv[:1]
import training
task = training.epoch_of(NAME, BATCHES)
print("ready", flush=True)
for _ in sys.stdin:
    began = time.perf_counter()
    task()
    print(time.perf_counter() - began, flush=True)
"""
LEARNED = """
import dataclasses, numpy as np, common
trainer, start = common.paper_run(NAME, LAST)
trainer = dataclasses.replace(trainer, chunk_batches=1)
state, kept, wrong, done = trainer.start(start), {}, 0, 0
for chunk in trainer.epoch(state, common.rule_for(), 0):
    state, done, wrong = chunk.state, done + 1, wrong + int(chunk.log.errors.sum())
    if done in UPDATES:
        kept |= {f"{done}/{k}": v for k, v in state.network.to_arrays().items()}
np.savez(PATH, errors=wrong / (20 * done), **kept)
"""
ABOUT = (
    "import json, sys, jax; from eqprop import compiler; "
    "print(json.dumps([sys.version.split()[0], jax.__version__, bool(compiler.is_right())]))"
)


def environment(**more: str) -> dict[str, str]:
    """Of a child that runs the code of this checkout."""
    return os.environ | {"PYTHONPATH": f"{HERE / 'src'}{os.pathsep}{HERE / 'benchmarks'}"} | more


def about(python: str, **more: str) -> tuple[str, str, bool]:
    """Versions of Python and JAX, and whether its arithmetic is right."""
    done = subprocess.run(
        [python, "-c", ABOUT], env=environment(**more), capture_output=True, text=True, check=True
    )
    return tuple(json.loads(done.stdout))


def timed(pythons: list[str], batches: int, rounds: int) -> list[dict[str, Any]]:
    """A row per network and interpreter."""
    rows = []
    told = {python: about(python) for python in pythons}
    for network in NETWORKS:
        code = TIMED.replace("NAME", repr(network)).replace("BATCHES", str(batches))
        children = {
            python: common.Child(code, python, cwd=HERE / "benchmarks", env=environment())
            for python in pythons
        }
        for child in children.values():
            child.line()
        taken: dict[str, list[float]] = {python: [] for python in pythons}
        for number in range(rounds):
            for python in pythons if number % 2 else pythons[::-1]:
                taken[python].append(float(children[python].ask()))
        for child in children.values():
            child.process.kill()
        first = np.array(taken[pythons[0]])
        for python, seconds in taken.items():
            low, middle, high = np.percentile(np.array(seconds) / first, [25, 50, 75])
            version, release, is_right = told[python]
            rows.append(
                {
                    "network": network,
                    "Python": version,
                    "JAX": release,
                    "right": is_right,
                    "rounds": rounds,
                    "ms per batch": 1e3 / batches * float(np.median(seconds)),
                    "ratio": float(middle),
                    "quartiles of the ratio": f"{low:.3f} to {high:.3f}",
                }
            )
    return rows


def learned(python: str, network: str, folder: Path, **more: str) -> dict[str, np.ndarray]:
    """Weights after so many updates on one thread, and the training error."""
    path = folder / "learned.npz"
    code = LEARNED.replace("NAME", repr(network)).replace("LAST", str(UPDATES[-1]))
    code = code.replace("UPDATES", repr(UPDATES)).replace("PATH", repr(str(path)))
    one = {"OMP_NUM_THREADS": "1", "NPROC": "1"}
    command = ["taskset", "-c", "0", python, "-c", code]
    subprocess.run(command, env=environment(**one, **more), check=True)
    with np.load(path) as file:
        return dict(file)


def apart(one: dict[str, np.ndarray], other: dict[str, np.ndarray], updates: int) -> float:
    """The largest difference of a weight."""
    names = [name for name in one if name.startswith(f"{updates}/weights")]
    return max(float(np.abs(one[name] - other[name]).max()) for name in names)


def touched(right: str, wrong: str) -> list[dict[str, Any]]:
    """A row per network and number of updates."""
    off = {TURNED_OFF: "1"}
    if about(wrong, **off)[2]:
        raise SystemExit(f"the arithmetic of {wrong} is right: there is nothing to compare")
    rows = []
    for network in FIGURES:
        with tempfile.TemporaryDirectory() as place:
            guarded = learned(wrong, network, Path(place))
            bare = learned(wrong, network, Path(place), **off)
            other = learned(right, network, Path(place))
        rows += [
            {
                "network": network,
                "updates": updates,
                "without the guard": apart(guarded, bare, updates),
                f"JAX {about(right)[1]}": apart(guarded, other, updates),
                "training error, guarded": float(guarded["errors"]),
                "training error, without": float(bare["errors"]),
            }
            for updates in UPDATES
        ]
    return rows


def main() -> None:
    options = common.parser(__doc__ or "")
    options.add_argument("pythons", nargs="+", help="interpreters, the first to compare with")
    options.add_argument("--wrong", help="interpreter with JAX 0.10.2")
    options.add_argument("--batches", type=int, default=50, help="of 20 examples in an epoch")
    given = options.parse_args()
    if given.wrong:
        common.write("guard", touched(given.pythons[0], given.wrong), given.out)
    if len(given.pythons) > 1:
        common.write("versions", timed(given.pythons, given.batches, given.rounds), given.out)


if __name__ == "__main__":
    main()
