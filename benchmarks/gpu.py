"""What a GPU is asked in one go: is the kernel right, what does a batch cost, a long run.

python benchmarks/gpu.py [--minutes 8] [--tables agreement learning phases batches] [--rounds 5]
                         [--small] [--out docs/results]
python benchmarks/gpu.py --tables learning --out docs/results   # on a CPU: what to agree with
python benchmarks/gpu.py --tables --run rewired --folder runs   # figure 3, by the clock

Each table is written as soon as it stands, beside the rows of other devices: `agreement`, one
phase by the kernel against the plain path from the same states; `learning`, 200 batches of training
and the sums of weights afterwards, beside the rows of a CPU; `phases`, the time of a phase under
several plans; `batches`, the time of a whole batch of one network and of several.
`--small` cuts sizes down, so that a CPU can try the script.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import os
import platform
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Any

import common
from training import epoch_of

NETWORKS = ("layered", "rewired", "layered-5x100", "rewired-5x100")


def kind() -> str:
    """The device that JAX computes on."""
    import jax

    return jax.devices()[0].device_kind


def facts() -> dict[str, str]:
    """Card and versions."""
    versions = [metadata.version(package) for package in ("jax", "jaxlib")]
    return {"device": kind(), "jax": ", ".join(versions)}


def phases_of(name: str, small: bool) -> tuple[Any, Any, Any, Any, Any]:
    """A network of the paper, the rule of a run, and a batch: network, rule, x, target, state."""
    import jax
    import jax.numpy as jnp

    trainer, network = common.paper_run(name, 4, **_cut(name, small))
    x = jnp.asarray(trainer.examples.x.reshape(-1, network.num_inputs)[:20], jnp.float32) / 255
    target = jnp.asarray(trainer.examples.target.reshape(-1, network.num_targets)[:20])
    state = jax.random.uniform(jax.random.key(0), (20, network.num_free))
    return network, common.rule_for(), x, target.astype(jnp.float32), state


def with_kernel(rule: Any, policy: str, plan: Any = None) -> Any:
    """The same rule with the steps of its phases taken by a kernel, or not."""
    import jax

    from eqprop.relaxation.moves import AbstractLinearRelaxation, Kernel

    def told(node: Any) -> Any:
        if not isinstance(node, AbstractLinearRelaxation):
            return node
        return dataclasses.replace(node, kernel=Kernel(policy, plan))  # pyright: ignore

    return jax.tree.map(told, rule, is_leaf=lambda n: isinstance(n, AbstractLinearRelaxation))


def _cut(name: str, small: bool) -> dict[str, Any]:
    if not small:
        return {}
    hidden = [24] * (5 if "5x" in name else 3)
    topology: dict[str, Any] = {"layer_sizes": [784, *hidden, 10]}
    if "rewired" in name:
        topology |= {"connections": None, "p": 0.1}
    return {"topology": topology}


def with_layers(rule: Any, step_size: float = 1.0) -> Any:
    """The same rule with whole layers for the blocks of its free phase: fewer launches a sweep."""
    wide = dataclasses.replace(rule.free.method, block_size=None, step_size=step_size)
    return dataclasses.replace(rule, free=dataclasses.replace(rule.free, method=wide))


BLOCKS: dict[str, Callable[[Any], Any]] = {"64": lambda rule: rule, "layers": with_layers}


def told(batch: Any, phase: str, policy: str, plan: Any = None) -> Any:
    """A batch whose rule takes its steps so; with whole layers for blocks where that is asked."""
    network, rule, *rest = batch
    rule = with_kernel(rule, policy, plan)
    return network, with_layers(rule) if phase == "whole layers" else rule, *rest


def settled(batch: Any, phase: str, stop: Any) -> Any:
    """Where a phase of a batch, as of `phases_of`, ends."""
    import jax.numpy as jnp

    from eqprop.relaxation import relax

    network, rule, x, target, state = batch
    method = rule.free.method
    energy = method.prepare(network.energy.clamp(x))
    if phase != "nudged":
        return relax(energy, state, method, stop)
    return relax(network.nudged(energy, jnp.float32(1), target), state, rule.nudged.method, stop)


def agreement(given: Any) -> Iterator[dict]:
    """The states that both paths reach from the same ones, after the same steps."""
    import jax
    import jax.numpy as jnp

    from eqprop.relaxation import FixedSteps, Residual

    policy = "interpret" if given.small else "device"
    stops = [("free", Residual(1e-4, 200, share=0.9)), ("free", FixedSteps(5))]
    for name in given.only or NETWORKS:
        batch = phases_of(name, given.small)
        for phase, stop in [*stops, ("nudged", FixedSteps(8))]:
            plain = settled(told(batch, phase, "plain"), phase, stop)
            ours = settled(told(batch, phase, policy), phase, stop)
            again = settled(told(batch, phase, policy), phase, stop)
            if bool(jnp.all(plain.state == ours.state)):
                raise RuntimeError(f"{name}, {phase}: no kernel was at work, all bits are equal")
            yield facts() | {
                "network": name,
                "phase": phase,
                "stop": type(stop).__name__,
                "steps, plain": int(plain.steps),
                "steps, kernel": int(ours.steps),
                "largest difference": float(jnp.max(jnp.abs(plain.state - ours.state))),
                "mean state": float(jnp.mean(plain.state)),
                "same bits again": bool(jnp.all(ours.state == again.state)),
            }
        jax.clear_caches()


def learning(given: Any) -> Iterator[dict]:
    """Online error and weights after some batches: what a CPU and a GPU must agree on.

    Each with blocks of 64 and with whole layers, to the same residual.
    """
    import jax
    import numpy as np

    batches = 10 if given.small else 200
    names = given.only or NETWORKS[:2]
    for name, blocks in itertools.product(names, BLOCKS):
        trainer, network = common.paper_run(
            name, batches, training={"data_shards": 1}, **_cut(name, given.small)
        )
        state, wrong, sweeps = trainer.start(network), 0, 0.0
        for chunk in trainer.epoch(state, BLOCKS[blocks](common.rule_for()), 0):
            state = chunk.state
            wrong += int(np.sum(chunk.log.errors))
            sweeps += float(np.sum(chunk.log.free.steps))
        weights = state.network.energy.weights.values()
        yield facts() | {
            "network": name,
            "blocks": blocks,
            "batches": batches,
            "training error": wrong / (20 * batches),
            "sweeps per batch": sweeps / batches,
            "sum of weights": float(sum(np.sum(np.asarray(w, np.float64)) for w in weights)),
            "sum of their sizes": float(
                sum(np.sum(np.abs(np.asarray(w, np.float64))) for w in weights)
            ),
        }
        jax.clear_caches()


def phases(given: Any) -> Iterator[dict]:
    """The time of 20 free sweeps and of 8 nudged steps, by plan."""
    import equinox as eqx
    import jax

    from eqprop.relaxation import FixedSteps
    from eqprop.relaxation.moves import Plan

    plans: list[Any] = [None, Plan(2, 8), Plan(2, 13, 16), Plan(2, 13, 32), Plan(4, 16, 32)]
    if given.small:
        plans = [None]
    for name in given.only or NETWORKS[: 1 if given.small else 2]:
        batch = phases_of(name, given.small)
        tasks: dict[Any, Callable[[], Any]] = {}
        for phase in ("free", "nudged", "whole layers"):
            for policy, plan in [("plain", None), *(("device", plan) for plan in plans)]:
                stop = FixedSteps(8 if phase == "nudged" else 20)
                own = told(batch, phase, policy, plan)
                run = functools.partial(eqx.filter_jit(settled), own, phase, stop)
                try:
                    jax.block_until_ready(run())
                except Exception as error:  # a plan that the compiler refuses is a result
                    print(name, phase, plan, str(error)[:300], flush=True)
                    continue

                def ten(run: Any = run) -> None:
                    jax.block_until_ready([run() for _ in range(10)])

                tasks[phase, policy, str(plan)] = ten
        for (phase, policy, plan), taken in common.interleaved(tasks, given.rounds).items():
            yield facts() | {
                "network": name,
                "phase": phase,
                "path": policy,
                "plan": plan,
                "ms": 1e3 * common.median(taken) / 10,
            }
        jax.clear_caches()


PATHS = (
    ("plain, two parts", "plain", 2, "64"),
    ("plain", "plain", 1, "64"),
    ("kernel", "device", 1, "64"),
    ("plain, whole layers", "plain", 1, "layers"),
    ("kernel, whole layers", "device", 1, "layers"),
)


def batches(given: Any) -> Iterator[dict]:
    """A whole batch of 20 sweeps and 8 steps, for one network and several in one program."""
    import jax

    count = 4 if given.small else 50
    for name in given.only or NETWORKS[: 1 if given.small else 3]:
        for networks in (1,) if given.small else given.counts:
            tasks = {}
            for path, policy, shards, blocks in PATHS:
                if networks > 1 and shards > 1:
                    continue
                training = {"chunk_batches": count, "data_shards": shards}
                settings = _cut(name, given.small) | {"training": training}
                try:
                    tasks[path] = epoch_of(
                        name,
                        count,
                        networks,
                        lambda rule, p=policy, b=blocks: with_kernel(BLOCKS[b](rule), p),
                        **settings,
                    )
                except Exception as error:
                    print(name, networks, path, str(error)[:300], flush=True)
            for path, taken in common.interleaved(tasks, given.rounds).items():
                batch = 1e3 * common.median(taken) / count
                yield facts() | {
                    "network": name,
                    "networks": networks,
                    "path": path,
                    "ms per batch": batch,
                    "ms per batch and network": batch / networks,
                }
            del tasks
            jax.clear_caches()


def long_run(which: str, folder: str, until: float) -> None:
    """Figure 3 by whole epochs, or on from where it was saved, stopped so that it saves in time."""
    program = [common.program()]
    whole = f"{folder}/figure3-paper"
    command = ["reproduce", "figure3", "--preset", "paper", "--only", which, "--out", folder]
    if os.path.isdir(whole):
        command = ["resume", whole]
    child = subprocess.Popen([*program, *command])
    while child.poll() is None and time.monotonic() < until - 20:
        time.sleep(1)
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        child.wait(15)


TABLES = {"agreement": agreement, "learning": learning, "phases": phases, "batches": batches}
KEYS = {
    "agreement": ("device", "network", "phase", "stop"),
    "learning": ("device", "network", "blocks", "batches"),
    "phases": ("device", "network", "phase", "path", "plan"),
    "batches": ("device", "network", "networks", "path"),
}


def main() -> None:
    options = common.parser(__doc__ or "")
    options.add_argument("--minutes", type=float, default=8, help="after which nothing is begun")
    options.add_argument("--tables", nargs="*", choices=TABLES, default=list(TABLES))
    options.add_argument("--only", nargs="+", choices=NETWORKS, help="of the networks")
    options.add_argument("--counts", nargs="+", type=int, default=[1, 8, 64], help="at once")
    options.add_argument("--small", action="store_true", help="for a try on a CPU")
    options.add_argument("--run", help="networks of figure 3 to train until the minutes are over")
    options.add_argument("--folder", default="runs", help="of that run")
    given = options.parse_args()
    until = time.monotonic() + 60 * given.minutes
    print(facts(), platform.platform(), flush=True)
    for name in given.tables:
        rows = []
        for row in TABLES[name](given):
            rows.append(row)
            common.renew(f"gpu-{name}", rows, KEYS[name], given.out)
            if time.monotonic() > until:
                print(f"The minutes are over in {name}.", flush=True)
                return
    if given.run:
        long_run(given.run, given.folder, until)


if __name__ == "__main__":
    main()
