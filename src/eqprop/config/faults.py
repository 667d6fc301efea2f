"""What is wrong with settings, in words."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from eqprop.config.run_config import RunConfig
from eqprop.registry import Section, owners


def explain(problem: ValidationError, source: str) -> str:
    """One message of all that is wrong with settings, each fault with its setting and value."""
    lines, members = [], ("tuple[", "float", "constrained-", "dict[")
    for error in problem.errors(include_url=False):
        # pydantic adds the name of the union member; it is no part of the user's key.
        place = [str(part) for part in error["loc"] if not str(part).startswith(members)]
        key = ".".join(place) or "the settings"
        if error["type"] == "extra_forbidden":
            lines.append(_no_setting(place, error["input"]))
        elif error["loc"] == () or error["type"] == "value_error":
            where = f"in [{key}]: " if error["loc"] else ""
            lines.append(where + error["msg"].removeprefix("Value error, ") + ".")
        elif error["type"] == "literal_error":
            lines.append(f"`{key}`: {error['msg']}, got {error['input']!r}.{_near_value(error)}")
        else:
            lines.append(f"`{key}`: {error['msg']}, got {error['input']!r}.")
    return f"{source} does not fit: " + " ".join(_once(lines))


def _once(lines: Sequence[str]) -> list[str]:
    """A fault per key: a union reports one per member, and the first of the deepest says enough."""
    first: dict[str, str] = {}
    for line in lines:
        first.setdefault(line.partition("`: ")[0] if line.startswith("`") else line, line)
    return [line for key, line in first.items() if not any(k.startswith(f"{key}.") for k in first)]


def _near_value(error: Any) -> str:
    known = re.findall("'([^']*)'", error["ctx"]["expected"])
    near = difflib.get_close_matches(str(error["input"]), known, n=1, cutoff=0.5)
    return f" Did you mean '{near[0]}'?" if near else ""


def _no_setting(place: Sequence[str], given: Any) -> str:
    """What is said of a key that does not exist, or not with what was chosen."""
    key, (*sections, last) = ".".join(place), place
    model: Any = RunConfig
    for section in sections:
        model = model.model_fields[section].annotation if section in model.model_fields else None
        if model is None:
            return f"`{key}` is no setting.{_meant(key)}"
    choices = model.choices() if issubclass(model, Section) else {}
    found = owners(choices, last)
    if found:
        fields: dict[str, list[str]] = {}
        for field, name in found:
            fields.setdefault(field, []).append(f"'{name}'")
        listed = " and ".join(f"{field} {', '.join(names)}" for field, names in fields.items())
        return (
            f"`{key}` belongs to {listed}, got {given!r} with another. Choose that, or remove it."
        )
    return f"`{key}` is no setting.{_meant(key)}"


def _meant(name: str) -> str:
    """A hint at the setting that is nearest to a name that is none."""
    from eqprop.config.words import nearest  # which is made from these settings

    hint = nearest(name)
    return "" if hint is None else f" Did you mean `{hint}`?"
