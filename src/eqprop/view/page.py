"""One HTML file that shows trained networks settle, with everything it needs inside."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from eqprop.energy import CrossEntropy, HardSigmoid, Network, SquaredError
from eqprop.energy.activation import name_of
from eqprop.energy.groups import replaced
from eqprop.errors import ConfigError, unknown_name
from eqprop.relaxation import BlockCoordinateDescent
from eqprop.training import Model

Precision = Literal["float16", "int8"]

MOST = 4_000_000
"""Possible connections between the layers of a page's networks: a sweep of more takes too long."""

_STATES = {
    "HardSigmoid": ("states", "hard-sigmoid"),
    "Activities(HardSigmoid)": ("activities", "hard-sigmoid"),
    "Activities(Sigmoid)": ("activities", "sigmoid"),
    "Activities(ShiftedSigmoid)": ("activities", "shifted-sigmoid"),
    "Activities(Tanh)": ("activities", "tanh"),
}
"""What a state is, and rho, by activation."""


@dataclasses.dataclass(frozen=True)
class Shown:
    """A network on the page.

    **Attributes:**

    - `name`: its heading, a few words.
    - `model`: the network, and how it settles where examples are evaluated.
    - `nudge`: beta of its nudged phases.
    - `steps`: how a nudged phase of its training goes; None for one that settles.
    """

    name: str
    model: Model
    nudge: float = 1.0
    steps: EulerSteps | None = None


@dataclasses.dataclass(frozen=True)
class EulerSteps:
    """`count` steps of Euler's, of `size`; `is_split` where outputs are nudged after them."""

    count: int
    size: float
    is_split: bool


@dataclasses.dataclass(frozen=True)
class Shelf:
    """Examples to choose from.

    **Attributes:** `x` `[examples, inputs]`, as networks see them; `labels` `[examples]`, numbers
    of classes; `classes`, their names; `title`, what they are.
    """

    x: np.ndarray
    labels: np.ndarray
    classes: Sequence[str]
    title: str


def write_page(
    path: str | Path, shown: Sequence[Shown], shelf: Shelf, precision: Precision = "float16"
) -> Path:
    """Writes the page.

    **Arguments:**

    - `shown`: one network, or two of the same inputs and classes side by side.
    - `shelf`: examples to choose from.
    - `precision`: of weights in the file: `float16`, or `int8` at half the size.

    **Raises:** `ConfigError` for a network that the page cannot show, by what it is.

    >>> import eqprop, numpy as np, tempfile
    >>> shelf = Shelf(np.eye(4), np.array([0, 1, 0, 1]), ["a", "b"], "four examples")
    >>> shown = [Shown("untrained", eqprop.Model(eqprop.layered([4, 3, 2])))]
    >>> write_page(tempfile.mkdtemp() + "/view.html", shown, shelf).stat().st_size > 10_000
    True
    """
    if precision not in get_args(Precision):
        raise ConfigError(unknown_name("precision", precision, get_args(Precision)))
    if not 1 <= len(shown) <= 2:
        raise ConfigError(f"a page shows one network or two, got {len(shown)}.")
    if not np.issubdtype(shelf.labels.dtype, np.integer):
        raise ConfigError(
            f"the page shows networks that tell classes, got a regression ({shown[0].name}). Its "
            "outputs are told by `eqprop predict`."
        )
    wanted = (shelf.x.shape[1], len(shelf.classes))
    for each in shown:
        network = each.model.network
        has = (network.num_inputs, network.cost.num_targets(network.num_outputs))
        if has != wanted:
            raise ConfigError(
                f"the networks of a page need the inputs and classes of its examples, "
                f"{wanted[0]} and {wanted[1]}, got {has[0]} and {has[1]} for '{each.name}'. Show "
                "runs of the same data together."
            )
    told = {
        "networks": [_network(each, precision) for each in shown],
        "examples": _examples(shelf),
    }
    parts = {name: _part(name) for name in ("page.css", "engine.js", "page.js")}
    # "</" would end the script that holds it.
    parts["data"] = json.dumps(told, allow_nan=False).replace("</", "<\\/")
    html = _part("page.html")
    for name, text in parts.items():
        html = html.replace(f"/*{name}*/", text)
    path = Path(path)
    path.write_text(html, "utf-8")
    return path


def rounded(network: Network, precision: Precision) -> Network:
    """The network whose weights are those that a page of this precision holds."""
    groups = [group for group in network.groups() if group.clipped]
    values = [_unpacked(_weights(np.asarray(group.of(network)), precision)) for group in groups]
    shaped = [
        value.reshape(group.of(network).shape).astype(group.of(network).dtype)
        for group, value in zip(groups, values, strict=True)
    ]
    return replaced(network, groups, shaped)


