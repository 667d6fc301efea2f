"""MNIST for drivers of other codes: NumPy alone."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np


def read(folder: str, examples: int) -> tuple[np.ndarray, ...]:
    """Inputs in [0, 1] and labels, of the first training examples and of the test examples."""
    found = []
    for split in ("train", "t10k"):
        for kind, begin in (("images-idx3", 16), ("labels-idx1", 8)):
            [path] = Path(folder).glob(f"{split}-{kind}-ubyte*")
            raw = path.read_bytes()
            raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
            values = np.frombuffer(raw, np.uint8, offset=begin)
            count = examples if split == "train" else None
            images = values.reshape(-1, 784).astype(np.float32) / 255 if begin == 16 else values
            found.append(images[:count])
    return tuple(found)
