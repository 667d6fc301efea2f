"""From a configuration to a wiring, without JAX."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np

from eqprop.config.run_config import RunConfig
from eqprop.data.wirings import Wiring, read_wiring
from eqprop.errors import ConfigError, DataError
from eqprop.topology import Block, Topology, layered, with_intralayer, without_intralayer

# One stream per purpose, so that what one purpose draws never shifts another.
STREAMS = ("wiring", "weights", "order", "signs", "pruning", "programming")


def stream_seed(seed: int, purpose: str) -> int:
    """The seed of one named stream of a run, such as wiring or weights."""
    words = np.random.SeedSequence([seed, STREAMS.index(purpose)]).generate_state(1)
    return int(words[0])


def check_memory(config: RunConfig) -> None:
    """Refuses layers so large that their connections cannot fit into this machine.

    **Raises:** `ConfigError` that says how much would be needed.
    """
    wanted = config.topology
    sizes = wanted.layer_sizes
    pairs = sum(a * b for a, b in itertools.pairwise(sizes))
    if wanted.skips_layers or wanted.connects_inside_layers:
        pairs = sum(sizes) ** 2 // 2
    # Masks, weights, their symmetric assembly, gradient and update.
    needed = pairs * (1 + 5 * 4)
    try:
        available = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return  # a system that does not tell
    if needed > available:
        raise ConfigError(
            f"`topology.layer_sizes` must fit into memory, got {list(sizes)}, which needs about "
            f"{needed / 2**30:,.0f} GiB of {available / 2**30:,.0f}. Use smaller layers."
        )


def _read(config: RunConfig) -> Wiring:
    """The wiring of the user's own file."""
    wanted = config.topology
    assert wanted.file is not None
    matrix = wanted.file.endswith(".npz")
    found = read_wiring(Path(wanted.file), wanted.layers, wanted.layer_sizes if matrix else None)
    if found.topology.layer_sizes != wanted.layer_sizes:
        raise DataError(
            f"`topology.layer_sizes` must be those of {wanted.file}, "
            f"{list(found.topology.layer_sizes)}, got {list(wanted.layer_sizes)}. Leave them out."
        )
    return found


def edge_weights(config: RunConfig, topology: Topology) -> dict[Block, np.ndarray]:
    """The initial weights that the user's file has; connections made since have others."""
    weights = _read(config).weights
    if weights is None:
        raise DataError(
            f"`topology.edge_weights` needs weights in {config.topology.file}, got edges without. "
            "Add a third column or an attribute `weight`, or leave the setting out."
        )
    return {block: weights[block] for block in topology.masks if block in weights}


def build_topology(config: RunConfig) -> Topology:
    """The wiring of a run."""
    check_memory(config)
    wanted = config.topology
    base = layered(wanted.layer_sizes) if wanted.file is None else _read(config).topology
    if wanted.intralayer:
        base = with_intralayer(base)
    topology = wanted.wiring.build(base, stream_seed(config.seed, "wiring"))
    return without_intralayer(topology) if wanted.drop_intralayer else topology
