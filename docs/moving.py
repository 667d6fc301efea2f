"""Draws the moving picture of the README: two networks settle, and what they would learn.

python docs/moving.py LAYERED REWIRED docs/settling.gif

The two runs are those of `eqprop reproduce figure3 --only layered --only rewired --seeds 1`.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from PIL import Image

import eqprop
from eqprop import data
from eqprop.plots.style import blank, color
from eqprop.relaxation import Split

SWEEPS, STEPS, BETA = 24, 8, 1.0
EXAMPLE = 3  # of the validation examples
WRONG = 4  # the class that the outputs are drawn to


def states_of(network: eqprop.Network, x: Any, target: Any) -> tuple[list[Any], list[Any]]:
    """The state after each free sweep from a cold start, and after each nudged step."""
    energy, state = network.energy.clamp(x), network.cold_state(1)
    free, nudged = [state], []
    sweep, step = eqprop.BlockCoordinateDescent(), eqprop.Euler(0.5, nudging_step=Split())
    for _ in range(SWEEPS):
        free.append(eqprop.relax(energy, free[-1], sweep, eqprop.FixedSteps(1)).state)
    settled = eqprop.relax(energy, free[-1], sweep, eqprop.Residual(1e-6, 500)).state
    pulled = network.nudged(energy, jnp.asarray(BETA), target)
    for _ in range(STEPS):
        before = nudged[-1] if nudged else settled
        nudged.append(eqprop.relax(pulled, before, step, eqprop.FixedSteps(1)).state)
    return [np.asarray(s[0]) for s in [*free, settled]], [np.asarray(s[0]) for s in nudged]


def learned(network: eqprop.Network, x: Any, free: Any, nudged: Any) -> list[float]:
    """The root-mean-square correction of neighbouring layers."""
    found, sizes = [], network.layer_sizes
    for k in range(1, len(sizes)):
        pair = [
            np.outer(s[k], s[k - 1]) for s in (layers(sizes, x, nudged), layers(sizes, x, free))
        ]
        mask = np.asarray(network.hopfield.masks[k, k - 1])
        found.append(float(np.sqrt(np.mean((pair[0] - pair[1])[mask] ** 2))) / BETA)
    return found


def layers(sizes: Sequence[int], x: Any, state: Any) -> list[Any]:
    """States layer by layer, input first."""
    return [np.asarray(x[0]), *np.split(state, np.cumsum(sizes[1:])[:-1])]


def frame(networks: dict[str, Any], x: Any, moment: int) -> Image.Image:
    """One picture: the free phase up to its end, then the nudged one."""
    with blank((7.2, 4.9)) as drawn:
        grid = drawn.subplots(6, 2, height_ratios=[1, 1, 1, 1, 2, 2.6], squeeze=False)
        for column, (name, (network, free, nudged)) in enumerate(networks.items()):
            step = moment - len(free) + 1
            state = free[min(moment, len(free) - 1)] if step <= 0 else nudged[step - 1]
            shown = layers(network.layer_sizes, x, state)
            for row, values in enumerate(reversed(shown)):
                axes = grid[row, column]
                is_input = len(values) == x.shape[1]
                axes.imshow(
                    values.reshape(28, 28) if is_input else values[None],
                    cmap="cividis", vmin=0, vmax=1, aspect="equal" if is_input else "auto",
                )  # fmt: skip
                axes.set_xticks(range(10) if row == 0 else [], range(10) if row == 0 else [])
                axes.xaxis.set_ticks_position("top")
                axes.tick_params(length=0)
                names = ["output", "hidden 3", "hidden 2", "hidden 1", "input"]
                axes.set_yticks([14 if is_input else 0], [names[row]] if not column else [""])
            grid[0, column].set_title(name, fontsize="medium")
            axes = grid[5, column]
            sizes = learned(network, x, free[-1], nudged[step - 1]) if step > 0 else []
            axes.bar(range(1, len(sizes) + 1), sizes, color=color(0 if column == 0 else 2))
            axes.set_yscale("log")
            axes.set_ylim(1e-4, 1)
            axes.set_xlim(0.4, 4.6)
            axes.set_xticks(range(1, 5), ["input to 1", "1 to 2", "2 to 3", "3 to output"])
            axes.grid(axis="y", alpha=0.25, linewidth=0.5)
            if not column:
                axes.set_ylabel("would learn")
        step = moment - SWEEPS - 1
        words = f"free phase, sweep {min(moment, SWEEPS)}" if step <= 0 else (
            f"outputs drawn towards class {WRONG}, step {step} of {STEPS}"
        )  # fmt: skip
        drawn.suptitle(words, fontsize="large")
        file = io.BytesIO()
        drawn.savefig(file, dpi=100)
    return Image.open(file).convert("P", palette=Image.Palette.ADAPTIVE, colors=32)


def main(folders: Sequence[str], out: str) -> None:
    """Writes the picture."""
    split = data.load("mnist-5k").split("validation")
    x = jnp.asarray(split.x[EXAMPLE : EXAMPLE + 1] / np.float32(255))
    target = jnp.asarray(np.eye(10, dtype=np.float32)[[WRONG]])
    networks = {}
    for name, folder in zip(("layered", "with layer-skipping connections"), folders, strict=True):
        network = eqprop.load(folder).network
        networks[name] = (network, *states_of(network, x, target))
    moments = [*range(SWEEPS + 1), *range(SWEEPS + 2, SWEEPS + 2 + STEPS)]
    frames = [frame(networks, x, moment) for moment in moments]
    stays = [150] * (SWEEPS + 1) + [350] * STEPS
    stays[0], stays[SWEEPS], stays[-1] = 800, 1200, 3500
    frames[0].save(
        out, save_all=True, append_images=frames[1:], duration=stays, loop=0, optimize=True
    )


if __name__ == "__main__":
    main(sys.argv[1:3], str(Path(sys.argv[3])))
