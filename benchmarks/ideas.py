"""What else was tried to make a batch cheaper, measured on the networks as they train.

python benchmarks/ideas.py [--batches 2500] [--out docs/results]

After two epochs of `--batches` updates, on the ten batches that come first: sweeps of a free
phase from other starts and with other iterations, until nine in ten of the examples are within
1e-3; corrections after fewer and more nudged steps; units that are held at a bound, and sweeps
over the others; the product that a sweep is made of, by width and layout; and two runs with a core
each beside one run on both.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import common

common.a_core_per_shard()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from jax import Array, lax  # noqa: E402

import eqprop  # noqa: E402
from eqprop.energy import AbstractClampedEnergy  # noqa: E402
from eqprop.learning import Batch, Phase  # noqa: E402
from eqprop.relaxation import AbstractRelaxation, Anderson, Momentum  # noqa: E402

BATCH, BATCHES, TOLERANCE, SHARE, LIMIT = 20, 10, 1e-3, 0.9, 400
METHOD = common.rule_for().free.method  # of the default free phase


def everyone(residual: Array) -> Array:
    """All places of a batch hold an example."""
    return jnp.ones(len(residual), bool)


@jax.jit
def settled(
    energy: AbstractClampedEnergy, start: Array, method: AbstractRelaxation = METHOD
) -> Array:
    """How many steps a method takes until it has settled."""
    return eqprop.relax(energy, start, method, eqprop.Residual(max_steps=LIMIT, share=0.9)).steps


def iterations(network: eqprop.Network, before: Array, kept: Array) -> list[tuple[str, float]]:
    """Mean sweeps of a free phase: other starts, other iterations."""
    x = common.mnist_inputs(BATCH * BATCHES)

    def mean(count: Callable) -> float:
        spans = [slice(k, k + BATCH) for k in range(0, len(x), BATCH)]
        return float(np.mean([int(count(network.energy.clamp(x[s]), s)) for s in spans]))

    cold = network.cold_state(BATCH)
    ahead = 2 * kept - before
    found = [
        ("cold start", lambda e, s: settled(e, cold)),
        ("kept start", lambda e, s: settled(e, kept[s])),
        ("start extrapolated from the last two visits", lambda e, s: settled(e, ahead[s])),
    ]
    for inertia in (0.1, 0.2, 0.4):
        method = Momentum(METHOD, inertia)
        name = f"kept start, momentum {inertia:g}"
        found.append((name, lambda e, s, method=method: settled(e, kept[s], method)))
    mixing = Anderson(METHOD, depth=1)
    found.append(("kept start, Anderson mixing of two", lambda e, s: settled(e, kept[s], mixing)))
    for step_size, block_size in ((1.4, 64), (1.6, 64), (1.5, 32), (1.5, 100), (1.5, 250)):
        other = eqprop.BlockCoordinateDescent(step_size, block_size=block_size)
        name = f"kept start, step {step_size:g}, blocks of {block_size}"
        found.append((name, lambda e, s, other=other: settled(e, kept[s], other)))
    return [(f"sweeps, {name}", mean(task)) for name, task in found]


def nudged_steps(network: eqprop.Network, kept: Array, target: Array) -> list[tuple[str, float]]:
    """Cosine of corrections after so many nudged steps with those after 60."""
    x, default = common.mnist_inputs(BATCH * BATCHES), common.rule_for()
    free = Phase(METHOD, eqprop.Residual(1e-5, 2000))
    estimate = jax.jit(lambda rule, *batch: rule.estimate(network, Batch.of(*batch)).gradient)

    def gradients(steps: int) -> np.ndarray:
        nudged = Phase(default.nudged.method, eqprop.FixedSteps(steps))
        rule = eqprop.EquilibriumPropagation(default.nudging, free, nudged)
        found = []
        for number in range(BATCHES):
            s = slice(BATCH * number, BATCH * (number + 1))
            gradient = estimate(rule, x[s], target[s], kept[s], jax.random.key(number))
            found.append(np.concatenate([np.ravel(w) for w in gradient.hopfield.weights.values()]))
        return np.stack(found)

    wanted, rows = gradients(60), []
    for steps in (2, 4, 8, 16, 30):
        got = gradients(steps)
        sizes = np.linalg.norm(got, axis=1) * np.linalg.norm(wanted, axis=1)
        cosine = float(np.mean(np.sum(got * wanted, axis=1) / sizes))
        rows.append((f"cosine of corrections with those of 60, {steps} nudged steps", cosine))
    return rows


def at_a_bound(kept: Array) -> list[tuple[str, float]]:
    """Shares of the units that rest at 0 or 1: in an example, and in all ten of a part."""
    held = (kept == 0) | (kept == 1)
    parts = held.reshape(-1, BATCH // 2, held.shape[1]).all(axis=1)
    return [
        ("share of units at a bound, in an example", float(held.mean())),
        ("share of units at a bound, in all ten of a part", float(parts.mean())),
    ]


@functools.partial(jax.jit, static_argnames=("units", "whole"))
def free_phases(
    network: eqprop.Network, x: Array, kept: Array, coupling: Array, units: int, whole: int
) -> Array:
    """Free phases of parts `[parts, examples, ...]`, one after the other; their residuals.

    **Arguments:** `units`, if not 0: after `whole` sweeps only so many units are swept, those that
    moved most, until they seem settled; then all are looked at, and all of it again if need be.
    """
    termination, size = eqprop.Residual(TOLERANCE, LIMIT, SHARE), METHOD.block_size or units

    def few(energy, state, moved):
        chosen = jnp.sort(
            lax.top_k(moved + 1e-4 * jnp.mean((state > 0) & (state < 1), 0), units)[1]
        )
        rows = coupling[chosen]
        others = state.at[:, chosen].set(0) @ rows.T
        fixed, pull = others + (energy.input_drive + energy.biases)[:, chosen], rows[:, chosen]

        def sweep(carry):
            part, _, count = carry
            seen = jnp.zeros(len(part), part.dtype)
            for start in range(0, units, size):
                span = slice(start, start + size)
                here = part[:, span]
                drawn = fixed[:, span] + part @ pull[:, span] - here
                off = jnp.abs(energy.project(here + drawn) - here)
                seen = jnp.maximum(seen, jnp.max(off, axis=1))
                moved = energy.project(here + METHOD.step_size * drawn)
                part = part.at[:, span].set(moved)
            return part, seen, count + 1

        unseen = jnp.full(len(state), jnp.inf, state.dtype)
        part, *_ = lax.while_loop(
            lambda carry: (carry[2] < LIMIT) & ~termination.is_done(carry[1], everyone(carry[1])),
            sweep,
            (state[:, chosen], unseen, 0),
        )
        return state.at[:, chosen].set(part)

    def one(_, part):
        energy = METHOD.prepare(network.energy.clamp(part[0]))
        if not units:
            return None, eqprop.relax(energy, part[1], METHOD, termination).residual

        def again(carry):
            state, *_, count = carry
            for _ in range(whole):
                before, state = state, METHOD.step(energy, state, None, None)[0]
            state = few(energy, state, jnp.max(jnp.abs(state - before), axis=0))
            return state, METHOD.residual(energy, state), count + 1

        unseen = jnp.full(len(part[1]), jnp.inf, part[1].dtype)
        _, residual, _ = lax.while_loop(
            lambda carry: (
                (carry[2] < LIMIT // whole) & ~termination.is_done(carry[1], everyone(carry[1]))
            ),
            again,
            (part[1], unseen, 0),
        )
        return None, residual

    return lax.scan(one, None, (x, kept))[1]


def units_that_move(network: eqprop.Network, kept: Array, rounds: int) -> list[tuple[str, float]]:
    """ms of a free phase of ten examples, of all units and of those that still move."""
    x = jnp.asarray(common.mnist_inputs(len(kept))).reshape(-1, BATCH // 2, network.num_inputs)
    starts, inputs = kept.reshape(len(x), BATCH // 2, -1), network.num_inputs
    coupling = jnp.asarray(network.hopfield.dense_weights()[inputs:, inputs:])
    cases = {"all units": (0, 1)} | {
        f"{units} units between {whole} sweeps of all": (units, whole)
        for units, whole in ((512, 2), (512, 5), (768, 5))
    }
    tasks = {
        name: functools.partial(free_phases, network, x, starts, coupling, *case)
        for name, case in cases.items()
    }
    for task in tasks.values():
        assert np.mean(np.asarray(task()) <= TOLERANCE) >= SHARE
    timed = {name: lambda task=task: task().block_until_ready() for name, task in tasks.items()}
    return [
        (f"ms of a free phase of ten examples, {name}", 1e3 * common.median(seconds) / len(x))
        for name, seconds in common.interleaved(timed, rounds).items()
    ]


def on_cores(code: str, cpus: set[int], *given: object) -> subprocess.Popen[str]:
    """A process of its own that runs `code` on some of the cores."""
    begin = "import os, sys\nos.sched_setaffinity(0, map(int, sys.argv.pop(1).split(',')))\n"
    where = ",".join(map(str, cpus))
    return subprocess.Popen(
        [sys.executable, "-c", begin + code, where, *map(str, given)],
        cwd=Path(__file__).parent,
        stdout=subprocess.PIPE,
        text=True,
        env={k: v for k, v in os.environ.items() if k != "XLA_FLAGS"},
    )


def products_on_one_core(rounds: int) -> list[tuple[str, float]]:
    """`products` in a process that has one core: with two, wide products would take both."""
    code = "import ideas, json\nprint(json.dumps(ideas.products(int(sys.argv[1]))))\n"
    child = on_cores(code, {min(os.sched_getaffinity(0))}, rounds)
    return json.loads(child.communicate()[0].splitlines()[-1])


def products(rounds: int) -> list[tuple[str, float]]:
    """GFLOP/s of the product that a block's step is made of, by width and layout."""
    rng = np.random.default_rng(0)
    state = jnp.asarray(rng.random((BATCH // 2, 1510)), jnp.float32)
    repeats, tasks = 200, {}

    def repeated(one: Callable) -> Callable:
        # Each product needs the last one, so that none is left out.
        run = jax.jit(lambda a, b: lax.fori_loop(0, repeats, lambda _, v: one(a, v), b))
        return lambda *given: run(*given).block_until_ready()

    rows = repeated(lambda w, s: s.at[:, : w.shape[1]].set(0.01 * (s @ w)))
    columns = repeated(lambda w, s: s.at[: len(w)].set(0.01 * (w @ s)))
    for width in (64, 100, 112, 125, 128, 500, 512):
        weight = jnp.asarray(rng.random((1510, width)), jnp.float32)
        tasks[width, "examples x units"] = functools.partial(rows, weight, state)
        tasks[width, "units x examples"] = functools.partial(columns, weight.T, state.T)
    for task in tasks.values():
        task()
    return [
        (
            f"GFLOP/s of one core, ten examples, block of {width} units, {layout}",
            2 * state.size * width * repeats / common.median(seconds) / 1e9,
        )
        for (width, layout), seconds in common.interleaved(tasks, rounds).items()
    ]


def beside(name: str, rounds: int) -> list[tuple[str, float]]:
    """ms of a batch when two runs have a core each, and when one has both."""
    code = (
        "import time, common\n"
        "common.a_core_per_shard()\n"
        "trainer, network = common.paper_run(sys.argv[1], 300)\n"
        "state, rule = trainer.start(network), common.rule_for()\n"
        "for epoch in range(2):\n"
        "    began = time.perf_counter()\n"
        "    state = common.trained(trainer, state, rule, epoch)\n"
        "print(1e3 * (time.perf_counter() - began) / 300)\n"
    )
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        return []

    def run(*affinities: set[int]) -> float:
        children = [on_cores(code, cpus, name) for cpus in affinities]
        return max(float(child.communicate()[0].split()[-1]) for child in children)

    both, alone = [], []
    for _ in range(max(1, rounds // 3)):
        both.append(run({cores[0]}, {cores[1]}) / 2)
        alone.append(run(set(cores)))
    return [
        ("ms of a batch, two runs with a core each, per run and half", common.median(both)),
        ("ms of a batch, one run on both cores", common.median(alone)),
    ]


def main() -> None:
    options = common.parser(__doc__ or "")
    options.add_argument("--batches", type=int, default=2500, help="updates of an epoch")
    given = options.parse_args()
    rows = []
    for name in ("layered", "rewired"):
        trainer, network = common.paper_run(name, given.batches)
        state, visits = trainer.start(network), []
        for epoch in range(2):
            state = common.trained(trainer, state, common.rule_for(), epoch)
            visits.append(jnp.asarray(np.asarray(trainer.kept_states(state, BATCH * BATCHES))))
        trained = jax.tree.map(lambda a: jnp.asarray(np.asarray(a)), state.network)
        before, kept = visits
        target = trainer.examples.target[: BATCH * BATCHES]
        for what, value in (
            *iterations(trained, before, kept),
            *nudged_steps(trained, kept, target),
            *at_a_bound(kept),
            *units_that_move(trained, kept, given.rounds),
            *beside(name, given.rounds),
        ):
            rows.append({"network": name, "what": what, "value": value})
    for what, value in products_on_one_core(given.rounds):
        rows.append({"network": "-", "what": what, "value": value})
    common.write("ideas", rows, given.out)


if __name__ == "__main__":
    began = time.perf_counter()
    main()
    print(f"{time.perf_counter() - began:.0f} s")
