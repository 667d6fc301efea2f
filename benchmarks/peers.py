"""The same work done by other codes, each in a process of its own with the same threads.

python benchmarks/peers.py --python PYTHON [--released CHECKOUT [--runs RUN...]] [--ebl CHECKOUT]

PYTHON is an interpreter with PyTorch. CHECKOUT are folders with the paper's released code
(github.com/jgammell/Equilibrium_Propagation_mobile) and with
github.com/rain-neuromorphics/energy-based-learning; nothing of theirs is copied. `python -O`
runs the released code, since an assertion of exact symmetry fails in it on a CPU. RUN are finished
runs at default settings, NETWORK-SCHEDULE-seedN: what a batch cost in them, mean over their
epochs, is set against the released code's. Rows of other work that stand in the file in `--out`
stay there.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import common

common.a_core_per_shard()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from drivers.ours import as_released, network_like, train  # noqa: E402
from eqprop import data  # noqa: E402
from eqprop.records import RunFolder  # noqa: E402


def batches(count: int, batch: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """The first MNIST training batches, `[count, batch, ...]`."""
    split = data.load("mnist").split("train").first(count * batch)
    x = split.x.reshape(count, batch, -1).astype(np.float32) / np.float32(255)
    return x, np.eye(10, dtype=np.float32)[split.target].reshape(count, batch, 10)


def run_peer(python: str, driver: str, checkout: Path | str, suffix: str, **work: object) -> dict:
    """What a driver measured, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "work.npz"
        np.savez(path, **work)  # pyright: ignore[reportArgumentType]
        script = Path(__file__).parent / "drivers" / driver
        subprocess.run([python, "-O", str(script), str(checkout), str(path)], check=True)
        with np.load(path.with_name(f"work-{suffix}.npz")) as found:
            return dict(found)


def run_ours(**work: object) -> float:
    """Seconds of a batch of ours, in a process of its own too."""
    return common.median(run_peer(sys.executable, "ours.py", "-", "ours", **work)["seconds"])


def four_batches(peer: dict, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Weights after four batches from the same start and signs as the released code's."""
    network = network_like(peer | {"layer_sizes": common.SIZES})
    for index in range(4):
        rule = as_released(float(peer["betas"][index]), random=False)
        network, _ = train(network, x[index : index + 1], y[index : index + 1], rule)
    return network.hopfield.dense_weights()


def differences(peer: dict, x: np.ndarray, y: np.ndarray) -> str:
    """How far the weights of both codes are apart, and from double precision."""
    ours = four_batches(peer, x, y)
    with jax.enable_x64(True):
        wide = {key: value.astype(np.float64) for key, value in peer.items() if key != "mask"}
        exact = four_batches(wide | {"mask": peer["mask"]}, x.astype(float), y.astype(float))
    theirs = peer["weights"]

    def apart(a: np.ndarray, b: np.ndarray) -> str:
        return f"{np.abs(a.astype(np.float64) - b).max():.1e}"

    return (
        f"after four batches weights differ by {apart(ours, theirs)}; from double precision, "
        f"ours by {apart(ours, exact)}, the released code's by {apart(theirs, exact)}"
    )


def seconds_per_batch(run: Path) -> float:
    """Of a finished MNIST run, mean over its epochs."""
    timing = RunFolder.open(run).read_lines("timing.jsonl")
    epochs = [entry["training_seconds"] for entry in timing if "training_seconds" in entry]
    return sum(epochs) / len(epochs) / 2500


def main() -> None:
    options = common.parser(__doc__ or "")
    options.add_argument("--python", default=sys.executable, help="interpreter with PyTorch")
    options.add_argument("--released", type=Path)
    options.add_argument("--ebl", type=Path)
    options.add_argument("--runs", type=Path, nargs="*", default=[])
    options.add_argument("--repeats", type=int, default=3, help="times each peer is run")
    given = options.parse_args()
    rows = []
    threads = jax.device_count()

    def add(what: str, peer: float, ours: float, note: str) -> None:
        rows.append(
            {
                "work": what,
                "peer_ms": 1e3 * peer,
                "ours_ms": 1e3 * ours,
                "ratio": peer / ours,
                "note": note,
            }
        )

    if given.released:
        x, y = batches(8)
        for name, connections in (("rewired", 100_000), ("layered", 0)):
            peers, ours = [], []
            for _ in range(given.repeats):
                peer = run_peer(
                    given.python,
                    "released.py",
                    given.released,
                    "released",
                    x=x,
                    y=y,
                    layer_sizes=common.SIZES,
                    steps=[500, 8],
                    connections=connections,
                    threads=threads,
                )
                peers.append(common.median(peer["seconds"][2:]))
                same = {key: peer[key] for key in ("start", "mask")}
                ours.append(run_ours(x=x, y=y, layer_sizes=common.SIZES, **same))
            peer = run_peer(
                given.python, "released.py", given.released, "released", x=x[:4], y=y[:4],
                layer_sizes=common.SIZES, steps=[500, 8], connections=connections, threads=threads,
            )  # fmt: skip
            add(
                f"released code, {name}, 500 + 8 steps",
                common.median(peers),
                common.median(ours),
                differences(peer, x, y),
            )
            for run in given.runs:
                if run.name.startswith(name):
                    add(
                        f"released code, {name}, 500 + 8 steps; {run.name} at default settings",
                        common.median(peers),
                        seconds_per_batch(run),
                        "mean over the run's epochs",
                    )
    if given.ebl:
        x, y = batches(60)
        peers, ours = [], []
        for _ in range(given.repeats):
            peer = run_peer(
                given.python, "energy_based_learning.py", given.ebl, "ebl", x=x, y=y,
                layer_sizes=common.SIZES, steps=[20, 8], threads=threads,
            )  # fmt: skip
            peers.append(common.median(peer["seconds"][5:]))
            ours.append(run_ours(x=x, y=y, layer_sizes=common.SIZES))
        add(
            "energy-based-learning, layered, 20 + 8 sweeps",
            common.median(peers),
            common.median(ours),
            "its nudged phase is run twice, at 0 and at beta",
        )
    if not rows:
        options.error("name a checkout with --released or --ebl")
    common.renew("peers", rows, ("work",), given.out)


if __name__ == "__main__":
    jnp.zeros(1)
    main()
