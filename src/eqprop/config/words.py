"""Every setting in words: what it does, what it may be, and whose it is. Never imports JAX."""

from __future__ import annotations

import dataclasses
import difflib
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from eqprop.config.run_config import RunConfig
from eqprop.config.toml import line
from eqprop.errors import ConfigError
from eqprop.registry import Choice, Kind, Section

_WIDTH = 100


@dataclasses.dataclass(frozen=True)
class Setting:
    """A setting.

    **Attributes:**

    - `name`: dotted, as `--set` spells it.
    - `does`: what it does.
    - `takes`: what it may be, in words.
    - `defaults`: as TOML, by the choice that has the setting, such as `wiring = "rewire"`; under
      an empty name where it is always there. A default is empty where there is none.
    - `choices`: what each name that it takes stands for.
    """

    name: str
    does: str
    takes: str
    defaults: Mapping[str, str]
    choices: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def section(self) -> str:
        """Its section; empty for those of the run as a whole."""
        return self.name.rpartition(".")[0]

    @property
    def last(self) -> str:
        """Its name within its section."""
        return self.name.rpartition(".")[2]

    @property
    def of(self) -> tuple[str, ...]:
        """The choices that have it; none where it is always there."""
        return tuple(each for each in self.defaults if each)

    @property
    def default(self) -> str:
        """What it is unless said: that of the first choice that has one."""
        return next((each for each in self.defaults.values() if each), "")


def every_setting() -> dict[str, Setting]:
    """All settings there are by their dotted names, section by section."""
    found: dict[str, Setting] = {}
    for name, field in RunConfig.model_fields.items():
        model: Any = field.annotation
        if not hasattr(model, "model_fields"):
            _add(found, _setting(name, field, field.default))
            continue
        for setting in _of(model, name, ()):
            _add(found, setting)
    return found


def _add(found: dict[str, Setting], setting: Setting) -> None:
    """Things of several choices under one name are one setting."""
    before = found.get(setting.name)
    if before is None:
        found[setting.name] = setting
        return
    does = before.does
    if setting.does not in does:
        does = f"{does}; {setting.of[-1]}: {setting.does}" if setting.of else does
    takes = before.takes if setting.takes in before.takes else f"{before.takes}; {setting.takes}"
    # The first to say a default says it, in the order of the choices.
    defaults = {**before.defaults, **setting.defaults, **before.defaults}
    found[setting.name] = dataclasses.replace(before, does=does, takes=takes, defaults=defaults)


def _of(
    model: Any, section: str, above: tuple[Kind, ...], of: str = "", said: Any = None
) -> Iterator[Setting]:
    """The settings of a section, or of a thing that is chosen in it, and of what these choose.

    The section may have `said` something of a thing where it chooses it by default.
    """
    choices = model.choices() if issubclass(model, Section) else {}
    for name, field in model.model_fields.items():
        default = field.default
        if said is not None and name in said.model_fields_set:
            default = getattr(said, name)
        kind = choices.get(name)
        yield _setting(f"{section}.{name}", field, default, of, kind)
        if kind is None or kind in above:  # a relaxation around another one
            continue
        for thing, inside in kind.each():
            chosen = isinstance(default, Choice) and default.name == thing
            above_it, its = (*above, kind), default if chosen else None
            yield from _of(inside, section, above_it, f'{name} = "{thing}"', its)


def _setting(
    name: str, field: FieldInfo, default: Any, of: str = "", kind: Kind | None = None
) -> Setting:
    choices = {} if kind is None else {thing: _first(each) for thing, each in kind.each()}
    if kind is None:
        takes = _takes(field.annotation, field.metadata)
    else:
        takes = "one of " + ", ".join(f'"{thing}"' for thing in choices)
    return Setting(name, field.description or "", takes, {of: _toml(default)}, choices)


def _first(thing: Any) -> str:
    """The first sentence of a docstring."""
    return " ".join((thing.__doc__ or "").partition("\n\n")[0].split())


def _toml(value: Any) -> str:
    """A default as TOML; empty for none, and for a whole section."""
    if isinstance(value, Choice):
        value = value.name
    if value is None or value is PydanticUndefined or hasattr(value, "model_fields"):
        return ""
    return line("v", list(value) if isinstance(value, tuple) else value).partition(" = ")[2]


def _takes(annotation: Any, metadata: Any = ()) -> str:
    """What a type admits, in words."""
    origin, inside = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        found: list[Any] = []
        for part in inside[1:]:
            found += part.metadata if isinstance(part, FieldInfo) else [part]
        return _takes(inside[0], found)
    if origin in (typing.Union, types.UnionType):
        kinds = [_takes(each, metadata) for each in inside if each is not type(None)]
        return " or ".join(dict.fromkeys(kinds))
    if origin is Literal:
        return "one of " + ", ".join(line("v", each).partition(" = ")[2] for each in inside)
    if origin is tuple:
        whole = [each for each in inside if each is not Ellipsis]
        if len(whole) == 1:
            return f"a list, each {_takes(whole[0])}"
        return f"a pair, each {_takes(whole[0])}"
    if origin is dict:
        return f"a table, each {_takes(inside[1])}"
    if annotation is bool:
        return "true or false"
    if annotation is str:
        return "text"
    return _number("a whole number" if annotation is int else "a number", metadata)


def _number(kind: str, metadata: Any) -> str:
    bounds = {
        key: getattr(part, key)
        for part in metadata
        for key in ("ge", "gt", "le", "lt")
        if getattr(part, key, None) is not None
    }
    low = f"{bounds['ge']:g} or more" if "ge" in bounds else None
    low = f"above {bounds['gt']:g}" if "gt" in bounds else low
    high = f"{bounds['le']:g} at most" if "le" in bounds else None
    high = f"below {bounds['lt']:g}" if "lt" in bounds else high
    return ", ".join([kind, *(bound for bound in (low, high) if bound)])


