"""The command line: thin commands over importable functions."""

from __future__ import annotations

import importlib
import io
import signal
import sys

COMMANDS = (
    "reproduce", "train", "sweep", "resume", "report", "audit", "evaluate", "predict", "config",
    "topology", "data", "doctor", "list", "export", "view",
)  # fmt: skip


def main() -> None:
    """Entry point of `eqprop`: runs a command and turns errors into one message and a code."""
    # A closed pipe (`eqprop ... | head`) ends the program quietly, as other tools do.
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for stream in (sys.stdout, sys.stderr):
        # A path that the terminal's encoding cannot spell is shown by its code points.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


def run(tokens: list[str]) -> int:
    """Runs a command given as tokens and returns its exit code."""
    from cyclopts import CycloptsError

    from eqprop.cli.app import app
    from eqprop.errors import EqpropError

    for name in COMMANDS:  # importing a module declares its command
        importlib.import_module(f"eqprop.cli.{name}")

    try:
        app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as problem:
        print(f"eqprop: {problem} Try --help.", file=sys.stderr)
        return 2
    except EqpropError as problem:
        print(f"eqprop: {problem}", file=sys.stderr)
        return problem.exit_code
    except KeyboardInterrupt:
        print("eqprop: interrupted. What was finished is in the run's folder.", file=sys.stderr)
        return 130
    return 0
