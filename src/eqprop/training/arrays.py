"""Any tree of arrays as a plain dictionary, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.energy import Group, Network
from eqprop.energy.groups import replaced
from eqprop.errors import ConfigError

Tree = TypeVar("Tree")


def tree_to_arrays(tree: Any, prefix: str) -> dict[str, np.ndarray]:
    """The leaves of `tree` as host arrays, named by `prefix` and their place in it.

    Where a whole network stands in it, as in what an optimiser keeps, its parameters have the names
    of their groups.
    """
    found: dict[str, np.ndarray] = {}
    for path, node in _nodes(tree):
        name = prefix + jax.tree_util.keystr(path)
        if isinstance(node, Network):
            found |= {f"{name}/{g.name}": np.asarray(g.of(node)) for g in node.groups()}
        else:
            found[name] = np.asarray(node)
    return found


def tree_from_arrays(like: Tree, arrays: Mapping[str, np.ndarray], prefix: str) -> Tree:
    """The tree that `tree_to_arrays` took apart; `like` gives structure, shapes and types.

    **Raises:** `ConfigError` if an array is missing or does not fit its place.
    """

    def take(leaf: Any, name: str, *earlier: str) -> Any:
        value = next((arrays[n] for n in (name, *earlier) if n in arrays), None)
        if value is None or value.shape != leaf.shape or value.dtype != leaf.dtype:
            got = "nothing" if value is None else f"{value.dtype} {value.shape}"
            raise ConfigError(
                f"`arrays` must hold `{name}` as {leaf.dtype} {leaf.shape}, got {got}. "
                "It was saved from something else."
            )
        return jnp.asarray(value)

    def taken(path: Any, node: Any) -> Any:
        name = prefix + jax.tree_util.keystr(path)
        if not isinstance(node, Network):
            return take(node, name)
        groups = node.groups()
        values = [take(g.of(node), f"{name}/{g.name}", f"{name}{_earlier(g)}") for g in groups]
        return replaced(node, groups, values)

    return jax.tree_util.tree_map_with_path(taken, like, is_leaf=_is_network)


def _nodes(tree: Any) -> list[tuple[Any, Any]]:
    return jax.tree_util.tree_flatten_with_path(tree, is_leaf=_is_network)[0]


def _is_network(node: Any) -> bool:
    return isinstance(node, Network)


def _earlier(group: Group) -> str:
    """What earlier versions called a group: its place in the network as it was then."""
    if group.kind == "biases":
        return f".energy.biases[{group.layers[0]}]"
    if group.layers:
        return f".energy.weights[{group.layers}]"
    return "." + group.name.replace("_", ".", 1)
