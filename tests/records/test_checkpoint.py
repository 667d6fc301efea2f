"""Checkpoints: what was damaged is never loaded, what failed to be written leaves the old one."""

from __future__ import annotations

import errno
import json
import os
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from eqprop.errors import RunFolderError
from eqprop.records import Checkpoints, RunFolder, read_checkpoint, write_checkpoint

RUN = "0123456789abcdef"


def _files(value: float = 0.5) -> dict[str, dict[str, np.ndarray]]:
    return {
        "network.safetensors": {"weights": np.full((5, 4), value, np.float32)},
        "training.safetensors": {"particles": np.arange(60, dtype=np.float32).reshape(10, 6)},
    }


def test_what_is_written_is_read(tmp_path):
    write_checkpoint(tmp_path / "step-000000001", RUN, {"epoch": 3}, _files())
    found = read_checkpoint(tmp_path / "step-000000001", RUN)
    assert found.meta == {"epoch": 3}
    for name, arrays in _files().items():
        for key, value in arrays.items():
            assert (found.files[name][key] == value).all()
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000001"]


def _corrupt(folder: Path, rng: np.random.Generator) -> str:
    """One random fault of a kind that disks, copies and people cause."""
    names = sorted(path.name for path in folder.iterdir())
    name = names[rng.integers(len(names))]
    path = folder / name
    kind = ["flip", "truncate", "remove", "swap", "extend", "zero"][rng.integers(6)]
    data = bytearray(path.read_bytes())
    if kind == "flip":
        data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
    elif kind == "truncate":
        data = data[: rng.integers(len(data))]
    elif kind == "extend":
        data += rng.bytes(1 + int(rng.integers(50)))
    elif kind == "zero":
        begin = int(rng.integers(len(data)))
        end = min(len(data), begin + 64)
        if not any(data[begin:end]):
            begin, end = 0, 8  # a header is never all zero
        data[begin:end] = bytes(end - begin)
    elif kind == "swap":
        other = folder / names[(names.index(name) + 1) % len(names)]
        contents = other.read_bytes()
        other.write_bytes(data)
        data = bytearray(contents)
    if kind == "remove":
        path.unlink()
    else:
        path.write_bytes(data)
    return f"{kind} {name}"


def test_a_thousand_corruptions_are_all_detected(tmp_path):
    good = tmp_path / "good"
    write_checkpoint(good, RUN, {"epoch": 3}, _files())
    read_checkpoint(good, RUN)  # the oracle: undamaged, it is read
    rng = np.random.default_rng(0)
    for _ in range(1000):
        shutil.copytree(good, tmp_path / "bad")
        what = _corrupt(tmp_path / "bad", rng)
        with pytest.raises(RunFolderError):
            read_checkpoint(tmp_path / "bad", RUN)
            pytest.fail(f"loaded after: {what}")
        shutil.rmtree(tmp_path / "bad")


def test_the_checkpoint_of_another_run_is_refused(tmp_path):
    write_checkpoint(tmp_path / "a", RUN, {}, _files())
    with pytest.raises(RunFolderError, match="belongs to run"):
        read_checkpoint(tmp_path / "a", "another")


def test_damage_falls_back_to_the_one_before_and_says_so(tmp_path):
    kept = Checkpoints(tmp_path / "checkpoints", RUN)
    for step in (10, 20, 30):
        kept.save(step, {"step": step}, _files(step))
    assert [path.name for path in kept.resume_points()] == ["step-000000030", "step-000000020"]
    (kept.folder / "step-000000030" / "training.safetensors").write_bytes(b"")
    said: list[str] = []
    found = kept.newest(lambda _: None, said.append)
    assert found is not None and found.meta == {"step": 20}
    assert len(said) == 1 and "step-000000030" in said[0] and "Falling back" in said[0]
    (kept.folder / "step-000000020" / "manifest.json").write_text("{}")
    with pytest.raises(RunFolderError, match="must be usable, got 1"):
        kept.newest(lambda _: None, said.append)
    assert Checkpoints(tmp_path / "none", RUN).newest(lambda _: None, said.append) is None


