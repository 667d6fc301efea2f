"""What a settings file chooses by name: kinds of things, and the settings of each thing.

pydantic only: importing this never imports JAX. Every room has a module `settings` that declares
the things of that room; a thing's own class is loaded when it is built. Packages that are installed
beside this one add theirs by entry points of the group `eqprop`: the entry `rule.my-rule` names a
`Choice` of the kind `rule`. A settings file names things, never code.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializationInfo,
    ValidationError,
    model_serializer,
    model_validator,
)

from eqprop.errors import ConfigError, unknown_name

GROUP = "eqprop"
"""Of entry points."""

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Above0 = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1)]

Thing = TypeVar("Thing")


class Kind:
    """Things of one kind by name: those of this package, and those of packages beside it.

    **Arguments:** `name`, as entry points and messages say it; `home`, the module that declares
    those of this package.
    """

    def __init__(self, name: str, home: str) -> None:
        self.name, self.home = name, home
        self._own: dict[str, Any] = {}

    def add(self, name: str, thing: Any) -> None:
        """Declares a thing."""
        self._own[name] = thing

    def names(self) -> list[str]:
        """Of everything of this kind."""
        importlib.import_module(self.home)
        return list(dict.fromkeys([*self._own, *self._entries()]))

    def find(self, name: Any) -> Any:
        """The thing of a name.

        **Raises:** `ConfigError` for a name that does not exist, with the nearest one that does, or
        for an installed package whose thing cannot be loaded.
        """
        importlib.import_module(self.home)
        if isinstance(name, str) and name in self._own:
            return self._own[name]
        entry = self._entries().get(name) if isinstance(name, str) else None
        if entry is None:
            raise ConfigError(unknown_name(self.name, name, self.names()))
        try:
            found = entry.load()
        except Exception as problem:  # whatever the package's code does
            raise ConfigError(
                f"the {self.name} '{name}' must be loadable, got {type(problem).__name__} from "
                f"{entry.value}: {problem}. Mend or remove the package that declares it."
            ) from problem
        self._own[name] = found
        return found

    __getitem__ = find

    def each(self) -> Iterator[tuple[str, Any]]:
        """Name and thing of everything of this kind."""
        for name in self.names():
            yield name, self.find(name)

    def _entries(self) -> dict[str, metadata.EntryPoint]:
        prefix = f"{self.name}."
        found = _installed(tuple(sys.path))
        return {e.name.removeprefix(prefix): e for e in found if e.name.startswith(prefix)}


@functools.lru_cache(maxsize=4)
def _installed(path: tuple[str, ...]) -> tuple[metadata.EntryPoint, ...]:
    """What installed packages declare: read once, as long as Python looks in the same places."""
    return tuple(metadata.entry_points(group=GROUP))


class Settings(BaseModel):
    """Base: frozen, and an unknown key is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Section(Settings):
    """Settings of its own, and choices whose settings stand beside them as if they were its own.

    A choice is a field whose type is a `Choice` of some kind: its value in a settings file is the
    name of the thing, and the settings of the thing are further keys of the same section.
    """

    @classmethod
    def choices(cls) -> dict[str, Kind]:
        """The kind of each field that is a choice."""
        found = {}
        for name, field in cls.model_fields.items():
            kind = getattr(field.annotation, "kind", None)
            if isinstance(kind, Kind):
                found[name] = kind
        return found

    @classmethod
    def default_choice(cls, name: str, values: Mapping[str, Any]) -> Choice:
        """What a choice is where nothing is said of it; `values` are those of the section."""
        return cls.model_fields[name].default

    @classmethod
    def taken(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Takes what belongs to this section, and to what it chooses, out of `values`."""
        found = {name: values.pop(name) for name in list(cls.model_fields) if name in values}
        for name, kind in cls.choices().items():
            chosen = found.get(name)
            if isinstance(chosen, Choice):
                continue
            default = cls.default_choice(name, found)
            section = type(default) if chosen is None else kind.find(chosen)
            found |= section.taken(values) | section.named(chosen)
        return found

    @model_validator(mode="before")
    @classmethod
    def _sort_out(cls, values: Any) -> Any:
        """Hands the settings of each choice to it."""
        if not isinstance(values, Mapping):
            return values
        rest = dict(values)
        for name, kind in cls.choices().items():
            given = rest.get(name)
            if isinstance(given, Choice):
                continue
            default = cls.default_choice(name, rest)
            try:
                section = type(default) if given is None else kind.find(given)
            except ConfigError as problem:
                raise ValueError(str(problem).replace(f"`{kind.name}`", f"`{name}`", 1)) from None
            own = section.taken(rest) | section.named(given)
            if section is type(default):
                own = default.changed(own)
            rest[name] = section.model_validate(own)
        return rest

    def parts(self) -> list[Choice]:
        """What it chose, and what that chose."""
        chosen: list[Choice] = [getattr(self, name) for name in self.choices()]
        return [each for part in chosen for each in (part, *part.parts())]

    @model_serializer(mode="plain")
    def _flat(self, info: SerializationInfo) -> dict[str, Any]:
        options: Any = {"mode": info.mode, "exclude_none": info.exclude_none}
        found: dict[str, Any] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, Choice):
                found |= {name: value.name} | value.model_dump(**options)
            elif isinstance(value, BaseModel):
                found[name] = value.model_dump(**options)
            elif value is not None or not info.exclude_none:
                found[name] = value
        return found

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """A setting of what was chosen, as if it were the section's own."""
            for part in type(self).choices():
                chosen = self.__dict__.get(part)
                if chosen is not None and name in chosen.setting_names():
                    return getattr(chosen, name)
            return super().__getattr__(name)

    @classmethod
    def setting_names(cls) -> set[str]:
        """Its own settings; those of choices within it are not among them."""
        return set(cls.model_fields)


class Choice(Section):
    """The settings of a thing that is chosen by its name.

    A class of a kind sets `kind`; a thing derives from it with `name="..."`.
    """

    name: ClassVar[str]
    kind: ClassVar[Kind]

    def __init_subclass__(cls, *, name: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)

    @classmethod
    def __pydantic_init_subclass__(cls, *, name: str | None = None, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if name is not None:
            cls.name = name
            cls.kind.add(name, cls)

    @classmethod
    def named(cls, given: Any) -> dict[str, Any]:
        """Settings that the name by which it was chosen says too, such as the path of a file."""
        return {}

    def changed(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """These settings, where `own` says nothing else."""
        return {name: getattr(self, name) for name in self.model_fields_set} | dict(own)

    def check(self, config: Any) -> None:
        """Refuses, by `ValueError`, a run's settings that this thing does not go with."""


def owners(
    kinds: Mapping[str, Kind], setting: str, above: tuple[Kind, ...] = ()
) -> list[tuple[str, str]]:
    """Which choices have a setting: the field that chooses, and the name of what has it."""
    found = []
    for field, kind in kinds.items():
        if kind in above:
            continue  # a relaxation made of another one, of which all was asked already
        for name, section in kind.each():
            inside = section.choices() if issubclass(section, Section) else {}
            own = setting in getattr(section, "model_fields", {})
            if own or owners(inside, setting, (*above, kind)):
                found.append((field, name))
    return found


__all__ = [
    "GROUP",
    "Above0",
    "Choice",
    "Count",
    "Kind",
    "Positive",
    "Rate",
    "Section",
    "Settings",
    "Share",
    "ValidationError",
    "owners",
]
