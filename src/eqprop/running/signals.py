"""Ctrl-C and the signals of schedulers, as a request to save and stop."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP")
    if hasattr(signal, name)
)


def name_of(number: int) -> str:
    """A signal as users know it.

    >>> name_of(signal.SIGINT), name_of(signal.SIGTERM)
    ('Ctrl-C', 'SIGTERM')
    """
    return "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name


def _say(text: str) -> None:
    with suppress(OSError):  # nobody may be listening
        os.write(2, text.encode())


@contextmanager
def listening(
    signals: Sequence[int] = SIGNALS, say: Callable[[str], None] = _say
) -> Iterator[Callable[[], int | None]]:
    """Gives a function that says which signal has asked to stop, if one has.

    A second Ctrl-C leaves at once: what is on disk is whole at any moment. Earlier handlers are
    put back at the end. Does nothing outside the main thread, where Python forbids it.

    **Arguments:** `say`: told of the first signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    asked: list[int] = []

    # A compiled program holds the main thread for seconds, in which no Python handler runs; the
    # wake-up socket is written by the C handler, and another thread reads it.
    receiver, sender = socket.socketpair()
    sender.setblocking(False)

    def watch() -> None:
        while numbers := receiver.recv(16):
            for number in numbers:
                if number not in signals:
                    continue
                if asked and number == signal.SIGINT:
                    _leave()
                asked.append(number)
                if len(asked) == 1:
                    say(
                        f"eqprop: {name_of(number)} received, saving and stopping at the next "
                        "chance. Ctrl-C again leaves at once.\n"
                    )

    handlers = {number: signal.signal(number, lambda *_: None) for number in signals}
    if hasattr(signal, "SIGPIPE"):
        # Whoever read the progress may have gone: that must not end the run.
        handlers[signal.SIGPIPE] = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    before = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield lambda: asked[0] if asked else None
    finally:
        signal.set_wakeup_fd(before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        sender.close()
        watcher.join()
        receiver.close()


def _leave() -> None:
    _say("eqprop: left at once. Go on from the last checkpoint with eqprop resume.\n")
    if sys.stderr is not None and sys.stderr.isatty():
        _say("\x1b[?25h")  # a live display may have hidden the cursor
    os._exit(130)