def _seal(folder: Path, manifest: dict) -> None:
    """Writes a hostile manifest with a digest that is right."""
    from eqprop.records.checkpoint import _digest_of

    manifest.pop("sha256", None)
    manifest["sha256"] = _digest_of(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def _reseal(folder: Path, name: str, content: bytes) -> None:
    """Puts hostile content in place of a file, with size and digest that are right."""
    from eqprop.records.checkpoint import file_digest

    (folder / name).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] |= {"bytes": len(content), "sha256": file_digest(folder / name)}
    _seal(folder, manifest)


def _header(entries: dict, data: bytes = b"") -> bytes:
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + data


HOSTILE = {
    "pickle": b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\x04true\x94\x85\x94R\x94.",
    "header longer than the file": struct.pack("<Q", 1 << 40) + b"{}",
    "overlapping offsets": _header(
        {
            "weights": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
            "more": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]},
        },
        bytes(12),
    ),
    "shape that does not fit in memory": _header(
        {"weights": {"dtype": "F32", "shape": [1 << 30, 1 << 30], "data_offsets": [0, 4]}}, bytes(4)
    ),
    "nested too deep": struct.pack("<Q", 100_000) + b"[" * 100_000,
    "another shape": _header(
        {"weights": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_arrays_are_refused(tmp_path, kind):
    write_checkpoint(tmp_path / "a", RUN, {}, _files())
    _reseal(tmp_path / "a", "network.safetensors", HOSTILE[kind])
    with pytest.raises(RunFolderError):
        read_checkpoint(tmp_path / "a", RUN)


def test_names_that_leave_the_folder_and_huge_files_are_refused(tmp_path):
    folder = tmp_path / "a"
    write_checkpoint(folder, RUN, {}, _files())
    manifest = json.loads((folder / "manifest.json").read_text())
    (tmp_path / "secret.safetensors").write_bytes((folder / "network.safetensors").read_bytes())
    described = manifest["files"]["network.safetensors"]
    _seal(folder, manifest | {"files": {"../secret.safetensors": described}})
    with pytest.raises(RunFolderError, match="no name of one of its files"):
        read_checkpoint(folder, RUN)
    write_checkpoint(folder, RUN, {}, _files())
    with pytest.raises(RunFolderError, match="larger than this run can need"):
        read_checkpoint(folder, RUN, limit_bytes=100)
    write_checkpoint(folder, RUN, {}, _files())
    _seal(folder, json.loads((folder / "manifest.json").read_text()) | {"schema": 99})
    with pytest.raises(RunFolderError, match="schema 99"):
        read_checkpoint(folder, RUN)
    for manifest in ("[]", "null", "[" * 100_000, '{"sha256": 1}', '{"files": 3}'):
        (folder / "manifest.json").write_text(manifest)
        with pytest.raises(RunFolderError):
            read_checkpoint(folder, RUN)


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EROFS])
def test_a_failing_disk_leaves_the_old_checkpoint(tmp_path, monkeypatch, call, number):
    path = tmp_path / "best"
    write_checkpoint(path, RUN, {"step": 1}, _files())

    def fail(*_):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(RunFolderError, match="must be writable") as caught:
            write_checkpoint(path, RUN, {"step": 2}, _files(1.0))
    assert str(path) in str(caught.value) and os.strerror(number) in str(caught.value)
    assert read_checkpoint(path, RUN).meta == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["best"]


def test_the_package_holds_nothing_that_executes_what_it_reads():
    package = Path(__file__).parents[2] / "src"
    source = "\n".join(path.read_text("utf-8") for path in package.rglob("*.py"))
    for word in ("pickle", "allow_pickle", " eval(", "exec(", "yaml", "shell=True", "marshal"):
        assert word not in source


def test_arrays_reach_the_disk_before_they_take_the_place_of_others(tmp_path, monkeypatch):
    """What is deleted once they stand could otherwise be all that a power cut leaves."""
    done = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, n=name, f=real: (done.append(n), f(*a))[1])
    RunFolder(tmp_path).save_arrays("network.safetensors", {"a": np.zeros(3)})
    assert done == ["fsync", "replace"]
