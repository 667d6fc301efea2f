"""Oracle: the same training on one device, and the layout's own bookkeeping."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eqprop.errors import ConfigError
from eqprop.training import Layout

SCRIPT = Path(__file__).with_name("train_on_shards.py")


@given(st.integers(1, 90), st.sampled_from([(4, 1), (4, 2), (4, 4), (6, 3)]), st.booleans())
def test_every_example_is_seen_once_an_epoch_and_stays_on_its_shard(count, sizes, shuffle):
    layout = Layout(count, *sizes)
    examples = np.arange(1, count + 1)
    dealt = layout.deal(examples)
    assert (layout.collect(dealt) == examples).all()
    homes = set()
    for epoch in range(2):
        table = layout.table(epoch=epoch, shuffle_seed=7 if shuffle else None)
        assert table.shape == (layout.batches, layout.shards, sizes[0] // layout.shards)
        places = [
            ((shard, slot), dealt[shard, slot])
            for row in table
            for shard, slots in enumerate(row)
            for slot in slots
            if slot < layout.slots
        ]
        homes |= set(places)
        order = [example for _, example in places]
        assert sorted(order) == examples.tolist()
        assert shuffle or order == examples.tolist()
    assert len(homes) == count


def test_shuffling_shuffles():
    tables = [Layout(40, 4, 2).table(epoch=epoch, shuffle_seed=3) for epoch in range(2)]
    assert (tables[0] != tables[1]).any()
    assert (tables[0] == Layout(40, 4, 2).table(epoch=0, shuffle_seed=3)).all()


def test_shards_that_do_not_divide_a_batch_are_refused():
    with pytest.raises(ConfigError, match=r"`data_shards` must divide .* got 3 for batches of 20"):
        Layout(100, 20, 3)


def start(out: Path, devices: int, shards: int, *process: str, batch: int = 20) -> subprocess.Popen:
    flags = f"--xla_force_host_platform_device_count={devices}"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "BATCH": str(batch)}
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(out), str(shards), *process],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def result(process: subprocess.Popen, out: Path) -> dict[str, np.ndarray]:
    output = process.communicate(timeout=240)[0].decode()
    assert process.returncode == 0, output
    with np.load(out) as found:
        return dict(found)


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    out = tmp_path_factory.mktemp("single") / "one.npz"
    return result(start(out, 1, 1), out)


def assert_same_training(found, single):
    largest = np.abs(single["first"]).max()
    assert np.abs(single["first"] - single["start"]).max() > 1e-4, "the update must do something"
    np.testing.assert_allclose(found["first"], single["first"], atol=1e-6 * largest)
    assert single["seen"].all(), "no record of the first batch may be zero"
    np.testing.assert_allclose(found["seen"], single["seen"], rtol=1e-4)
    np.testing.assert_allclose(found["particles"], single["particles"], atol=0.05)
    assert single["particles"].std() > 0.1
    assert abs(found["error"] - single["error"]) < 0.05
    assert single["error"] < 0.6


@pytest.mark.parametrize(("devices", "shards"), [(4, 4), (2, 4), (1, 4), (4, 2)])
def test_training_on_several_devices_is_training_on_one(tmp_path, single, devices, shards):
    out = tmp_path / "many.npz"
    found = result(start(out, devices, shards), out)
    assert found["devices"] == min(devices, shards)
    assert_same_training(found, single)


def test_gradients_of_large_parts_are_summed_up(tmp_path):
    """Half of a batch of 160 is so much that states are not handed round."""
    outs = [tmp_path / f"{devices}.npz" for devices in (1, 2)]
    one, two = (result(start(out, d, d, batch=160), out) for d, out in enumerate(outs, 1))
    largest = np.abs(one["first"]).max()
    assert two["devices"] == 2
    assert np.abs(one["first"] - one["start"]).max() > 1e-3
    np.testing.assert_allclose(two["first"], one["first"], atol=1e-6 * largest)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_training_in_two_processes_is_training_in_one(tmp_path, single):
    address, outs = f"127.0.0.1:{free_port()}", [tmp_path / f"{k}.npz" for k in range(2)]
    jobs = [start(outs[k], 1, 2, address, str(k)) for k in range(2)]
    for job, out in zip(jobs, outs, strict=True):
        found = result(job, out)
        assert found["devices"] == 2
        assert_same_training(found, single)


def test_a_dead_peer_ends_the_job(tmp_path):
    address = f"127.0.0.1:{free_port()}"
    jobs = [start(tmp_path / f"{k}.npz", 1, 2, address, str(k), "die") for k in range(2)]
    outputs = [job.communicate(timeout=120)[0].decode() for job in jobs]
    assert jobs[1].returncode == 7, outputs[1]
    assert jobs[0].returncode != 0, outputs[0]
