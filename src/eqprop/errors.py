"""The errors that eqprop raises on purpose, each with the exit code of the command line.

A defect of ours keeps Python's own exception types; everything a user can cause and mend
is one of these, so that a caller can catch them and the command line can print one message.
"""

from __future__ import annotations

import difflib
import signal
from collections.abc import Iterable
from typing import Any


class EqpropError(Exception):
    """Base class: something the user can mend. `exit_code` is what the command line returns."""

    exit_code = 2


class ConfigError(EqpropError, ValueError):
    """A setting, argument or name that does not fit."""

    exit_code = 2


class DivergedError(EqpropError, ArithmeticError):
    """A state or weight became NaN or infinite.

    **Attributes:** `run`, as far as it was saved, where `eqprop.train` raises it.
    """

    exit_code = 3
    run: Any = None


class DataError(EqpropError, ValueError):
    """A data set that is missing, damaged, or does not fit the network."""

    exit_code = 4


class RunFolderError(EqpropError, OSError):
    """A run folder or checkpoint that cannot be read or written."""

    exit_code = 5


class BusyError(RunFolderError):
    """A run folder that another process is working on."""


class Stopped(EqpropError):
    """A run that was asked to stop, and saved first.

    **Attributes:** `signal_number` by which it was asked; `exit_code` as other programs have it,
    128 + the number, and 75 for SIGUSR1, by which schedulers ask a job to requeue itself; `run`, as
    far as it came, where `eqprop.train` raises it.
    """

    run: Any = None

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number
        requeue = getattr(signal, "SIGUSR1", None)
        self.exit_code = 75 if signal_number == requeue else 128 + signal_number


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """The message for a name that does not exist, with the nearest valid one.

    >>> unknown_name("dataset", "mnits", ["mnist", "teacher"])
    "`dataset` must be one of mnist, teacher; got 'mnits'. Did you mean 'mnist'?"
    """
    names = list(known)
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"`{kind}` must be one of {', '.join(names)}; got '{name}'.{hint}"
