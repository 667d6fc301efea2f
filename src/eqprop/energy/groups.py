"""Groups of parameters: what training, records, export and audits may ask of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
from jax import Array

WEIGHTS = ("interlayer", "intralayer", "skip")
"""Kinds of groups whose entries are weights of connections, by the distance of their layers."""


@dataclasses.dataclass(frozen=True)
class Group:
    """One array of parameters.

    **Attributes:**

    - `name`: of the array in files, such as `weights_2_1`.
    - `label`: in records and tables, such as `2-1`.
    - `of`: gets the array from the tree that the group is of, or from a tree of its structure (a
      gradient, rates, an optimiser's updates).
    - `kind`: one of `WEIGHTS`, `biases`, `readout` (of the cost), or `others`.
    - `layers`: `(post, pre)` of weights, `(layer,)` of biases, else `()`.
    - `mask`: which entries exist, shaped like the array; None if all do.
    - `clipped`: whether a limit on weights applies.
    """

    name: str
    label: str
    of: Callable[[Any], Array]
    kind: str = "others"
    layers: tuple[int, ...] = ()
    mask: Array | None = None
    clipped: bool = False

    def inside(self, place: Callable[[Any], Any]) -> Group:
        """The same group in a larger tree, `place` of which is the tree that it was of."""
        return dataclasses.replace(self, of=lambda tree: self.of(place(tree)))


def kind_of(post: int, pre: int) -> str:
    """The kind of the connections between two layers.

    >>> kind_of(3, 1)
    'skip'
    """
    return {0: "intralayer", 1: "interlayer"}.get(post - pre, "skip")


def groups_of(tree: Any, prefix: str, kind: str = "others") -> tuple[Group, ...]:
    """A group for every array of parameters in a tree, named by `prefix` and its place.

    What serves a term, a cost or an energy of the user's that says nothing else.
    """
    named, _ = jax.tree_util.tree_flatten_with_path(eqx.filter(tree, eqx.is_inexact_array))
    found = []
    for path, _ in named:
        place = jax.tree_util.keystr(path).replace(".", "_")
        label = f"{prefix} {place.strip('_')}".strip()
        found.append(Group(f"{prefix}{place}", label, _getter(path), kind))
    return tuple(found)


def replaced(tree: Any, groups: Sequence[Group], values: Sequence[Any]) -> Any:
    """A tree with other arrays in the place of some groups."""
    if not groups:
        return tree
    return eqx.tree_at(lambda t: [group.of(t) for group in groups], tree, list(values))


def _getter(path: Sequence[Any]) -> Callable[[Any], Array]:
    def get(tree: Any) -> Array:
        for key in path:
            if isinstance(key, jax.tree_util.GetAttrKey):
                tree = getattr(tree, key.name)
            else:
                tree = tree[key.key if isinstance(key, jax.tree_util.DictKey) else key.idx]
        return tree

    return get
