"""`eqprop view`: a page in one file that shows networks settle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from eqprop.cli.app import DataDir, app, check_examples, written_to
from eqprop.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

    from eqprop.config.run_config import RunConfig
    from eqprop.training import Model
    from eqprop.view.page import Shown

_LOOKED_AT = 5_000  # examples among which those of every class are found


@app.command(name="view")
def command(
    *runs: Annotated[Path, Parameter(help="Folder of a finished run; of two, side by side.")],
    out: Annotated[Path, Parameter(help="The file to write.")] = Path("view.html"),
    examples: Annotated[int, Parameter(help="So many examples to choose from.")] = 30,
    split: Annotated[str, Parameter(help="Of train, validation or test.")] = "validation",
    weights: Annotated[
        Literal["float16", "int8"], Parameter(help="Weights in the file; int8 has half the size.")
    ] = "float16",
    data_dir: DataDir = None,
) -> None:
    """Write a page that shows networks settle: one HTML file, which needs nothing else."""
    from eqprop.config.settings import load_recorded
    from eqprop.python.saving import load
    from eqprop.running.build import first_examples
    from eqprop.view.page import Shelf, write_page

    if not 1 <= len(runs) <= 2:
        raise ConfigError(f"`eqprop view` takes one run or two, got {len(runs)}.")
    check_examples(examples)
    configs = []
    for run in runs:
        if not (run / "config.toml").is_file():
            inside = sorted(path.parent.name for path in run.glob("*/summary.json"))
            way = (
                f"It holds the finished runs {', '.join(inside)}: name one or two of them."
                if inside
                else "For a saved network there is eqprop.view.page.write_page in Python."
            )
            raise ConfigError(
                f"`runs` must be folders of finished runs, whose data are known, got {run}. {way}"
            )
        configs.append(load_recorded(run / "config.toml"))
    seen = [config.data.model_dump(exclude={"batch_size", "shuffle"}) for config in configs]
    if any(data != seen[0] for data in seen):
        names = " and ".join(config.data.dataset.name for config in configs)
        raise ConfigError(f"two runs on a page must be of the same data, split alike, got {names}.")
    shown = [_shown(config, load(run)) for run, config in zip(runs, configs, strict=True)]
    x, labels = first_examples(runs[0], configs[0], split, _LOOKED_AT, data_dir)
    chosen = _of_every_class(labels, examples)
    prepared = shown[0].model.preparation
    count = int(shown[0].model.network.cost.num_targets(shown[0].model.network.num_outputs))
    known = None if prepared is None else prepared.classes
    classes = [str(name) for name in (range(count) if known is None else known)]
    shelf = Shelf(x[chosen], labels[chosen], classes, f"{configs[0].data.dataset.name}, {split}")
    with written_to(out):
        print(write_page(out, shown, shelf, weights))


def _of_every_class(labels: np.ndarray, count: int) -> np.ndarray:
    """Where the first examples of each class are, one class after the other, again and again."""
    import numpy as np

    order = np.argsort(labels, kind="stable")
    sizes = np.bincount(labels)
    turn = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return order[np.argsort(turn, kind="stable")][:count]


def _shown(config: RunConfig, model: Model) -> Shown:
    """A run's network, and how its nudged phases go."""
    from eqprop.view.page import EulerSteps, Shown

    method, step = config.nudged.method, config.nudged.nudging_step
    steps = None
    if method.name == "euler":
        size = float(method.step_size)  # pyright: ignore[reportAttributeAccessIssue]
        steps = EulerSteps(config.nudged.steps, size, step.name == "split")
    return Shown(config.name, model, float(getattr(config.learning, "beta", 0.5)), steps)
