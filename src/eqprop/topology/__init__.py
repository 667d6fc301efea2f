"""Which units are wired to which. NumPy and SciPy only; frozen; seeded."""

from eqprop.topology.graphs import from_adjacency, from_networkx
from eqprop.topology.layers import (
    connectable_pairs,
    layered,
    skip_pairs,
    with_intralayer,
    without_intralayer,
)
from eqprop.topology.rewiring import (
    add_skip_connections,
    probability_of,
    replacements_for,
    rewire,
    rewire_each,
)
from eqprop.topology.smallworld import SmallWorld, small_world
from eqprop.topology.topology import Accounting, Block, Rewiring, Topology, check_layer_sizes
from eqprop.topology.watts_strogatz import rewire_ends
from eqprop.topology.work import Wires, Work, two_phases

__all__ = [
    "Accounting",
    "Block",
    "Rewiring",
    "SmallWorld",
    "Topology",
    "Wires",
    "Work",
    "add_skip_connections",
    "check_layer_sizes",
    "connectable_pairs",
    "from_adjacency",
    "from_networkx",
    "layered",
    "probability_of",
    "replacements_for",
    "rewire",
    "rewire_each",
    "rewire_ends",
    "skip_pairs",
    "small_world",
    "two_phases",
    "with_intralayer",
    "without_intralayer",
]
