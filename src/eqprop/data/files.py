"""Data of the user's own: arrays (.npz), tables (.csv), folders of IDX files."""

from __future__ import annotations

import csv
import gzip
import re
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from eqprop.data.dataset import Dataset
from eqprop.data.idx import decoded
from eqprop.data.preparing import SPLITS, Raw, prepared
from eqprop.data.settings import FileSettings
from eqprop.errors import DataError, unknown_name


def load(wanted: FileSettings) -> Dataset:
    """Reads and prepares a file or a folder.

    **Raises:** `DataError` for what is not there or cannot be read, with the way out.
    """
    path = Path(wanted.path)
    if path.is_dir():
        raw = _idx_folder(path)
    elif not path.is_file():
        raise DataError(
            f"the data set must be a name, a file or a folder of IDX files, got {path}, which does "
            "not exist. Relative paths begin in the folder in which the command runs."
        )
    elif path.suffix == ".npz":
        raw = _arrays(path, wanted)
    elif path.suffix in (".csv", ".tsv"):
        raw = _table(path, wanted)
    else:
        raise DataError(
            f"`data.path` must end in .npz or .csv, or be a folder of IDX files, got {path}. Save "
            "arrays by numpy.savez(path, x=x, y=y)."
        )
    return prepared(path.stem, raw, wanted)


def _arrays(path: Path, wanted: FileSettings) -> Raw:
    arrays = _archive(path)
    target = str(wanted.target) if wanted.target is not None else "y"
    pairs = {"all": ("x", target)} | {name: (f"x_{name}", f"{target}_{name}") for name in SPLITS}
    found = {
        k: (arrays[x], arrays[y]) for k, (x, y) in pairs.items() if x in arrays and y in arrays
    }
    if not found:
        raise DataError(
            f"the data file must hold `x` and `{target}`, or `x_train` and `{target}_train` and so "
            f"on, got {', '.join(arrays) or 'nothing'} in {path}. Call the inputs `x` "
            "(numpy.savez(path, x=inputs, y=targets)), and name the targets with data.target."
        )
    for name, (x, y) in found.items():
        if x.ndim == 0 or y.ndim == 0 or len(x) != len(y):
            names = pairs[name]
            raise DataError(
                f"`{names[0]}` and `{names[1]}` must hold an entry per example, got shapes "
                f"{x.shape} and {y.shape} in {path}. Save as many targets as inputs."
            )
    return found


