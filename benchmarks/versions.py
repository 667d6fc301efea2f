"""What a version of JAX costs, and what the wrong arithmetic of 0.10.2 touched.

python benchmarks/versions.py PYTHON... [--wrong PYTHON] [--rounds 10] [--out docs/results]

Each PYTHON is an interpreter with what eqprop needs and another version of JAX; the first is what
the others are compared with. All train the same batches, round by round, in processes of their own;
compile time is left out. `--wrong` names one with JAX 0.10.2: it trains with the guard of
`eqprop.compiler` and without, on one core, and the first PYTHON does so too. A table has the
largest difference of a weight after so many updates; with `--rules`, for the learning rules on the
rewired network, in place of the paper's rule on every network.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import common
from eqprop.compiler import TURNED_OFF
from eqprop.experiments.catalogue import EXPERIMENTS
from relaxation import NETWORKS

HERE = Path(__file__).parents[1]
TIMED = ("layered", "rewired", "layered-5x100")
UPDATES = (1, 10, 100, 500)
LEFT_OUT = ("rewired-random-sign", "rewired-backpropagation")
"""The rule of the other table, and one that relaxes nothing."""
Weights = dict[str, np.ndarray]
LEARNED = """
import dataclasses, numpy as np, common
settings = SETTINGS
trainer, start = common.paper_run(NAME, LAST, **settings)
trainer = dataclasses.replace(trainer, chunk_batches=1)
state, kept, wrong, done = trainer.start(start), {}, 0, 0
for chunk in trainer.epoch(state, common.rule_for(**settings), 0):
    state, done, wrong = chunk.state, done + 1, wrong + int(chunk.log.errors.sum())
    if done in UPDATES:
        kept |= {f"{done}/{k}": v for k, v in state.network.to_arrays().items()}
np.savez(PATH, errors=wrong / (20 * done), **kept)
"""
ABOUT = (
    "import json, sys, jax; from eqprop import compiler; "
    "print(json.dumps([sys.version.split()[0], jax.__version__, bool(compiler.is_right())]))"
)


def about(python: str, **more: str) -> tuple[str, str, bool]:
    """Versions of Python and JAX, and whether its arithmetic is right."""
    done = subprocess.run(
        [python, "-c", ABOUT],
        env=common.checkout(HERE) | more,
        capture_output=True,
        text=True,
        check=True,
    )
    return tuple(json.loads(done.stdout))


def timed(pythons: list[str], batches: int, rounds: int) -> list[dict[str, Any]]:
    """A row per network and interpreter."""
    rows = []
    told = {python: about(python) for python in pythons}
    for network in TIMED:
        children = {
            python: common.training_child(HERE, network, batches, python) for python in pythons
        }
        taken = common.raced(children, rounds)
        for python, seconds in taken.items():
            version, release, is_right = told[python]
            rows.append(
                {
                    "network": network,
                    "Python": version,
                    "JAX": release,
                    "right": is_right,
                    "rounds": rounds,
                    "ms per batch": 1e3 / batches * median(seconds),
                    **common.ratio(seconds, taken[pythons[0]]),
                }
            )
    return rows


def compared(rules: bool) -> dict[str, tuple[str, Any]]:
    """What is trained: by the name of its row, the network and its settings."""
    if not rules:
        return {network: (network, {}) for network in NETWORKS}
    conditions = EXPERIMENTS.find("rules").conditions("paper")
    return {
        name: ("rewired", {k: v for k, v in settings.items() if k in ("learning", "nudged")})
        for name, settings in conditions.items()
        if name.startswith("rewired-") and name not in LEFT_OUT
    }


def learned(
    python: str, network: str, settings: Any, **more: str
) -> tuple[dict[int, Weights], float]:
    """Weights after so many updates on one core, and the training error."""
    code = LEARNED.replace("NAME", repr(network)).replace("LAST", str(UPDATES[-1]))
    code = code.replace("SETTINGS", repr(settings))
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "learned.npz"
        code = code.replace("UPDATES", repr(UPDATES)).replace("PATH", repr(str(path)))
        command = ["taskset", "-c", "0", python, "-c", code]
        subprocess.run(command, env=common.checkout(HERE) | more, check=True)
        with np.load(path) as file:
            found = dict(file)
    error = float(found.pop("errors"))
    after: dict[int, Weights] = {updates: {} for updates in UPDATES}
    for name, value in found.items():
        updates, _, own = name.partition("/")
        after[int(updates)][own] = value
    return after, error


def touched(right: str, wrong: str, rules: bool) -> list[dict[str, Any]]:
    """A row per network, or per rule, and number of updates."""
    off, release = {TURNED_OFF: "1"}, about(right)[1]
    if about(wrong, **off)[2]:
        raise SystemExit(f"the arithmetic of {wrong} is right: there is nothing to compare")
    rows = []
    for name, (network, settings) in compared(rules).items():
        guarded, error = learned(wrong, network, settings)
        bare, error_bare = learned(wrong, network, settings, **off)
        other, _ = learned(right, network, settings)
        rows += [
            {
                "rule" if rules else "network": name,
                "updates": updates,
                "without the guard": common.apart(guarded[updates], bare[updates]),
                f"JAX {release}": common.apart(guarded[updates], other[updates]),
                "training error, guarded": error,
                "training error, without": error_bare,
            }
            for updates in UPDATES
        ]
    return rows


def main() -> None:
    options = common.parser(__doc__ or "")
    options.add_argument("pythons", nargs="+", help="interpreters, the first to compare with")
    options.add_argument("--wrong", help="interpreter with JAX 0.10.2")
    options.add_argument("--rules", action="store_true", help="compare learning rules with it")
    options.add_argument("--batches", type=int, default=50, help="of 20 examples in an epoch")
    given = options.parse_args()
    if given.rules and not given.wrong:
        options.error("--rules compares with --wrong PYTHON, which is not given")
    if given.wrong:
        rows = touched(given.pythons[0], given.wrong, given.rules)
        common.write("guard-rules" if given.rules else "guard", rows, given.out)
    if len(given.pythons) > 1:
        common.write("versions", timed(given.pythons, given.batches, given.rounds), given.out)


if __name__ == "__main__":
    main()
