"""A gradient beside the exact one, part by part."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import equinox as eqx
import jax
import numpy as np

from eqprop.energy import Network

_KINDS = {0: "intralayer", 1: "interlayer"}


@dataclasses.dataclass(frozen=True)
class Agreement:
    """A rule's correction beside the exact gradient, over some connections or biases.

    **Attributes:**

    - `name`: `post-pre` for a pair of layers, a kind of connection, `biases`, `others` (of the
      cost and of added terms of the energy), or `all`.
    - `cosine`: of the angle between the two; NaN if the exact gradient is zero there.
    - `sign_agreement`: share of the entries with a gradient whose correction has its sign.
    - `ratio`: size of the correction over that of the exact gradient (root mean squares).
    - `exact`: root mean square of the exact gradient.
    """

    name: str
    cosine: float
    sign_agreement: float
    ratio: float
    exact: float


def agreements(
    network: Network, found: Network, exact: Network
) -> tuple[tuple[Agreement, ...], tuple[Agreement, ...], Agreement]:
    """Of every pair of layers, every kind of connection or parameter, and all together."""
    parts: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    kinds: dict[str, list[str]] = {}
    for (post, pre), mask in network.hopfield.masks.items():
        exists = np.asarray(mask)
        if not exists.any():
            continue
        name = f"{post}-{pre}"
        parts[name] = tuple(  # pyright: ignore[reportArgumentType]
            np.asarray(g.hopfield.weights[post, pre], np.float64)[exists] for g in (found, exact)
        )
        kinds.setdefault(_KINDS.get(post - pre, "skip"), []).append(name)
    for name, leaves in (("biases", _biases), ("others", _others)):
        both = [np.concatenate([np.zeros(0), *map(np.ravel, leaves(g))]) for g in (found, exact)]
        if len(both[0]):
            parts[name] = (both[0], both[1])
            kinds[name] = [name]

    def joined(name: str, names: Sequence[str]) -> Agreement:
        return _agreement(name, *(np.concatenate([parts[n][k] for n in names]) for k in (0, 1)))

    pairs = tuple(_agreement(name, *both) for name, both in parts.items() if name not in kinds)
    by_kind = tuple(joined(kind, names) for kind, names in kinds.items())
    return pairs, by_kind, joined("all", list(parts))


def _biases(gradient: Network) -> list[np.ndarray]:
    return [np.asarray(b, np.float64) for b in gradient.hopfield.biases.values()]


def _others(gradient: Network) -> list[np.ndarray]:
    """Parameters of the cost and of added terms."""
    rest = eqx.tree_at(lambda n: (n.hopfield.weights, n.hopfield.biases), gradient, (None, None))
    leaves = jax.tree.leaves(eqx.filter(rest, eqx.is_inexact_array_like))
    return [np.asarray(leaf, np.float64) for leaf in leaves]


def _agreement(name: str, found: np.ndarray, exact: np.ndarray) -> Agreement:
    sizes = [float(np.linalg.norm(g)) for g in (found, exact)]
    nothing = sizes[1] == 0
    told = exact != 0
    return Agreement(
        name=name,
        cosine=math.nan if nothing else float(found @ exact) / max(sizes[0] * sizes[1], 1e-300),
        sign_agreement=float((np.sign(found) == np.sign(exact))[told].mean())
        if told.any()
        else math.nan,
        ratio=math.nan if nothing else sizes[0] / sizes[1],
        exact=sizes[1] / math.sqrt(max(1, len(exact))),
    )


def off_wiring(network: Network, gradient: Network) -> float:
    """Root mean square of a gradient where no connection exists."""
    missing = [
        np.asarray(gradient.hopfield.weights[block])[~np.asarray(mask)]
        for block, mask in network.hopfield.masks.items()
    ]
    entries = np.concatenate(missing) if missing else np.zeros(0)
    return float(np.sqrt(np.mean(entries**2))) if len(entries) else 0.0
