"""A network as a circuit for ngspice: two resistors per connection, a source per unit."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from eqprop.energy import HopfieldEnergy, SquaredError
from eqprop.errors import ConfigError
from eqprop.exporting.parts import energy_of, unit_of, ways_of, written_into
from eqprop.training import Model

MOST = 200_000
"""Resistors at most: 164,000 took ngspice 34 s to an operating point, a million not 10 minutes."""

_OHMS = 1e3  # between a unit's source and its capacitor


@dataclasses.dataclass(frozen=True)
class Circuit:
    """How a network becomes a circuit.

    **Attributes:**

    - `resistance`: of a weight of 1, in ohms; one of .5 is a resistor of twice as much.
    - `analysis`: `op` for the operating point, `tran` for how it gets there: every unit then has a
      capacitor, `time_constant` seconds, and as long as `duration` time constants: in deep
      networks look whether the states have come to rest by then.
    - `fold`: whether inputs, which stay as they are, become a part of the biases; else each is a
      source with resistors of its own.
    - `spread`: of resistors, as a share, drawn from `seed`; `stuck`: share that has no connection.
    """

    resistance: float = 1e5
    analysis: Literal["op", "tran"] = "op"
    time_constant: float = 1e-6
    duration: float = 100.0
    fold: bool = True
    spread: float = 0.0
    stuck: float = 0.0
    seed: int = 0


def netlist(
    model: Model,
    x: np.ndarray,
    circuit: Circuit = Circuit(),
    *,
    start: np.ndarray | None = None,
    nudge: tuple[float, np.ndarray] | None = None,
    raw: str = "circuit.raw",
) -> str:
    """The netlist of a network with one example at its inputs.

    Voltages are states: 1 V is 1. A unit k has its state at node `s<k>` and the opposite of it at
    `m<k>`, k counted from the first free unit. Currents through resistors from those of its
    neighbours meet at a virtual ground, `g<k>`; a behavioural source between rails of 0 and 1 V, at
    `u<k>`, makes what the state will be from their sum and its bias. It reaches `p<k>` through a
    resistor, where a capacitor waits for it, and two buffers pass it on. A connection is two
    resistors, one for each direction.

    **Arguments:**

    - `x`: `[inputs]`, as the network sees them.
    - `start`: states `[free units]` at which ngspice begins, of `op` by `.nodeset`, of `tran` by
      `IC=`; default: its own choice, and 0.
    - `nudge`: beta and a target `[outputs]`: the circuit of a nudged phase, whose outputs are
      pulled by beta times the force of the squared error.
    - `raw`: the file into which ngspice writes node voltages.

    **Raises:** `ConfigError` for an energy or activation that has no such circuit, for more than
    `MOST` resistors.
    """
    energy = energy_of(model, "a circuit")
    unit, names = unit_of(energy, "a circuit"), model.topology.names
    x = np.asarray(x, np.float64)
    if x.shape != (model.network.num_inputs,):
        raise ConfigError(
            f"`x` must be one example of {model.network.num_inputs} inputs, got shape {x.shape}."
        )
    edges = list(_edges(energy, circuit))
    inputs, free = model.network.num_inputs, model.network.num_free
    bias = np.concatenate([np.asarray(b, np.float64) for b in energy.biases.values()])
    if circuit.fold:
        for to, frm, weight in edges:
            if frm < inputs:
                bias[to - inputs] += weight * x[frm]
        edges = [edge for edge in edges if edge[1] >= inputs]
    if len(edges) > MOST:
        fold = "" if circuit.fold else ", or `fold` the inputs"
        raise ConfigError(
            f"a circuit must have {MOST:,} resistors at most, got {len(edges):,}, with which "
            f"ngspice was not seen to end. Take a network with fewer hidden units{fold}."
        )
    sizes = "-".join(map(str, model.topology.layer_sizes))
    lines = [
        f"* eqprop: {sizes}, {len(edges)} resistors",
        f"* 1 V is an activity of 1; a weight of 1 is {circuit.resistance:g} ohm",
        "* s<k>: state of free unit k; m<k>: its opposite; g<k>: its virtual ground",
        "* u<k>: its source; p<k>: its state before two buffers",
    ]
    if names is not None:
        lines += [f"* unit {k}: {name}" for k, name in enumerate(names[inputs:])]
    if not circuit.fold:
        for k, value in enumerate(x.tolist()):
            lines += [f"Vx{k} x{k} 0 {value!r}", f"Vn{k} n{k} 0 {-value!r}"]
    nudges = _nudges(model, nudge)
    begin = [0.0] * free if start is None else np.asarray(start, np.float64).tolist()
    for k in range(free):
        pull = f"{circuit.resistance!r}*i(Vg{k})+({float(bias[k])!r})" + nudges.get(k, "")
        lines += [
            f"Vg{k} g{k} 0 0",
            f"Bu{k} u{k} 0 V={unit.spice.format(pull=pull)}",
            f"Rp{k} u{k} p{k} {_OHMS:g}",
            f"Es{k} s{k} 0 p{k} 0 1",
            f"Em{k} m{k} 0 p{k} 0 -1",
        ]
        if circuit.analysis == "tran":
            lines.append(f"Cp{k} p{k} 0 {circuit.time_constant / _OHMS!r} IC={begin[k]!r}")
    for number, (to, frm, weight) in enumerate(edges):
        positive, negative = (f"x{frm}", f"n{frm}")
        if frm >= inputs:
            positive, negative = f"s{frm - inputs}", f"m{frm - inputs}"
        node = positive if weight > 0 else negative
        lines.append(f"R{number} {node} g{to - inputs} {circuit.resistance / abs(weight)!r}")
    if start is not None:
        lines += [f".nodeset v(p{k})={float(v)!r}" for k, v in enumerate(start)]
    run = "op" if circuit.analysis == "op" else _transient(circuit)
    shown = " ".join(f"v(s{k})" for k in range(free))
    lines += [
        ".options reltol=1e-9 abstol=1e-15 vntol=1e-12 itl1=1000",
        ".control", run, "set filetype=ascii", f"write {raw} {shown}", ".endc", ".end",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _nudges(model: Model, nudge: tuple[float, np.ndarray] | None) -> dict[int, str]:
    """What pulls output units towards a target, by unit."""
    if nudge is None:
        return {}
    beta, target = nudge
    cost, first = model.network.cost, model.network.num_free - model.network.num_outputs
    if not isinstance(cost, SquaredError):
        raise ConfigError(
            f"`nudge` needs the squared error, got {type(cost).__name__}, whose force a circuit "
            "would have to compute from a read-out."
        )
    strength = 2 * cost.factor * beta
    return {
        first + k: f"+({strength!r})*(({float(value)!r})-v(s{first + k}))"
        for k, value in enumerate(np.asarray(target).tolist())
    }


def write_netlists(
    model: Model,
    examples: np.ndarray,
    folder: str | Path,
    circuit: Circuit = Circuit(),
    *,
    starts: Sequence[np.ndarray] | None = None,
) -> list[Path]:
    """A netlist per example, `example-0.cir` and so on.

    **Arguments:** as of `netlist`; `examples` `[examples, inputs]`.
    """
    texts = [
        netlist(
            model, x, circuit, start=None if starts is None else starts[k],
            raw=f"example-{k}.raw",
        )
        for k, x in enumerate(examples)
    ]  # fmt: skip
    folder, files = written_into(folder), []
    for k, text in enumerate(texts):
        files.append(folder / f"example-{k}.cir")
        files[-1].write_text(text, "utf-8")
    return files


def _transient(circuit: Circuit) -> str:
    step = circuit.time_constant / 10
    return f"tran {step!r} {circuit.duration * circuit.time_constant!r} uic"


def _edges(energy: HopfieldEnergy, circuit: Circuit) -> Iterator[tuple[int, int, float]]:
    """To which unit, from which, with which weight: both directions, inputs only on the way in."""
    starts = np.concatenate([[0], np.cumsum(energy.layer_sizes)]).tolist()
    rng = np.random.default_rng(circuit.seed)
    for to, frm, weights in ways_of(energy):
        # Each direction is a resistor of its own, with a spread of its own.
        own = weights * np.maximum(1 + circuit.spread * rng.standard_normal(weights.shape), 0)
        own[rng.random(weights.shape) < circuit.stuck] = 0
        for i, j in np.argwhere(own != 0).tolist():
            yield starts[to] + i, starts[frm] + j, float(own[i, j])
