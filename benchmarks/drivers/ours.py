"""Runs eqprop on given batches, as the drivers of other codes run theirs: `-` WORK.npz.

Reads batches, settings and, for the released schedule, initial weights and wiring from WORK.npz;
writes the seconds of a batch in each epoch over them into WORK-ours.npz.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from eqprop.running.machine import use_a_core_per_shard

use_a_core_per_shard(2)

import jax  # noqa: E402
import optax  # noqa: E402

import eqprop  # noqa: E402
from eqprop.training import Examples  # noqa: E402

SGD = optax.sgd(1.0)


def network_like(peer) -> eqprop.Network:
    """Another code's own initial weights and wiring."""
    sizes = [int(n) for n in peer["layer_sizes"]]
    topology = eqprop.from_adjacency(peer["mask"], sizes)
    energy = eqprop.HopfieldEnergy.from_dense(topology, peer["start"], np.zeros(sum(sizes)))
    return eqprop.Network(energy, eqprop.SquaredError())


def as_released(beta: float = 1.0, *, random: bool = True) -> eqprop.EquilibriumPropagation:
    """500 Euler steps and 8 split steps."""
    nudging = eqprop.RandomSign(beta) if random else eqprop.OneSided(beta)
    return eqprop.EquilibriumPropagation(
        nudging,
        eqprop.Phase(eqprop.Euler(0.5), eqprop.FixedSteps(500)),
        eqprop.Phase(eqprop.Euler(0.5, nudging_step="split"), eqprop.FixedSteps(8)),
    )


def in_blocks() -> eqprop.EquilibriumPropagation:
    """20 sweeps of whole layers, and 8 with the outputs nudged."""
    block = eqprop.BlockCoordinateDescent()
    return eqprop.EquilibriumPropagation(
        eqprop.OneSided(0.5),
        eqprop.Phase(block, eqprop.FixedSteps(20)),
        eqprop.Phase(block, eqprop.FixedSteps(8)),
    )


def train(network, x, y, rule, *, epochs: int = 1, shards: int = 2):
    """Trains on the batches; returns the network and, per epoch, the seconds of a batch."""
    examples = Examples.of(network, x.reshape(-1, x.shape[2]), y.reshape(-1, y.shape[2]))
    rates = eqprop.learning_rates(network, 0.02)
    trainer = eqprop.Trainer(
        examples, SGD, rates, x.shape[1], jax.random.key(0), chunk_batches=len(x),
        data_shards=shards,
    )  # fmt: skip
    state, seconds = trainer.start(network), []
    for epoch in range(epochs):
        began = time.perf_counter()
        for chunk in trainer.epoch(state, rule, epoch):
            state = chunk.state
        seconds.append((time.perf_counter() - began) / len(x))
    return state.network, seconds


def main(_: str, work: str) -> None:
    with np.load(work) as given:
        given = dict(given)
    if "mask" in given:
        network, rule = network_like(given), as_released()
    else:
        sizes = [int(n) for n in given["layer_sizes"]]
        network, rule = eqprop.Network.initialize(eqprop.layered(sizes), seed=0), in_blocks()
    _, seconds = train(network, given["x"], given["y"], rule, epochs=5)
    # The first epoch compiles.
    np.savez(Path(work).with_name(Path(work).stem + "-ours.npz"), seconds=np.array(seconds[1:]))


if __name__ == "__main__":
    main(*sys.argv[1:])
