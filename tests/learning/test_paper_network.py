"""The paper's rewired network at full size: centred equilibrium propagation is its gradient."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import data
from eqprop.analysis.collect import write_rows
from eqprop.energy import inputs
from eqprop.learning import Oracle, audit, interior_units
from eqprop.learning.exact import adjoints_of

SIZES = [784, 500, 500, 500, 10]
WANTED = 20


def tight(max_steps=60_000):
    # Below the bound for blocks of 20, so that a sweep never raises the energy.
    method = eqprop.BlockCoordinateDescent(1.0, block_size=20)
    return eqprop.Phase(method, eqprop.Residual(1e-12, max_steps=max_steps))


@jax.jit
def relaxed(network, x, start, phase):
    return eqprop.relax(network.energy.clamp(x), start, phase.method, phase.termination)


@jax.jit
def nudged(network, x, target, start, beta, phase):
    total = network.nudged(network.energy.clamp(x), beta, target)
    return eqprop.relax(total, start, phase.method, phase.termination)


def networks():
    topology = eqprop.rewire(eqprop.with_intralayer(eqprop.layered(SIZES)), n=100_000, seed=0)
    digits = data.load("mnist-5k").split("train")
    model = eqprop.Model(topology, seed=0)
    yield "initial", model.network, digits
    model.fit(digits.x, digits.target, epochs=2)
    yield "trained", model.network, digits


def largest(keeps) -> float:
    """The largest beta that `keeps` takes, within a tenth; below .5, where blocks can nudge."""
    low = 0.4
    while not keeps(low):
        low /= 2
        assert low > 1e-9
    high = min(2 * low, 0.45)
    while high > 1.1 * low:
        middle = (low * high) ** 0.5
        low, high = (middle, high) if keeps(middle) else (low, middle)
    return low


@pytest.mark.longest
def test_gradient_of_the_papers_network_is_exact_on_every_pair_of_layers(capsys, request):
    rows = []
    for name, network, digits in networks():
        with jax.enable_x64(True):
            wide = network.astype(jnp.float64)
            x = inputs(jnp.asarray(digits.x[:400]), jnp.float64)
            y = jnp.asarray(np.eye(10)[digits.target[:400]])
            # First a look at which of many examples have a gradient, then a thorough relaxation.
            rough = relaxed(wide, x, wide.cold_state(400), tight(300)).state
            moving = np.asarray(interior_units(wide, x, rough))[:, -10:].any(axis=1)
            chosen = np.flatnonzero(moving)[: 2 * WANTED]
            x, y = x[chosen], y[chosen]
            phase = tight()
            free = relaxed(wide, x, rough[chosen], phase)
            settled = np.asarray(free.residual) <= 1e-12
            gradient = np.abs(adjoints_of(wide, x, y, free.state)).max(axis=1) > 0
            keep = np.flatnonzero(settled & gradient)[:WANTED]
            assert len(keep) == WANTED, f"{name}: too few of {len(chosen)}"
            x, y, states = x[keep], y[keep], free.state[keep]
            inside = np.asarray(interior_units(wide, x, states))

            def keeps(beta: float, x=x, y=y, states=states, inside=inside, wide=wide) -> bool:
                """Whether no unit enters or leaves its bound, in phases that settle."""
                ends = [nudged(wide, x, y, states, sign * beta, tight()) for sign in (1, -1)]
                return all(
                    (((end.state > 0) & (end.state < 1)) == inside).all()
                    and float(end.residual.max()) <= 1e-12
                    for end in ends
                )

            beta = largest(keeps)
            rule = eqprop.EquilibriumPropagation(eqprop.Centered(beta), phase, phase)
            oracle = Oracle.of(wide, x, y, states, tolerance=1e-12)
            found = audit(wide, rule, x, y, states, oracle=oracle)
        rows += [
            {"network": name, "beta": beta, "units inside": float(inside.mean())}
            | {"pair": part.name, "cosine": part.cosine, "ratio": part.ratio}
            for part in found.pairs
        ]
        worst = min(found.pairs, key=lambda part: part.cosine)
        with capsys.disabled():
            print(
                f"\n{name}: {WANTED} examples, beta {beta:.2g}, {inside.mean():.0%} of the units "
                f"inside, worst cosine {worst.cosine:.9f} ({worst.name})"
            )
        assert found.with_gradient == 1.0 and found.lost == 0
        assert len(found.pairs) == 13 and all(part.exact > 0 for part in found.pairs)
        assert worst.cosine > 0.999
        assert found.overall.ratio == pytest.approx(1, abs=1e-3)
    if folder := request.config.getoption("--results"):
        write_rows(rows, list(rows[0]), folder / "small-nudge.csv")
