"""Sweeps, time and residual to equilibrium, and the rate of the inner loop.

python benchmarks/relaxation.py [--batches 2500] [--rounds 7] [--networks layered rewired]
                                [--tables relaxation rate corrections] [--out docs/results]

Each of the paper's networks at its initial weights and after one epoch of MNIST (`--batches`
updates of it), from cold states and from the particles that training kept. A batch of 20 is
relaxed as training does it, a part of 10 on each of two cores; a part stops when enough of its
examples are within 1e-3. The rate counts 2 operations per stored multiply-add, zeros inside
blocks too, and is compared with the better of NumPy's and JAX's product of two 4096 x 4096
float32 matrices on the same cores. Corrections of the default schedule are compared, pair of layers
by pair, with those of free phases that settled to 1e-6.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import common

common.a_core_per_shard()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from jax.sharding import PartitionSpec  # noqa: E402

import eqprop  # noqa: E402
from eqprop.energy.connections import ClampedConnections  # noqa: E402
from eqprop.energy.hopfield import ClampedHopfieldEnergy  # noqa: E402
from eqprop.learning import Batch, Phase  # noqa: E402
from eqprop.training import Trainer  # noqa: E402
from eqprop.training.sharding import SHARDS, mesh_for  # noqa: E402

BATCH, SHARDS_USED, LIMIT = 20, 2, 1000
NETWORKS = ("layered", "per-layer", "rewired", "layered-5x100", "rewired-5x100")
TABLES = ("relaxation", "rate", "corrections")
METHODS = {
    "Euler .5": eqprop.Euler(0.5),
    "layers, step 1": eqprop.BlockCoordinateDescent(),
    "layers, step 1.2": eqprop.BlockCoordinateDescent(1.2),
    "blocks of 64, step 1": eqprop.BlockCoordinateDescent(1.0, block_size=64),
    "blocks of 64, step 1.5": eqprop.BlockCoordinateDescent(1.5, block_size=64),
    "blocks of 100, step 1.5": eqprop.BlockCoordinateDescent(1.5, block_size=100),
}


def relaxation(network: eqprop.Network, phase: Phase) -> Callable:
    """A compiled relaxation of a batch in parts, one on each device."""
    mesh = mesh_for(SHARDS_USED)
    whole, dealt = PartitionSpec(), PartitionSpec(SHARDS)

    def one(network, phase, x, state):
        found = eqprop.relax(network.energy.clamp(x), state, phase.method, phase.termination)
        return found.state, found.steps[None], found.residual, found.settled

    run = jax.jit(
        jax.shard_map(
            one, mesh=mesh, in_specs=(whole, whole, dealt, dealt), out_specs=dealt, check_vma=False
        )
    )
    return lambda x, state: jax.block_until_ready(run(network, phase, x, state))


def stored(network: eqprop.Network, method: eqprop.BlockCoordinateDescent) -> tuple[int, float]:
    """Multiply-adds of a sweep per example, and the share of them with a weight of zero."""
    energy = method.prepare(network.energy.clamp(jnp.zeros((1, network.num_inputs))))
    assert isinstance(energy, ClampedHopfieldEnergy)
    connections = energy.parts[0]
    assert isinstance(connections, ClampedConnections)
    strips = [np.asarray(leaf) for leaf in jax.tree.leaves(connections.blocks)]
    total = sum(strip.size for strip in strips)
    return total, sum(int((strip == 0).sum()) for strip in strips) / total


def settling(name: str, trainer: Trainer, weights: dict, rounds: int) -> list[dict]:
    """A row per weights, start and method."""
    rows = []
    x = common.mnist_inputs(BATCH)
    for age, (network, kept) in weights.items():
        starts = {"cold": network.cold_state(BATCH)} | ({} if kept is None else {"kept": kept})
        for start, state in starts.items():
            runs = {
                (method, share): relaxation(
                    network, Phase(METHODS[method], eqprop.Residual(1e-3, LIMIT, share))
                )
                for method in METHODS
                for share in (0.9, 1.0)
            }
            found = {key: run(x, state) for key, run in runs.items()}
            taken = common.interleaved(
                {key: functools.partial(run, x, state) for key, run in runs.items()}, rounds
            )
            for (method, share), (_, steps, residual, settled) in found.items():
                rows.append(
                    {
                        "network": name,
                        "weights": age,
                        "start": start,
                        "method": method,
                        "until settled": f"{share:.0%}",
                        "sweeps": int(np.max(steps)),
                        "ms": 1e3 * common.median(taken[method, share]),
                        "largest residual": float(np.max(residual)),
                        "settled": f"{float(np.mean(settled)):.0%}",
                    }
                )
    return rows


def corrections(name: str, trainer: Trainer, network: eqprop.Network, kept: jax.Array) -> dict:
    """Cosine of the default schedule's corrections with those of settled free phases."""
    fast = common.rule_for(free={"cold_tolerance": 1e-3})  # as from the second epoch on
    settled = Phase(fast.free.method, eqprop.Residual(1e-6, 5000))
    thorough = eqprop.EquilibriumPropagation(fast.nudging, settled, fast.nudged)
    estimate = jax.jit(lambda rule, *batch: rule.estimate(network, Batch.of(*batch)))
    x = common.mnist_inputs(len(kept))
    cosines: dict[tuple[int, int], list[float]] = {}
    reached = []
    for number, begin in enumerate(range(0, len(kept), BATCH)):
        batch = slice(begin, begin + BATCH)
        key = jax.random.key(number)
        y = trainer.examples.target[batch]
        quick = estimate(fast, x[batch], y, kept[batch], key)
        exact = estimate(thorough, x[batch], y, kept[batch], key)
        reached.append(float(jnp.mean(exact.report.free.settled)))
        for block, wanted in exact.gradient.hopfield.weights.items():
            got = quick.gradient.hopfield.weights[block]
            product = jnp.vdot(got, wanted) / (jnp.linalg.norm(got) * jnp.linalg.norm(wanted))
            cosines.setdefault(block, []).append(float(product))
    return {
        "network": name,
        "batches": len(cosines[1, 0]),
        "settled to 1e-6": f"{np.mean(reached):.0%}",
        **{
            f"{post}-{pre}": f"{np.mean(values):.3f} ({min(values):.3f})"
            for (post, pre), values in sorted(cosines.items())
        },
    }


