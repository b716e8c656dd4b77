"""What a process meets from outside: signals, and arguments that are not text."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from chainrule.errors import ChainruleError

# Exit statuses as shells count them: 128 and the signal's number.
STOPPED, UNREAD, TERMINATED = 130, 141, 143
# What may stand anywhere on the command line, by every spelling.
SWITCHES = {"--debug": "--debug", "--verbose": "--verbose", "--quiet": "--quiet", "-q": "--quiet"}


class Terminated(KeyboardInterrupt):
    """SIGTERM: what knows how to stop at Ctrl-C stops in the same way."""


@contextmanager
def catch_sigterm() -> Iterator[list[int]]:
    """Let SIGTERM end what runs as Ctrl-C does. Yields a list, empty until one came.

    SIGINT is left as it came. Python makes it an interrupt, but not where the parent ignores it: a script's background
    jobs must not end when the script gets Ctrl-C.
    """
    caught: list[int] = []

    def stop(number: int, frame: object) -> None:
        again = bool(caught)
        caught.append(number)
        if not again:  # a second one must not cut off what the first one set going
            raise Terminated

    # Where a caller has its own way with it, or made this process ignore it, that stays.
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
    ):
        yield caught
        return
    signal.signal(signal.SIGTERM, stop)
    try:
        yield caught
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def check_arguments(arguments: list[str]) -> None:
    """Refuse arguments that are not text: they can be kept in no configuration and shown on no page.

    Raises:
        ChainruleError: if one is not.
    """
    for argument in arguments:
        try:
            argument.encode("utf-8")
        except UnicodeEncodeError:
            raise ChainruleError(
                f"{argument!a}: expected UTF-8; rename the file, or set a locale of UTF-8 (LC_ALL=C.UTF-8)"
            ) from None


def take_switches(arguments: list[str]) -> tuple[list[str], set[str]]:
    """The arguments without the switches that may stand anywhere before `--`, and the long forms of these."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    found = {SWITCHES[argument] for argument in arguments[:end] if argument in SWITCHES}
    return [a for i, a in enumerate(arguments) if i >= end or a not in SWITCHES], found
