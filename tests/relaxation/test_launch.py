"""A phase in one launch: the kernel's own code, interpreted, against the plain path."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop.energy import HeldOutputs
from eqprop.energy.linear import linear
from eqprop.relaxation import Among, relax
from eqprop.relaxation.launch import in_one_launch
from eqprop.relaxation.moves import Kernel, Plan

SIZES = [12, 20, 20, 20, 4]
BATCH = 3


def _layered():
    return eqprop.layered(SIZES)


def _rewired():
    return eqprop.rewire(eqprop.with_intralayer(_layered()), n=200, seed=1)


def _deep():
    return eqprop.rewire_each(eqprop.layered([6, 9, 9, 9, 9, 9, 3]), p=0.3, seed=2)


BLOCKS = eqprop.BlockCoordinateDescent(1.2, 7)
PHASES = {
    "free, blocks": (BLOCKS, 0.0),
    "free, Euler": (eqprop.Euler(0.5), 0.0),
    "nudged, blocks": (BLOCKS, 0.3),
    "nudged, split": (eqprop.Euler(0.5, "split"), 1.0),
    "nudged, joint": (eqprop.Euler(0.5), 0.3),
    "held, blocks": (BLOCKS, None),
}


def _problem(topology, nudge):
    network = eqprop.Network.initialize(topology, seed=0)
    draw = np.random.default_rng(0)
    x = jnp.asarray(draw.random((BATCH, network.num_inputs), np.float32))
    target = jax.nn.one_hot(np.arange(BATCH) % network.num_outputs, network.num_outputs)
    state = jnp.asarray(draw.random((BATCH, network.num_free), np.float32))
    energy = BLOCKS.prepare(network.energy.clamp(x))
    if nudge is None:
        held = HeldOutputs(energy, target)
        return held, held.start(state)
    return (network.nudged(energy, jnp.float32(nudge), target) if nudge else energy), state


def _told(method, policy, plan=None):
    return dataclasses.replace(method, kernel=Kernel(policy, plan))


@pytest.mark.parametrize(
    "wiring, phase",
    [(_rewired, phase) for phase in PHASES]
    + [
        (wiring, phase) for wiring in (_layered, _deep) for phase in ("free, blocks", "free, Euler")
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__[1:],
)
def test_the_kernel_goes_where_the_plain_path_goes(wiring, phase):
    method, nudge = PHASES[phase]
    energy, state = _problem(wiring(), nudge)
    moved = relax(energy, state, method, eqprop.FixedSteps(1)).state
    assert float(jnp.mean(jnp.abs(moved - state))) > 0.01  # there is something to compare
    stop = eqprop.Residual(1e-4, 300, share=0.6)
    plain = relax(energy, state, _told(method, "plain"), stop)
    ours = relax(energy, state, _told(method, "interpret"), stop)
    assert int(ours.steps) == int(plain.steps)
    np.testing.assert_allclose(ours.state, plain.state, rtol=0, atol=3e-6)
    assert not np.array_equal(ours.state, plain.state)  # the kernel was at work


def test_columns_in_several_pieces():
    energy, state = _problem(_rewired(), 0.0)
    plain = relax(energy, state, _told(BLOCKS, "plain"), eqprop.FixedSteps(3))
    plan = Plan(BATCH, 1, 32, 16, warps=1)
    assert plan.chunk == 3  # of some twenty: a loop around them
    several = _told(BLOCKS, "interpret", plan)
    ours = relax(energy, state, several, eqprop.FixedSteps(3))
    np.testing.assert_allclose(ours.state, plain.state, rtol=0, atol=3e-6)


def test_only_examples_of_a_short_batch_are_waited_for():
    energy, state = _problem(_rewired(), 0.0)
    stop = eqprop.Residual(1e-5, 300)
    alone = [Among(stop, jnp.arange(BATCH) == k) for k in range(BATCH)]
    plain = [relax(energy, state, _told(BLOCKS, "plain"), one) for one in alone]
    steps = [int(found.steps) for found in plain]
    first = int(np.argmin(steps))
    assert steps[first] < max(steps)  # whom one waits for makes a difference
    broken = state.at[(first + 1) % BATCH].set(jnp.nan)  # a place without an example
    ours = relax(energy, broken, _told(BLOCKS, "interpret"), alone[first])
    assert int(ours.steps) == steps[first]
    np.testing.assert_allclose(ours.state[first], plain[first].state[first], rtol=0, atol=3e-6)


def test_states_that_are_not_finite_end_a_phase():
    energy, state = _problem(_layered(), 0.0)
    found = relax(
        energy,
        jnp.full_like(state, jnp.nan),
        _told(BLOCKS, "interpret"),
        eqprop.Residual(1e-4, 300),
    )
    assert int(found.steps) == 1


def test_several_networks_go_each_its_own_way():
    method = eqprop.Euler(0.5)
    energies, states = zip(*(_problem(_rewired(), beta) for beta in (0.2, 0.4)), strict=True)
    together = jax.tree.map(lambda *leaves: jnp.stack(leaves), *energies)
    stop = eqprop.Residual(1e-4, 300)

    def settle(energy, state):
        return relax(energy, state, _told(method, "interpret"), stop)

    ours = jax.vmap(settle)(together, jnp.stack(states))
    for number, (energy, state) in enumerate(zip(energies, states, strict=True)):
        plain = relax(energy, state, _told(method, "plain"), stop)
        assert int(ours.steps[number]) == int(plain.steps)
        np.testing.assert_allclose(ours.state[number], plain.state, rtol=0, atol=3e-6)
    assert not np.allclose(ours.state[0], ours.state[1], atol=1e-3)


@pytest.mark.parametrize("plan", [Plan(3, 2), Plan(1, 5, 16), Plan(20, 1)])
def test_every_unit_has_one_place_under_every_plan(plan):
    from eqprop.relaxation.launch import _Form, _Layout

    energy, _ = _problem(_rewired(), 0.0)
    moves = BLOCKS.moves(energy)
    assert moves is not None
    form = _Form(
        moves.blocks, moves.linear.blocks, moves.linear.spans, moves.linear.reach,
        moves.linear.box, moves.is_projected, plan, interpret=False,
    )  # fmt: skip
    layout = _Layout.of(form, plan)
    assert len(set(layout.places)) == len(layout.places) == 64
    assert layout.width % (plan.columns * layout.chunk) == 0
    for (start, stop), (first, last, low, high) in zip(moves.blocks, layout.rows, strict=True):
        assert all(first * plan.tile <= layout.places[u] < last * plan.tile
                   for u in range(start, stop))  # fmt: skip
        begin, end = form.reached(start, stop)
        assert all(low <= layout.places[u] < high for u in range(begin, end))


@pytest.mark.parametrize("batch, block", [(20, 64), (20, 500), (20, 1510), (10, 64), (40, 100)])
def test_all_programs_of_a_plan_run_at_once(batch, block):
    for cores in (16, 80, 132):
        plan = Plan.fitting(batch, block, cores)
        groups = -(-batch // plan.examples)
        assert groups * plan.members <= cores
        assert (plan.members - 1) * 16 < block  # nobody is idle
        assert (plan.tile & (plan.tile - 1), plan.columns & (plan.columns - 1)) == (0, 0)


class _Extra(eqprop.AbstractTerm):
    strength: jax.Array

    def __call__(self, x, state):
        return self.strength * jnp.sum(state**4)


def test_what_the_kernel_does_not_serve_takes_the_plain_path():
    network = eqprop.Network.initialize(_layered(), seed=0)
    x = jnp.ones((2, 12))
    smooth = eqprop.Network.initialize(_layered(), seed=0, activation=eqprop.Tanh())
    other = network.hopfield.plus(_Extra(jnp.array(0.1)))
    assert linear(network.energy.clamp(x)) is not None
    for energy in (smooth.energy, other):
        assert linear(energy.clamp(x)) is None
        method = eqprop.Euler(0.3, kernel=Kernel("interpret"))
        found = relax(energy.clamp(x), jnp.zeros((2, 64)), method, eqprop.Residual(1e-3, 300))
        assert found.words == ["settled"] * 2
    energy = BLOCKS.prepare(network.energy.clamp(jnp.ones((41, 12))))
    many, steps = jnp.ones(41, bool), eqprop.FixedSteps(3)
    ours = _told(BLOCKS, "interpret")
    assert in_one_launch(ours, energy, steps, many) is None  # products fill a device
    assert in_one_launch(BLOCKS, energy, steps, many[:3]) is None  # there is no GPU
    assert in_one_launch(ours, energy, steps, many[:3]) is not None


def test_the_script_for_a_gpu_runs_on_a_cpu(tmp_path):
    script = Path(__file__).parents[2] / "benchmarks" / "gpu.py"
    asked = ["--small", "--rounds", "1", "--only", "layered", "--out", str(tmp_path)]
    tables = ["--tables", "learning", "phases", "batches"]
    done = subprocess.run(
        [sys.executable, str(script), *asked, *tables], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    for table in tables[1:]:
        rows = (tmp_path / f"performance-gpu-{table}.csv").read_text().splitlines()
        assert len(rows) >= 2
