"""Equilibrium propagation whose states are those of a circuit: XOR and a regression in ngspice.

    python examples/train_in_spice.py

Both phases of every update settle in ngspice (Debian: apt install ngspice); the update is made from
the voltages of the units alone. Beside it the same network learns here, and both end at the same
weights.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import eqprop
from eqprop.exporting.ngspice import solved
from eqprop.exporting.spice import netlist
from eqprop.learning import Batch

BETA, RATE, UPDATES = 0.2, 0.3, 40
X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
TASKS = {
    "XOR": np.array([[0], [1], [1], [0]]),
    "regression": np.array([[0.2], [0.7], [0.6], [0.3]]),
}


def voltages(model: eqprop.Model, x: np.ndarray, **phase) -> np.ndarray:
    """The states at which the circuit of a network comes to rest."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "circuit.cir"
        file.write_text(netlist(model, x, raw="circuit.raw", **phase), "utf-8")
        return solved(file)


def measured(
    model: eqprop.Model, targets: np.ndarray, before: list[np.ndarray]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Free and nudged states of every example, both from the circuit."""
    found = []
    for x, y, start in zip(X, targets, before, strict=True):
        free = voltages(model, x, start=start)  # persistent particles
        found.append((free, voltages(model, x, start=free, nudge=(BETA, y))))
    return found


def updated(network: eqprop.Network, states: list[tuple[np.ndarray, np.ndarray]]) -> eqprop.Network:
    """After an update from measured states alone (Eq. 7 and 8)."""
    arrays = network.to_arrays()
    ends = np.cumsum(network.layer_sizes)[:-1]
    for x, (free, nudged) in zip(X, states, strict=True):
        before, after = (np.split(np.concatenate([x, s]), ends) for s in (free, nudged))
        scale = RATE / BETA / len(X)
        for k in range(1, len(before)):
            change = np.outer(after[k], after[k - 1]) - np.outer(before[k], before[k - 1])
            arrays[f"weights_{k}_{k - 1}"] = arrays[f"weights_{k}_{k - 1}"] + scale * change
            arrays[f"biases_{k}"] = arrays[f"biases_{k}"] + scale * (after[k] - before[k])
    return network.with_arrays(arrays)


def train(task: str, updates: int = UPDATES) -> None:
    """Learns a task in the circuit and here, and says how far apart the weights end."""
    topology, targets = eqprop.layered([2, 8, 1]), TASKS[task]
    start = eqprop.Model(topology).network.astype(jnp.float64)
    rng = np.random.default_rng(5)
    wide = {k: rng.uniform(-0.6, 0.6, v.shape) for k, v in start.to_arrays().items()}
    circuit = ours = start.with_arrays(wide)
    settle = eqprop.Phase(eqprop.Euler(0.3), eqprop.Residual(1e-11, max_steps=5_000))
    rule = eqprop.EquilibriumPropagation(eqprop.OneSided(BETA), settle, settle)
    estimate = eqx.filter_jit(rule.estimate)
    kept, states = ours.cold_state(len(X)), [(np.zeros(9), np.zeros(9))] * len(X)
    for number in range(updates):
        model = eqprop.Model(topology, network=circuit)
        states = measured(model, targets, [free for free, _ in states])
        circuit = updated(circuit, states)
        found = estimate(ours, Batch.of(jnp.asarray(X), jnp.asarray(targets), kept))
        kept = found.free_states
        ours = eqprop.apply_updates(ours, jax.tree.map(lambda g: -RATE * g, found.gradient))
        if number in (0, updates // 2, updates - 1):
            outputs = np.array([free[-1] for free, _ in states])
            cost = float(((outputs - targets[:, 0]) ** 2).mean())
            print(f"{task}, update {number}: outputs {outputs.round(2)}, cost {cost:.5f}")
    apart = max(
        float(np.abs(a - ours.to_arrays()[name]).max()) for name, a in circuit.to_arrays().items()
    )
    print(f"{task}: the weights of the circuit and ours differ by {apart:.7f} at most")


if __name__ == "__main__":
    with jax.enable_x64(True):
        for name in TASKS:
            train(name)
