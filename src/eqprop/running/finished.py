"""A trained network read back from the folder of its run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np

from eqprop.config.overrides import Overrides, assignments, override
from eqprop.config.run_config import RunConfig
from eqprop.config.settings import build
from eqprop.config.settings import load_recorded as load_config
from eqprop.devices import AbstractDevice, Held, program
from eqprop.energy import Network
from eqprop.energy.groups import WEIGHTS
from eqprop.errors import ConfigError, RunFolderError
from eqprop.records import Checkpoints, RunFolder, read_checkpoint
from eqprop.running.build import build_device, build_network, load_again, look_phase
from eqprop.running.entries import evaluation_entry
from eqprop.running.objects import recorded
from eqprop.running.wiring import stream_seed
from eqprop.topology import Topology
from eqprop.training import (
    Evaluation,
    Examples,
    Model,
    Starts,
    evaluate,
    evaluate_starts,
    starts_of,
)
from eqprop.training.preparation import Preparation
from eqprop.training.reading import Reading
from eqprop.training.starts import COLD

PREPARATION = "preparation.json"
"""What was done to data of the user's own."""
TOLERANCES = (0.01, 0.03, 0.1)
"""With which a network is programmed onto devices: those with coarse steps want a large one."""


def load_model(
    path: str | Path,
    *,
    best: bool = False,
    saved: bool = False,
    network: Network | None = None,
) -> Model:
    """The network of a run folder; **arguments and errors** as of `eqprop.load`."""
    folder = RunFolder.open(Path(path))
    config = load_config(folder.path / "config.toml")
    if best or saved:
        run_id = folder.read_json("run.json")["id"]
        points = Checkpoints(folder.path / "checkpoints", run_id, 1).resume_points()
        if saved and not points:
            raise RunFolderError(
                f"the run must have been saved, got {path} without a resume point."
            )
        point = points[0] if saved else folder.path / "checkpoints" / "best"
        arrays = read_checkpoint(point, run_id).files["network.safetensors"]
    else:
        if not folder.is_finished:
            raise RunFolderError(
                f"the run must be finished, got {folder.path}. Finish it with `eqprop resume "
                f"{folder.path}`; `eqprop.load` has its best network so far with best=True."
            )
        arrays = folder.load_arrays("network.safetensors")
        if folder.digest("network.safetensors") != folder.read_json("summary.json").get(
            "network_sha256"
        ):
            raise RunFolderError(
                f"the network must be the one that the run wrote, got "
                f"{folder.path / 'network.safetensors'}, which does not match its digest in "
                "summary.json. Train it again, or copy the folder again."
            )
    if network is None and "network" in recorded(folder):
        raise ConfigError(
            f"`network` must be the one that the run in {path} began with, got none. Load it by "
            "eqprop.load(folder, network=network)."
        )
    topology, network = network_from_arrays(config, arrays, folder.path, network)
    done = Preparation()
    if (folder.path / PREPARATION).is_file():
        done = Preparation.from_dict(folder.read_json(PREPARATION))
    return model_of(config, topology, network, done, devices_of(config, network, arrays))


def model_of(
    config: RunConfig,
    topology: Topology,
    network: Network,
    preparation: Preparation | None,
    devices: Reading | None = None,
) -> Model:
    """A network that relaxes as its run looked at it."""
    return Model(
        topology,
        seed=config.seed,
        network=network,
        evaluation=look_phase(config, network),
        preparation=preparation,
        config=config,
        devices=devices,
    )


def devices_of(
    config: RunConfig, network: Network, arrays: Mapping[str, np.ndarray]
) -> Reading | None:
    """How a network is read, from the arrays that its run saved."""
    return Reading.from_arrays(build_device(config), network, arrays)


def network_from_arrays(
    config: RunConfig, arrays: dict[str, np.ndarray], path: Path, like: Network | None = None
) -> tuple[Topology, Network]:
    """Wiring and network of a run from the arrays that it saved.

    **Arguments:** `like`: a network of the same form (default: as the settings have it).
    """
    try:
        topology = Topology.from_arrays(arrays)
        if topology.layer_sizes != config.topology.layer_sizes:
            raise ConfigError(
                f"`layer_sizes` must be {list(config.topology.layer_sizes)} as in config.toml, "
                f"got {list(topology.layer_sizes)}."
            )
        like = like or build_network(config, topology, _num_targets(arrays, topology))
        return topology, like.with_arrays(arrays)
    except (ConfigError, KeyError, ValueError) as problem:
        raise RunFolderError(
            f"the saved network must fit the run's configuration, got {path}: {problem}"
        ) from None


def _num_targets(arrays: dict[str, np.ndarray], topology: Topology) -> int:
    bias = arrays.get("cost_bias")
    return topology.layer_sizes[-1] if bias is None else len(bias)


