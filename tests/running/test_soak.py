"""Nothing grows and nothing compiles twice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from eqprop.config.settings import build
from eqprop.running.context import Context
from eqprop.running.run import train

BASE = {
    "topology": {"layer_sizes": [20, 16, 16, 4], "wiring": "rewire", "intralayer": True, "p": 0.1},
    "free": {"steps": 6, "cold_steps": 12},
    "data": {"dataset": "teacher", "num_train": 600},
    "training": {"epochs": 2, "chunk_batches": 10},
    "evaluation": {"batch_size": 200, "max_steps": 30},
}


@pytest.fixture
def compilations():
    """Names what is compiled from here on."""
    seen: list[str] = []

    def listen(event: str, duration_secs: float, **kwargs: str | int) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            seen.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield seen
    jax.monitoring.unregister_event_duration_listener(listen)


def test_no_recompilation_across_p_seeds_beta_and_rates(tmp_path, compilations):
    # Two runs: evaluation ends in fewer slots only where few examples are left to settle.
    train(build(BASE), tmp_path)
    train(build(BASE | {"seed": 3}), tmp_path)
    assert len(compilations) > 3  # the oracle counts
    compilations.clear()
    for changes in (
        {"seed": 4},
        {"topology": BASE["topology"] | {"p": 0.0}},
        {"topology": BASE["topology"] | {"p": 0.6}},
        {"learning": {"beta": 0.3, "learning_rate": 0.5}},
        {
            "free": {"steps": 9, "step_size": 0.5},
            "nudged": {"method": "euler", "steps": 3, "nudging_step": "split"},
        },
        {"training": BASE["training"] | {"record_every": 7}},
    ):
        train(build(BASE | changes), tmp_path)
        assert compilations == [], changes


def resident() -> int:
    """Bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.longest
def test_ten_thousand_steps_neither_grow_nor_recompile(tmp_path, compilations):
    sizes, compiled, files = [], [], []

    def look(progress) -> None:
        if progress.epoch_done:
            sizes.append(resident())
            compiled.append(len(compilations))
            files.append(len(os.listdir("/proc/self/fd")))

    epochs = 10_000 // 30 + 1
    changes = {"training": BASE["training"] | {"epochs": epochs}}
    # A checkpoint after every chunk: writing them must not leak either.
    changes["checkpoint"] = {"every_epochs": 0, "every_minutes": 0}
    train(build(BASE | changes), tmp_path, Context(report=look))
    growth = sizes[-1] / sizes[epochs // 10] - 1
    print(f"{30 * epochs} steps, resident memory {100 * growth:+.2f} %, {files[-1]} open files")
    assert growth < 0.01
    # The last epoch looks at all validation examples, which have their own program.
    assert compiled[-2] == compiled[2] and files[-1] == files[2]


def test_a_second_process_compiles_no_training_program_again(tmp_path):
    cache = tmp_path / "cache"
    environment = os.environ | {
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    config = tmp_path / "run.toml"
    config.write_text(build(BASE).to_toml())
    code = "from eqprop.cli import main; main()"
    kept = []
    for number in (1, 2):
        arguments = ["train", str(config), "--out", str(tmp_path / str(number))]
        subprocess.run([sys.executable, "-c", code, *arguments], env=environment, check=True)
        kept.append({path.name for path in cache.iterdir() if path.name.endswith("-cache")})
    assert any("train_chunk" in name for name in kept[0])
    assert kept[1] == kept[0]