def _archive(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path) as file:  # of plain arrays alone, as NumPy has it unless asked
            return dict(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as problem:
        raise DataError(
            f"the data file must be a readable .npz file of plain arrays, got {path}: {problem}. "
            "Save it by numpy.savez(path, x=x, y=y), without objects: words as y.astype(str)."
        ) from None


def load_inputs(path: Path, apart: Sequence[str | int] = (), inputs: int = 0) -> np.ndarray:
    """Inputs `[examples, inputs]` alone: `x` of an .npz file, or a table's columns.

    **Arguments:** `apart`: columns that are no inputs, where the table has them: by name, or by
    number where there are more than so many `inputs`.

    **Raises:** `DataError` for what is not there or cannot be read.
    """
    if not path.is_file():
        raise DataError(f"the data must be a .npz or .csv file, got {path}, which does not exist.")
    if path.suffix == ".npz":
        arrays = _archive(path)
        if "x" not in arrays:
            raise DataError(
                f"the data file must hold `x`, got {', '.join(arrays) or 'nothing'} in {path}. "
                "Save it by numpy.savez(path, x=inputs)."
            )
        return arrays["x"]
    names, body = _cells(path)
    said = [str(column) for column in apart]
    chosen = [k for k, name in enumerate(names) if name not in said]
    if len(chosen) > inputs:
        numbers = [column % len(names) for column in apart if isinstance(column, int)]
        chosen = [k for k in chosen if k not in numbers]
    return _inputs(path, names, body, chosen)


def _table(path: Path, wanted: FileSettings) -> Raw:
    names, body = _cells(path)
    if len(body) < 2:
        raise DataError(f"the table must have two examples or more, got {len(body)} in {path}.")
    target = _column(path, names, wanted.target)
    split = None if wanted.split_column is None else _column(path, names, wanted.split_column)
    x = _inputs(path, names, body, [k for k in range(len(names)) if k not in (target, split)])
    cells = np.array([row[target].strip() for row in body])
    if (cells == "").any():
        raise DataError(
            f"every example must have a target, got none in column '{names[target]}', line "
            f"{int((cells == '').argmax()) + 2} of {path}. Write one, or leave the line out."
        )
    y = _told(cells)
    if split is None:
        return {"all": (x, y)}
    said = np.array([row[split].strip().lower() for row in body])
    for word in np.unique(said):
        if word not in SPLITS:
            raise DataError(unknown_name(f"a split in column '{names[split]}'", word, SPLITS))
    return {name: (x[said == name], y[said == name]) for name in SPLITS if (said == name).any()}


def _cells(path: Path) -> tuple[list[str], list[list[str]]]:
    """The names of a table's columns, and its lines."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ","))
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise DataError(f"the table must be readable text, got {path}: {problem}.") from None
    rows = [row for row in rows if row]
    if len(rows) < 2:
        raise DataError(
            f"the table must have a line of names and lines of examples, got {len(rows)} lines in "
            f"{path}."
        )
    names, body = [name.strip() for name in rows[0]], rows[1:]
    if len(names) == 1 and ";" in names[0]:
        raise DataError(
            f"the table must have commas between its cells (or tabs, in a .tsv file), got "
            f"semicolons in {path}. Save it with commas."
        )
    # pandas calls columns without a name 0, 1, 2, ...
    if all(map(_is_number, names)) and names != [str(k) for k in range(len(names))]:
        raise DataError(
            f"the first line must name the columns, got the numbers {', '.join(names[:3])}, ... in "
            f"{path}. Write a line of names above them."
        )
    for number, row in enumerate(body, 2):
        if len(row) != len(names):
            raise DataError(
                f"every line must have {len(names)} cells as the first has, got {len(row)} in "
                f"line {number} of {path}."
            )
    return names, body


def _inputs(
    path: Path, names: Sequence[str], body: Sequence[Sequence[str]], inputs: Sequence[int]
) -> np.ndarray:
    """The numbers of some columns, `inputs`."""
    for k in inputs:
        if names[k] == "" and [row[k] for row in body] == [str(n) for n in range(len(body))]:
            raise DataError(
                f"inputs must be measured, got a column without a name that counts the lines in "
                f"{path}. Leave it out: to_csv(path, index=False) in pandas."
            )
    x = np.empty((len(body), len(inputs)), np.float64)
    for number, row in enumerate(body):
        for place, k in enumerate(inputs):
            try:
                x[number, place] = float(row[k])
            except ValueError:
                raise DataError(
                    f"inputs must be numbers, got {row[k]!r} in column '{names[k]}', line "
                    f"{number + 2} of {path}. Leave the column out, or write numbers."
                ) from None
    return x


def _told(cells: np.ndarray) -> np.ndarray:
    """Text as numbers where all of it is some."""
    for kind in (np.int64, np.float64):
        try:
            return cells.astype(kind)
        except ValueError:
            continue
    return cells


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _column(path: Path, names: Sequence[str], wanted: str | int | None) -> int:
    if wanted is None:
        raise DataError(
            f"`data.target` must name the column to learn, got none for {path}, which has "
            f"{', '.join(names)}. For example: --set data.target={names[-1]}"
        )
    if str(wanted) in names:  # a column may be called 2021
        return names.index(str(wanted))
    if isinstance(wanted, int) and -len(names) <= wanted < len(names):
        return wanted % len(names)
    raise DataError(unknown_name("data.target", str(wanted), names) + f" It is read from {path}.")


def read_idx(path: Path) -> np.ndarray:
    """An array from an IDX file, packed by gzip or not."""
    try:
        content = path.read_bytes()
        return decoded(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)
    except (OSError, EOFError, IndexError, KeyError, ValueError, zlib.error) as problem:
        raise DataError(
            f"the data file must be an IDX file, got {path}: {problem or type(problem).__name__}. "
            "It is damaged or another kind of file."
        ) from None


def _idx_folder(path: Path) -> Raw:
    """Images and labels by what their names say: K-, E-, QMNIST and their like."""
    found: dict[tuple[str, str], Path] = {}
    for file in sorted(path.rglob("*")):
        name = file.name.lower()
        if not file.is_file() or not re.search(r"[-.]idx\d", name):
            continue
        split = "test" if re.search(r"t10k|test", name) else "train"
        kind = "labels" if "label" in name else "images" if "image" in name else None
        if kind is None:
            continue
        if (split, kind) in found and found[split, kind].stem != file.stem:
            raise DataError(
                f"the folder must hold one set of {split} {kind}, got {found[split, kind].name} "
                f"and {file.name} in {path}. Put each set into a folder of its own."
            )
        found[split, kind] = file
    raw = {}
    for split in ("train", "test"):
        if (split, "images") in found and (split, "labels") in found:
            x, y = (read_idx(found[split, kind]) for kind in ("images", "labels"))
            # QMNIST's labels are rows, whose first entry is the class.
            raw[split] = (x, y.reshape(len(y), -1)[:, 0].astype(np.int64))
    if "train" not in raw:
        raise DataError(
            f"the folder must hold IDX files of images and labels, such as "
            f"train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz, got {path} without."
        )
    return raw