def rate(name: str, network: eqprop.Network, rounds: int) -> dict:
    """Operations per second of the sweeps of the default free phase, against large products."""
    method, sweeps = common.rule_for().free.method, 100
    x, state = common.mnist_inputs(BATCH), network.cold_state(BATCH)
    run = relaxation(network, Phase(method, eqprop.FixedSteps(sweeps)))
    none = relaxation(network, Phase(method, eqprop.FixedSteps(1)))
    products = common.large_products()
    tasks = {
        (kind, size): functools.partial(task, x[:size], state[:size])
        for kind, task in (("sweeps", run), ("none", none))
        for size in (BATCH, SHARDS_USED)
    } | products
    for task in tasks.values():
        task()
    taken = {key: common.median(t) for key, t in common.interleaved(tasks, rounds).items()}
    macs, zeros = stored(network, method)
    sweep, bare = (
        (taken["sweeps", size] - taken["none", size]) / (sweeps - 1)
        for size in (BATCH, SHARDS_USED)
    )
    reached = 2 * macs * BATCH / sweep / 1e9
    large = {key: 2 * 4096**3 / taken[key] / 1e9 for key in products}
    return {
        "network": name,
        "ms per sweep": 1e3 * sweep,
        "ms with one example per core": 1e3 * bare,
        "MB of couplings per core": 4 * macs / 1e6,
        "multiply-adds per example": macs,
        "of them zero": f"{zeros:.0%}",
        "GFLOP/s": reached,
        **{f"{key} 4096 GFLOP/s": value for key, value in large.items()},
        "share of the better": reached / max(large.values()),
    }


def main() -> None:
    options = common.parser(__doc__ or "")
    options.add_argument("--batches", type=int, default=2500, help="updates of training")
    options.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    options.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    given = options.parse_args()
    tables: dict[str, list[dict]] = {name: [] for name in TABLES}
    for name in given.networks:
        trainer, network = common.paper_run(name, given.batches)
        state = common.trained(trainer, trainer.start(network), common.rule_for())
        trained = jax.tree.map(lambda a: jnp.asarray(np.asarray(a)), state.network)
        weights = {
            "initial": (network, None),
            f"after {given.batches} batches": (trained, trainer.kept_states(state, BATCH)),
        }
        if "relaxation" in given.tables:
            tables["relaxation"] += settling(name, trainer, weights, given.rounds)
        if "rate" in given.tables:
            tables["rate"].append(rate(name, trained, given.rounds))
        if "corrections" in given.tables:
            kept = trainer.kept_states(state, 10 * BATCH)
            tables["corrections"].append(corrections(name, trainer, trained, kept))
    for name in given.tables:
        common.write(name, tables[name], given.out)


if __name__ == "__main__":
    main()