def annotated(config: RunConfig) -> str:
    """Settings as TOML with words above each; those that are not said are comments.

    >>> print(annotated(RunConfig()).splitlines()[1])
    name = "run"
    """
    said, known = config.model_dump(mode="json", exclude_none=True), every_setting()
    lines: list[str] = []
    for section in dict.fromkeys(setting.section for setting in known.values()):
        values = said.get(section, {}) if section else said
        if section:
            lines += ["", f"[{section}]"]
        for setting in known.values():
            if setting.section != section:
                continue
            of = f"; with {_owners(setting, known)}" if setting.of else ""
            words = f"{setting.does} [{setting.takes}{of}]"
            lines += [f"# {text}" for text in textwrap.wrap(words, _WIDTH - 2)]
            if setting.last in values:
                lines.append(line(setting.last, values[setting.last]))
            else:
                lines.append(f"# {setting.last} = {setting.default or '...'}")
    return "\n".join(lines).lstrip("\n") + "\n"


def _owners(setting: Setting, known: Mapping[str, Setting]) -> str:
    """The choices that have a setting: those of one field together."""
    by_field: dict[str, list[str]] = {}
    for each in setting.of:
        field, name = _parts(each)
        by_field.setdefault(field, []).append(name)
    found = []
    for field, names in by_field.items():
        others = [name for name in known[f"{setting.section}.{field}"].choices if name not in names]
        is_most = len(names) > max(3, len(others))
        if not is_most:
            found.append(f"{field} = " + " or ".join(f'"{name}"' for name in names))
        else:
            found.append(f"any {field}" + (f" but {', '.join(others)}" if others else ""))
    return " or ".join(found)


def _parts(choice: str) -> tuple[str, str]:
    """Field and name of `wiring = "rewire"`."""
    field, _, name = choice.partition(" = ")
    return field, name.strip('"')


def _default(setting: Setting, mark: str = "") -> str:
    """Its defaults in words, each value between marks. The usual one comes first."""
    by_default: dict[str, list[str]] = {}
    for of, default in setting.defaults.items():
        by_default.setdefault(default, []).append(_parts(of)[1])
    by_default.pop("", None)
    if not by_default:
        return ""
    usual, users = max(by_default.items(), key=lambda each: len(each[1]))
    others = ", ".join(
        f"{mark}{value}{mark} ({', '.join(names)})"
        for value, names in by_default.items()
        if value != usual
    )
    if not others:
        return f"default {mark}{usual}{mark}"
    shown = f" ({users[0]})" if len(users) == 1 else ""
    return f"default {mark}{usual}{mark}{shown}, {'' if shown else 'but '}{others}"


def explained(name: str) -> str:
    """All that is to be said of a setting, or of the settings of a section.

    **Raises:** `ConfigError` for what does not exist, with the nearest that does.

    >>> print(explained("training.epochs").splitlines()[0])
    training.epochs: passes through the training examples
    """
    known = every_setting()
    if name in known:
        return "\n".join(_paragraph(known[name], known))
    within = [setting for setting in known.values() if setting.section == name]
    if within:
        return "\n".join(f"{setting.name}: {setting.does}" for setting in within)
    hint = nearest(name)
    meant = "`eqprop config` prints all" if hint is None else f"Did you mean `{hint}`?"
    raise ConfigError(f"`{name}` is no setting. {meant}")


def _paragraph(setting: Setting, known: Mapping[str, Setting]) -> Iterator[str]:
    yield f"{setting.name}: {setting.does}"
    yield f"  {setting.takes}; {_default(setting) or 'no default'}"
    if setting.of:
        yield f"  with {_owners(setting, known)}"
    for choice, words in setting.choices.items():
        yield f"  {choice}: {words}"
    shown = setting.default or "..."
    yield f"  --set {setting.name}={shown}"


def nearest(name: str) -> str | None:
    """The setting that somebody may have meant: of the same last name, or spelled alike.

    >>> nearest("epochs"), nearest("free.tolerence")
    ('training.epochs', 'free.tolerance')
    """
    names, last = list(every_setting()), name.rpartition(".")[2]
    same = [known for known in names if known.rpartition(".")[2] == last]
    found = difflib.get_close_matches(name, same or names, n=1, cutoff=0.0 if same else 0.6)
    if not found:
        by_last = {known.rpartition(".")[2]: known for known in reversed(names)}
        found = [by_last[k] for k in difflib.get_close_matches(last, by_last, n=1, cutoff=0.6)]
    return found[0] if found else None


def page() -> str:
    """The reference page of all settings, as Markdown."""
    lines = [
        "# Settings",
        "",
        "What a TOML file and `--set section.key=value` may say. `eqprop config` prints all of it "
        "with its defaults, `eqprop config NAME` explains one. This page is made from the same "
        "text.",
    ]
    known = every_setting()
    for section in dict.fromkeys(setting.section for setting in known.values()):
        model = RunConfig.model_fields[section].annotation if section else RunConfig
        lines += ["", f"## {section or 'The run'}", "", _first(model), ""]
        for setting in known.values():
            if setting.section == section:
                lines += _entry(setting, known)
    return "\n".join(lines) + "\n"


def _entry(setting: Setting, known: Mapping[str, Setting]) -> Iterator[str]:
    yield f"`{setting.name}`"
    said = "; ".join(each for each in (_capital(setting.takes), _default(setting, "`")) if each)
    yield f": {setting.does}. *{said}.*"
    if setting.of:
        yield ""
        yield f"  With {_owners(setting, known)}."
    if setting.choices:
        yield ""
    for choice, words in setting.choices.items():
        yield f"  - `{choice}`: {words}"
    yield ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
