"""How long every figure and table takes at preset `quick`.

python benchmarks/presets.py [--figures figure3 table1] [--out docs/results]

Each by the command line in a process of its own, with a worker for each core and no compiled
programs from before, as on a fresh machine. Rows of other figures that stand in the file in
`--out` stay there.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time

import common
from eqprop.experiments.catalogue import drawings, experiments


def minutes_of(figure: str) -> dict:
    """One run of a figure; its minutes and its number of trained networks."""
    with tempfile.TemporaryDirectory() as folder:
        command = [common.program(), "reproduce", figure, "--preset", "quick", "--out", folder]
        cells = 0
        if figure in experiments():
            command += ["--workers", str(len(os.sched_getaffinity(0)))]
            cells = len(experiments()[figure].cells("quick"))
        environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": f"{folder}/compiled"}
        began = time.perf_counter()
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
        taken = time.perf_counter() - began
    return {"figure": figure, "networks trained": cells, "minutes": taken / 60}


def main() -> None:
    options = common.parser(__doc__ or "")
    names = [*experiments(), *drawings()]
    options.add_argument("--figures", nargs="+", choices=names, default=names)
    given = options.parse_args()
    for figure in given.figures:
        common.renew("presets", [minutes_of(figure)], ("figure",), given.out)


if __name__ == "__main__":
    main()