def evaluate_run(
    path: Path,
    split: str,
    data_dir: Path | None = None,
    *,
    starts: int | Sequence[str] = COLD,
    seed: int = 0,
    first: int | None = None,
    overrides: Overrides = (),
) -> dict[str, Any]:
    """Error, cost and share unsettled of a finished run on a split.

    **Arguments:**

    - `starts`, `seed`: as of `evaluate_starts`; one of zeros is a cold start.
    - `first`: so many examples of the split, instead of all.
    - `overrides`: settings of a device, on which the network is programmed first
      (`eqprop.devices.program`, with `seed`).

    **Raises:** `ConfigError` for settings other than those of a device, and for a run that was
    trained with one.
    """
    folder, names = RunFolder.open(path), starts_of(starts)
    model, told = programmed(path, overrides, seed=seed) if overrides else (load_model(path), {})
    config: RunConfig = model.config
    if names != COLD and config.device.kind.is_without_energy:
        raise ConfigError(
            "`starts` must be zeros where no energy exists, with `device.gain` or "
            "`device.unequal`, got others."
        )
    network = model.seen
    place = folder.read_json("run.json").get("data_dir")
    dataset = load_again(config.data.dataset.load, data_dir, place)
    if config.data.split == "journal":
        dataset = dataset.as_in_the_journal()
    chosen = dataset.split(split)
    if first is not None:
        if not 1 <= first <= len(chosen):
            raise ConfigError(f"`first` must lie in 1..{len(chosen)}, got {first}.")
        chosen = chosen.first(first)
    x = config.device.kind.given(chosen.x)
    examples = Examples.of(network, x, chosen.target, learned=False)
    told = {"dataset": dataset.name} | told
    if names == COLD:
        return told | evaluation_entry(split, look(config, network, examples))
    several = look_from(config, network, examples, names, seed=seed)
    return {
        **told,
        **evaluation_entry(split, several.lowest, "lowest"),
        "starts": list(names),
        "starts_seed": seed,
        "error_of_each_start": [one.error for one in several.each],
        "unsettled_of_each_start": [one.unsettled for one in several.each],
        "several_equilibria": several.several,
    }


def _on_another_device(config: RunConfig, changes: Mapping[str, Any]) -> RunConfig:
    """The settings of a run, with a device that it did not have."""
    if other := [name for name in changes if not name.startswith("device.")]:
        raise ConfigError(
            f"`--set` must name a setting of a device here, got '{other[0]}'. The rest of a "
            "finished run stays as it is."
        )
    if config.device.kind.name != "ideal":
        raise ConfigError(
            "`run` must have been trained without a device, got one with "
            f"'{config.device.kind.name}', which holds its weights already."
        )
    # What a device asks of training does not matter here, so only the device is built anew.
    return config.model_copy(update={"device": build(override({}, changes)).device})


def programmed(
    path: str | Path, overrides: Overrides, *, seed: int = 0
) -> tuple[Model, dict[str, Any]]:
    """The network of a finished run on a device that it was not trained with.

    It is programmed with each of `TOLERANCES`; the one that leaves the smallest error of weights
    counts.

    **Arguments:** as of `evaluate_run`.

    **Returns:** it, and what is told of it: `device`, its settings; `device_seed`; `tolerance`;
    `weights_off`, the root mean square, over all connections, of what is read minus what was
    wanted; `ledger`, the writes and pulses that it took.
    """
    model, changes = load_model(path), assignments(overrides)
    config = _on_another_device(model.config, changes)
    device, network = build_device(config), model.seen
    writing, reading = jax.random.split(jax.random.key(stream_seed(seed, "programming")))
    found = []
    for tolerance in TOLERANCES:
        held = program(device, writing, network, tolerance=tolerance)
        off = _apart(network, _cells(device, reading, held))
        found.append((off, tolerance, held))
    off, tolerance, held = min(found, key=lambda one: one[0])
    told = {
        "device": changes, "device_seed": seed, "tolerance": tolerance, "weights_off": off,
        "ledger": device.ledger(held),
    }  # fmt: skip
    read = Reading.of(device, reading, held)
    return model_of(config, model.topology, held.network, model.preparation, read), told


def _apart(wanted: Network, found: Network) -> float:
    """The root mean square of what the weights of all connections differ by."""
    off = []
    for group in wanted.groups():
        if group.kind in WEIGHTS:
            exists = ... if group.mask is None else np.asarray(group.mask)
            off.append(np.ravel(np.asarray(group.of(found) - group.of(wanted))[exists]))
    return float(np.sqrt(np.mean(np.concatenate(off) ** 2)))


@eqx.filter_jit
def _cells(device: AbstractDevice, key: jax.Array, held: Held) -> Network:
    return device.cells(key, held)


def look_from(
    config: RunConfig,
    network: Network,
    examples: Examples,
    starts: int | Sequence[str],
    *,
    seed: int = 0,
    between: Callable[[], None] = lambda: None,
) -> Starts:
    """One evaluation from several starts as the run's configuration wants it.

    **Raises:** `ConfigError` for a run that does not relax.
    """
    if config.learning.rule.reads_forwards:
        raise ConfigError(
            "`starts` must be zeros for a run whose wiring is read forwards, which does not relax, "
            "got others."
        )
    return evaluate_starts(
        network, examples, look_phase(config, network), starts, seed=seed,
        batch_size=config.evaluation.batch_size, between=between,
    )  # fmt: skip


def look(
    config: RunConfig,
    network: Network,
    examples: Examples,
    *,
    states: Any = None,
    between: Callable[[], None] = lambda: None,
) -> Evaluation:
    """One evaluation as the run's configuration wants it."""
    return evaluate(
        network,
        examples,
        look_phase(config, network),
        batch_size=config.evaluation.batch_size,
        states=states,
        # From kept states most examples settle within a few sweeps.
        check_every=None if states is None else 5,
        between=between,
    )
