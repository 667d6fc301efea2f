"""A gradient beside the exact one, part by part."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from eqprop.energy import WEIGHTS, Network


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
    for group in network.groups():
        exists = None if group.mask is None else np.asarray(group.mask)
        if exists is not None and not exists.any():
            continue
        both = (_entries(group.of(gradient), exists) for gradient in (found, exact))
        parts[group.label] = tuple(both)  # pyright: ignore[reportArgumentType]
        kind = group.kind if group.kind in (*WEIGHTS, "biases") else "others"
        kinds.setdefault(kind, []).append(group.label)

    def joined(name: str, names: Sequence[str]) -> Agreement:
        return _agreement(name, *(np.concatenate([parts[n][k] for n in names]) for k in (0, 1)))

    pairs = tuple(
        _agreement(label, *parts[label]) for kind in WEIGHTS for label in kinds.get(kind, ())
    )
    order = list(parts)
    pairs = tuple(sorted(pairs, key=lambda pair: order.index(pair.name)))
    by_kind = tuple(joined(kind, names) for kind, names in kinds.items())
    return pairs, by_kind, joined("all", order)


def _entries(array: Any, exists: np.ndarray | None) -> np.ndarray:
    values = np.asarray(array, np.float64)
    return values.ravel() if exists is None else values[exists]


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
        np.asarray(group.of(gradient))[~np.asarray(group.mask)]
        for group in network.groups()
        if group.mask is not None
    ]
    entries = np.concatenate(missing) if missing else np.zeros(0)
    return float(np.sqrt(np.mean(entries**2))) if len(entries) else 0.0
