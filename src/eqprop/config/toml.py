"""Settings as TOML text, and back."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from eqprop.errors import ConfigError


def read(path: Path) -> dict[str, Any]:
    """What a TOML file says, unchecked."""
    if Path(path).suffix in (".csv", ".tsv", ".npz"):
        raise ConfigError(
            f"`config` must be a TOML file of settings, got the data {path}. Data are a setting: "
            f"eqprop train --recipe fast --set data.dataset={path} --set data.target=COLUMN"
        )
    try:
        text = Path(path).read_text("utf-8-sig")
        return tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise ConfigError(
            f"`config` must be a readable TOML file, got {path}: {reason}. "
            "`eqprop config` prints one to start from."
        ) from None


def value_of(text: str) -> Any:
    """A value of TOML; a bare word is text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text.strip()


def to_toml(values: Mapping[str, Any]) -> str:
    """Nested plain values as TOML: first the scalars, then one table per section.

    Lists and what lies deeper are written on one line, so that a setting is a line.
    """
    lines = [line(k, v) for k, v in values.items() if not isinstance(v, dict)]
    for section, table in values.items():
        if isinstance(table, dict):
            lines += ["", f"[{section}]", *(line(k, v) for k, v in table.items())]
    return "\n".join(lines) + "\n"


def line(key: str, value: Any) -> str:
    """A setting as a line of TOML."""
    name, _, _ = tomli_w.dumps({key: 0}).rpartition(" = ")
    return f"{name} = {_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(line(k, v) for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return tomli_w.dumps({"v": value}).removeprefix("v = ").rstrip("\n")
