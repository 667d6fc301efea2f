"""Any tree of arrays as a plain dictionary, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.errors import ConfigError

Tree = TypeVar("Tree")


def tree_to_arrays(tree: Any, prefix: str) -> dict[str, np.ndarray]:
    """The leaves of `tree` as host arrays, named by `prefix` and their place in it."""
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {prefix + jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def tree_from_arrays(like: Tree, arrays: Mapping[str, np.ndarray], prefix: str) -> Tree:
    """The tree that `tree_to_arrays` took apart; `like` gives structure, shapes and types.

    **Raises:** `ConfigError` if an array is missing or does not fit its place.
    """

    def take(path: Any, leaf: Any) -> Any:
        name = prefix + jax.tree_util.keystr(path)
        value = arrays.get(name)
        if value is None or value.shape != leaf.shape or value.dtype != leaf.dtype:
            got = "nothing" if value is None else f"{value.dtype} {value.shape}"
            raise ConfigError(
                f"`arrays` must hold `{name}` as {leaf.dtype} {leaf.shape}, got {got}. "
                "It was saved from something else."
            )
        return jnp.asarray(value)

    return jax.tree_util.tree_map_with_path(take, like)
