"""Trains a recipe an epoch for every line of its input: RECIPE RULE SEED EPOCHS EXAMPLES.

RULE is `recipe`, or `backpropagation` on the same network.
"""

from __future__ import annotations

import json
import sys
import time

from eqprop.running.machine import use_a_core_per_shard

use_a_core_per_shard(2)

import jax  # noqa: E402

from eqprop.config.recipes import cook  # noqa: E402
from eqprop.learning.settings import BackpropagationSettings  # noqa: E402
from eqprop.running.build import (  # noqa: E402
    build_network,
    build_rule,
    build_trainer,
    load_data,
    look_phase,
)
from eqprop.running.run import build_topology  # noqa: E402
from eqprop.training import Examples, evaluate  # noqa: E402


def main(recipe: str, rule: str, seed: str, epochs: str, examples: str) -> None:
    changes = [f"seed={seed}", f"training.epochs={epochs}", "data.split=journal"]
    config = cook(recipe, overrides=[*changes, f"data.num_train={examples}"])
    if rule == "backpropagation":
        changed = {"network": config.network.model_copy(update={"feedback": 1.0})}
        learning = config.learning.model_copy(update={"rule": BackpropagationSettings()})
        config = config.model_copy(update={**changed, "learning": learning})
    dataset = load_data(config)
    network = build_network(config, build_topology(config), dataset.num_outputs)
    splits = {name: dataset.split(name) for name in ("train", "validation")}
    training, test = (Examples.of(network, s.x, s.target) for s in splits.values())
    trainer, how = build_trainer(config, network, training), build_rule(config, 0)
    look = look_phase(config, network)

    def error(network) -> float:
        return evaluate(network, test, look, batch_size=1000).error

    for _ in trainer.epoch(trainer.start(network), how, 0):  # compiles
        break
    error(network)
    state = trainer.start(network)
    print(json.dumps({"device": jax.devices()[0].device_kind}), flush=True)
    for line in sys.stdin:
        began = time.perf_counter()
        for chunk in trainer.epoch(state, build_rule(config, int(line)), int(line)):
            state = chunk.state
        jax.block_until_ready(state)
        seconds = time.perf_counter() - began
        found = {"seconds": seconds, "error": error(trainer.read(state))}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
