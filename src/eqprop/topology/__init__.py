"""Which units are wired to which. NumPy and SciPy only; frozen; seeded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eqprop.lazy import attach

if TYPE_CHECKING:
    from eqprop.topology.graphs import *  # noqa: F403
    from eqprop.topology.layers import *  # noqa: F403
    from eqprop.topology.pruning import *  # noqa: F403
    from eqprop.topology.rewiring import *  # noqa: F403
    from eqprop.topology.smallworld import *  # noqa: F403
    from eqprop.topology.topology import *  # noqa: F403
    from eqprop.topology.watts_strogatz import *  # noqa: F403
    from eqprop.topology.work import *  # noqa: F403

__getattr__, __dir__, __all__ = attach(  # pyright: ignore[reportUnsupportedDunderAll]
    __name__,
    {
        "graphs": (
            "from_adjacency",
            "from_networkx",
        ),
        "layers": (
            "connectable_pairs",
            "layered",
            "skip_pairs",
            "with_intralayer",
            "without_intralayer",
        ),
        "pruning": ("prune",),
        "rewiring": (
            "add_skip_connections",
            "probability_of",
            "replacements_for",
            "rewire",
            "rewire_each",
            "rewire_layers",
        ),
        "smallworld": (
            "SmallWorld",
            "small_world",
        ),
        "topology": (
            "Accounting",
            "Block",
            "Rewiring",
            "Topology",
            "check_layer_sizes",
        ),
        "watts_strogatz": ("rewire_ends",),
        "work": (
            "Wires",
            "Work",
            "two_phases",
        ),
    },
)
