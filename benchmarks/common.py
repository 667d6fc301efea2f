"""What every benchmark needs: interleaved timing, the machine's own rate, one table."""

from __future__ import annotations

import argparse
import csv
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median as median  # what the benchmarks report
from typing import Any

from eqprop.config.paper import SIZES as SIZES  # units per layer of the paper's networks

RESULTS = Path(__file__).parents[1] / "docs" / "results"

sys.path.insert(0, str(Path(__file__).parent))  # so that benchmarks run from anywhere


def interleaved(tasks: Mapping[Any, Callable[[], Any]], rounds: int) -> dict[Any, list[float]]:
    """Seconds of every task in every round, round after round, so that noise hits all alike."""
    taken: dict[Any, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            began = time.perf_counter()
            task()
            taken[name].append(time.perf_counter() - began)
    return taken


def machine() -> str:
    """The machine class, without its name."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        model = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    jax = sys.modules.get("jax")
    kinds = {d.device_kind for d in jax.local_devices()} - {"cpu"} if jax else set()
    return ", ".join([f"{cores} cores", model, platform.system(), *sorted(kinds)])


def write(name: str, rows: Sequence[Mapping[str, Any]], out: Path | None) -> None:
    """Prints rows as a table and, if `out` is given, writes them as `out/performance-NAME.csv`."""
    columns = list(dict.fromkeys(column for row in rows for column in row if column != "machine"))
    cells = [[row.get(column, "") for column in columns] for row in rows]
    text = [[f"{v:.4g}" if isinstance(v, float) else str(v) for v in row] for row in cells]
    widths = [max(map(len, column)) for column in zip(columns, *text, strict=True)]
    for line in [columns, *text]:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
    print(f"\n{machine()}")
    if out is not None:
        path = out / f"performance-{name}.csv"
        with open(path, "w", newline="") as file:
            table = csv.writer(file)
            table.writerow([*columns, "machine"])
            machines = [row.get("machine", machine()) for row in rows]
            table.writerows([*row, where] for row, where in zip(cells, machines, strict=True))
        print(path)


def read(name: str, out: Path | None) -> list[dict[str, str]]:
    """The rows that stand in `out/performance-NAME.csv`, if there is such a file."""
    path = out / f"performance-{name}.csv" if out else None
    if path is None or not path.is_file():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def renew(
    name: str, rows: Sequence[Mapping[str, Any]], keys: Sequence[str], out: Path | None
) -> None:
    """`write`, beside the rows that stand there already for other values of `keys`."""

    def which(row: Mapping[str, Any]) -> list[str]:
        return [str(row[key]) for key in keys]

    new = [which(row) for row in rows]
    before = [row for row in read(name, out) if which(row) not in new]
    write(name, [*before, *rows], out)


def program() -> str:
    """The command line of the interpreter that runs this."""
    return str(Path(sys.executable).with_name("eqprop"))


def parser(description: str) -> argparse.ArgumentParser:
    """With the options that all benchmarks share."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--rounds", type=int, default=7, help="interleaved repetitions")
    options.add_argument("--out", type=Path, help=f"folder for the CSV, such as {RESULTS.name}")
    return options


def a_core_per_shard(shards: int = 2) -> None:
    """As the command line sets a run up; call it before anything imports JAX."""
    from eqprop.running.machine import use_a_core_per_shard

    use_a_core_per_shard(shards)


def mnist_inputs(count: int) -> Any:
    """The first training digits as inputs, `[count, 784]`."""
    import numpy as np

    from eqprop import data

    split = data.load("mnist").split("train").first(count)
    return split.x.reshape(count, -1).astype(np.float32) / np.float32(255)


def mnist_files() -> Path:
    """The folder in which the files of MNIST are."""
    from eqprop.data import idx

    found = idx.folder_of(idx.MNIST, None)
    if found is None:
        raise SystemExit("no MNIST on this machine: eqprop data fetch mnist")
    return Path(found)


def rule_for(**settings: Any) -> Any:
    """Equilibrium propagation as a run does it in its first epoch; `settings` as in `paper_run`."""
    from eqprop.config.settings import build
    from eqprop.running.build import build_rule

    return build_rule(build(settings), 0)


