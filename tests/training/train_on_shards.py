"""Trains a small network on shards: OUT SHARDS [ADDRESS PROCESS [die]]; used by test_shards."""

from __future__ import annotations

import os
import sys

import jax
import numpy as np
import optax

import eqprop
from eqprop import data
from eqprop.training.sharding import gathered


def main(out: str, shards: int, address: str = "", process: int = 0, end: str = "") -> None:
    if address:
        eqprop.join_processes(address, processes=2, process=process, timeout_seconds=20)
    base = eqprop.with_intralayer(eqprop.layered([20, 16, 16, 4]))
    network = eqprop.Network.initialize(eqprop.rewire(base, n=60, seed=0), seed=0)
    split = data.load("teacher").split("train")
    examples = eqprop.Examples.of(network, split.x, split.target)
    rule = eqprop.EquilibriumPropagation(
        eqprop.RandomSign(1.0),
        eqprop.Phase(eqprop.BlockCoordinateDescent(1.2, 4), eqprop.FixedSteps(20)),
        eqprop.Phase(eqprop.Euler(0.5, nudging_step="split"), eqprop.FixedSteps(8)),
    )
    trainer = eqprop.Trainer(
        examples,
        optax.sgd(1.0),
        eqprop.learning_rates(network, 0.1),
        int(os.environ.get("BATCH", "20")),
        jax.random.key(0),
        chunk_batches=1,
        data_shards=shards,
    )
    state, wrong, seen = trainer.start(network), 0, []
    start = first = network.hopfield.dense_weights()
    for chunk in trainer.epoch(state, rule, 0):
        state = chunk.state
        wrong += int(chunk.log.errors.sum())
        if chunk.batches_done == 1:
            first = state.network.hopfield.dense_weights()
            log = chunk.log
            kinds = ("residual", "unsettled", "steps")
            seen = [getattr(p, kind)[0] for p in (log.free, log.nudged) for kind in kinds]
            seen += [log.cost[0], log.examples[0]]
        if end == "die" and process == 1 and chunk.batches_done == 3:
            os._exit(7)
    np.savez(
        out,
        start=start,
        first=first,
        seen=np.array(seen, np.float64),
        particles=trainer.layout.collect(gathered(state.particles)),
        error=wrong / len(examples),
        devices=trainer.mesh.size,
    )


if __name__ == "__main__":
    out, shards, *peers = sys.argv[1:]
    if peers:
        main(out, int(shards), peers[0], int(peers[1]), *peers[2:])
    else:
        main(out, int(shards))
