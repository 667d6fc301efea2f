"""Names of a package that are loaded when they are first used (PEP 562)."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def attach(
    package: str, homes: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """`__getattr__`, `__dir__` and `__all__` of a package.

    **Arguments:** `homes`: the public names by the module, inside the package, that they are of; a
    name `public = original` is called otherwise there.
    """
    home_of: dict[str, tuple[str, str]] = {}
    for home, names in homes.items():
        for name in names:
            public, _, original = (part.strip() for part in name.partition("="))
            home_of[public] = home, original or public

    def load(name: str) -> Any:
        if name not in home_of:
            if not name.startswith("_") and importlib.util.find_spec(f"{package}.{name}"):
                return importlib.import_module(f"{package}.{name}")  # a room, by its name
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        home, original = home_of[name]
        value = getattr(importlib.import_module(f"{package}.{home}"), original)
        setattr(sys.modules[package], name, value)
        return value

    names = sorted([*home_of, *({"__version__"} & set(vars(sys.modules[package])))])
    return load, lambda: names, names