def paper_run(name: str, batches: int, **settings: Any) -> tuple[Any, Any]:
    """Trainer and untrained network of one of the paper's networks on MNIST.

    **Arguments:**

    - `name`: of a panel of figure 4: layered, per-layer, rewired, layered-5x100, rewired-5x100.
    - `batches`: of 20 examples in an epoch.
    - `settings`: `section={key: value}` on top of the defaults.
    """
    from eqprop import data
    from eqprop.config.settings import build
    from eqprop.experiments.experiment import merged
    from eqprop.experiments.figure4 import panels
    from eqprop.running.build import build_network, build_trainer
    from eqprop.running.wiring import build_topology
    from eqprop.training import Examples

    values = merged(panels("paper")[name], {"data": {"dataset": "mnist"}})
    config = build(merged(values, settings))
    split = data.load("mnist").split("train").first(batches * config.data.batch_size)
    network = build_network(config, build_topology(config))
    return build_trainer(config, network, Examples.of(network, split.x, split.target)), network


def trained(trainer: Any, state: Any, rule: Any, epoch: int = 0) -> Any:
    """A state after one more epoch; the one given is donated."""
    for chunk in trainer.epoch(state, rule, epoch):
        state = chunk.state
    return state


def large_products() -> dict[str, Callable[[], Any]]:
    """The product of two 4096 x 4096 float32 matrices by NumPy and by JAX, on every core.

    JAX's runs in a process of its own, since this one may have given each core a device.
    """
    import numpy as np

    a = np.random.default_rng(0).random((4096, 4096), np.float32)
    child = _product()
    return {"NumPy": lambda: a @ a, "JAX": child}


class Child:
    """Python code in a process of its own, which answers each line that it is sent with one."""

    def __init__(self, code: str, python: str = sys.executable, **settings: Any) -> None:
        self.process = subprocess.Popen(
            [python, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            **settings,
        )

    def ask(self) -> str:
        """Sends an empty line and waits for the answer."""
        assert self.process.stdin is not None
        print(file=self.process.stdin, flush=True)
        return self.line()

    def line(self) -> str:
        """What it says next."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the child process has ended; see its message above")
        return line


def checkout(root: Path) -> dict[str, str]:
    """The environment of a process that runs the code of a checkout of this repository."""
    return os.environ | {"PYTHONPATH": f"{root / 'src'}{os.pathsep}{root / 'benchmarks'}"}


def training_child(root: Path, network: str, batches: int, python: str = sys.executable) -> Child:
    """A process that trains a network with the code of a checkout, an epoch per line."""
    code = _EPOCHS.replace("NAME", repr(network)).replace("BATCHES", str(batches))
    child = Child(code, python, cwd=root / "benchmarks", env=checkout(root))
    child.line()
    return child


def raced(children: Mapping[Any, Child], rounds: int) -> dict[Any, list[float]]:
    """Seconds of every child's epoch in every round, in turns that change; ends the children."""
    taken: dict[Any, list[float]] = {name: [] for name in children}
    names = list(children)
    for number in range(rounds):
        for name in names if number % 2 else names[::-1]:
            taken[name].append(float(children[name].ask()))
    for child in children.values():
        child.process.kill()
    return taken


def ratio(seconds: Sequence[float], other: Sequence[float]) -> dict[str, Any]:
    """Of the rounds of two, for a row: its median and quartiles."""
    import numpy as np

    low, middle, high = np.percentile(np.divide(seconds, other), [25, 50, 75])
    return {"ratio": float(middle), "quartiles of the ratio": f"{low:.3f} to {high:.3f}"}


def apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """The largest difference of a weight."""
    import numpy as np

    names = [name for name in one if name.startswith("weights")]
    return max(float(np.abs(one[name] - other[name]).max()) for name in names)


_EPOCHS = """
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


def _product() -> Callable[[], Any]:
    """JAX's product in a child process that was left alone with its threads."""
    code = (
        "import sys, jax, jax.numpy as jnp\n"
        "a = jax.random.uniform(jax.random.key(0), (4096, 4096))\n"
        "product = jax.jit(jnp.matmul)\n"
        "for _ in sys.stdin:\n"
        "    product(a, a).block_until_ready(); print(flush=True)\n"
    )
    return Child(code, env={k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}).ask