def _network(shown: Shown, precision: Precision) -> dict[str, Any]:
    model, network = shown.model, shown.model.seen
    energy, cost, method = network.hopfield, network.cost, model.evaluation.method
    activation = name_of(energy.activation)
    if activation not in _STATES:
        raise ConfigError(
            f"the page settles units with an activation out of {', '.join(_STATES)}, got "
            f"{activation}, whose equilibria blocks of units do not find."
        )
    if energy.terms:
        raise ConfigError(
            "the page knows connections and biases, got a network with terms of its own: "
            f"{', '.join(type(term).__name__ for term in energy.terms)}."
        )
    if not network.is_symmetric:
        raise ConfigError(
            f"the page knows connections that are alike in both directions, got '{shown.name}', "
            "trained with `device.gain` or `device.unequal`."
        )
    if not isinstance(cost, SquaredError | CrossEntropy):
        raise ConfigError(
            f"the page knows the costs SquaredError and CrossEntropy, got {type(cost).__name__}."
        )
    if not isinstance(method, BlockCoordinateDescent):
        raise ConfigError(
            "the page settles by block coordinate descent, got a network that is evaluated by "
            f"{type(method).__name__}."
        )
    possible = sum(weights.size for weights in energy.weights.values())
    if possible > MOST:
        raise ConfigError(
            f"a page holds {MOST:,} possible connections at most, got {possible:,} for "
            f"'{shown.name}'. Show a smaller network."
        )
    states, rho = _STATES[activation]
    told: dict[str, Any] = {
        "name": shown.name, "sizes": list(network.layer_sizes), "states": states, "rho": rho,
        # With weakened feedback units are drawn forwards: a longer step only overshoots.
        "feedback": energy.feedback,
        "step": float(method.step_size) if energy.feedback == 1 else 1.0,
        "block": method.block_size or 0,
        "nudge": shown.nudge, "steps": _steps(shown),
        "biases": [_floats(np.asarray(bias)) for bias in energy.biases.values()],
        "blocks": [],
    }  # fmt: skip
    for (post, pre), weights in energy.weights.items():
        mask = np.asarray(energy.masks[post, pre])
        values = _weights(np.asarray(weights), precision, mask)
        packed = base64.b64encode(np.packbits(mask).tobytes()).decode()
        told["blocks"].append({"post": post, "pre": pre, "mask": packed, "values": values})
    if isinstance(cost, SquaredError):
        told["factor"] = float(cost.factor)
    else:
        told["readout"] = {
            "weights": _floats(np.asarray(cost.weights)), "bias": _floats(np.asarray(cost.bias)),
        }  # fmt: skip
    return told


def _steps(shown: Shown) -> dict[str, Any] | None:
    """What the page does in a nudged phase as in training; None where it can only settle."""
    steps, network = shown.steps, shown.model.network
    plain = isinstance(network.hopfield.activation, HardSigmoid)
    if steps is None or not plain or not isinstance(network.cost, SquaredError):
        return None
    return {"count": steps.count, "step": steps.size, "isSplit": steps.is_split}


def _examples(shelf: Shelf) -> dict[str, Any]:
    """Examples, as bytes where that is what they were."""
    x = np.asarray(shelf.x, np.float32)
    as_bytes = np.round(x * 255).clip(0, 255).astype(np.uint8)
    is_bytes = bool(np.abs(as_bytes / np.float32(255) - x).max() < 1e-6)
    packed = _packed(as_bytes, "uint8", 1 / 255) if is_bytes else _floats(x)
    side = round(x.shape[1] ** 0.5)
    return {
        "title": shelf.title, "x": packed, "inputs": x.shape[1], "labels": shelf.labels.tolist(),
        "classes": list(shelf.classes), "side": side if side > 3 and side**2 == x.shape[1] else 0,
        "drawable": is_bytes,
    }  # fmt: skip


def _weights(
    values: np.ndarray, precision: Precision, mask: np.ndarray | None = None
) -> dict[str, Any]:
    """Weights that exist, in the precision of the page."""
    scale = float(np.abs(values).max(initial=0)) / 127 or 1.0
    chosen = values if mask is None else values[mask]
    if precision == "int8":
        return _packed(np.round(chosen / scale).astype(np.int8), "int8", scale)
    return _packed(chosen.astype(np.float16), "float16", 1.0)


def _floats(values: np.ndarray) -> dict[str, Any]:
    return _packed(values.astype(np.float32), "float32", 1.0)


def _packed(values: np.ndarray, kind: str, scale: float) -> dict[str, Any]:
    little = values.astype(values.dtype.newbyteorder("<"))
    return {"kind": kind, "scale": scale, "data": base64.b64encode(little.tobytes()).decode()}


def _unpacked(packed: Mapping[str, Any]) -> np.ndarray:
    kind = np.dtype(packed["kind"]).newbyteorder("<")
    return (
        np.frombuffer(base64.b64decode(packed["data"]), kind).astype(np.float64) * packed["scale"]
    )


def _part(name: str) -> str:
    return resources.files("eqprop.view").joinpath(name).read_text("utf-8")
