"""Shapes that signatures name, checked where functions are called (`conftest.py` puts it there)."""

from __future__ import annotations

import functools
import inspect
import typing

import jax
from jaxtyping import AbstractArray


def checked(function):
    """A function that compares each array that it is given, and what it gives, with its signature.

    What is no array of JAX is nobody's business here: values are refused in words by the library.
    """

    @functools.cache
    def kinds():
        try:
            hints = typing.get_type_hints(function)
        except (NameError, TypeError):  # a name that only type checkers know
            return {}
        found = {name: _kind(hint) for name, hint in hints.items()}
        return {name: kind for name, kind in found.items() if kind is not None}

    signature = inspect.signature(function)

    @functools.wraps(function)
    def called(*args, **kwargs):
        wanted = kinds()
        if wanted:
            given = signature.bind(*args, **kwargs).arguments
            for name, kind in wanted.items():
                if name in given:
                    _compare(function, name, given[name], kind)
        result = function(*args, **kwargs)
        if "return" in wanted:
            _compare(function, "return", result, wanted["return"])
        return result

    return called


def _kind(hint):
    """The array that an annotation asks for, optional or not, or the arrays of a tuple; or None."""
    parts = typing.get_args(hint)
    if typing.get_origin(hint) is tuple and ... not in parts:
        return tuple(map(_kind, parts))
    for part in (hint, *parts):
        if inspect.isclass(part) and issubclass(part, AbstractArray):
            return part
    return None


def _compare(function, name, value, kind):
    if isinstance(kind, tuple):
        for one, part in zip(kind, value, strict=True):
            _compare(function, name, part, one)
        return
    if kind is not None and isinstance(value, jax.Array) and not isinstance(value, kind):
        raise TypeError(
            f"{function.__qualname__}: `{name}` must be {kind.__name__}, got {value.dtype}"
            f"{list(value.shape)}"
        )
