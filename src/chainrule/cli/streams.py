"""Standard streams as they are found: of another encoding, closed, full, or with nobody who reads on."""

from __future__ import annotations

import codecs
import io
import os
import sys

SPELT = "plain"  # the name of the error handler below
# What the library itself prints beyond ASCII, for terminals that have only that.
ASCII = {
    "≤": "<=", "≥": ">=", "±": "+/-", "×": "x", "…": "...", "→": "->", "·": ".", "–": "-", "−": "-", "∞": "inf",
    "’": "'", "“": '"', "”": '"', "∏": "prod", "Σ": "sum", "α": "alpha", "μ": "mu", "σ": "sigma", "°": "deg",
}  # fmt: skip


class ClosedStream(io.TextIOBase):
    """Standard output that was closed before the program began: what is written is lost, with a message."""

    def write(self, text: str) -> int:
        """Refuse.

        Raises:
            OSError: always.
        """
        raise OSError("it is closed; give it a place, such as > /dev/null, or a file with -o")


def ready_streams() -> None:
    """Let every text be printed in any encoding, and no file take the place of a stream that was closed."""
    codecs.register_error(SPELT, _spell)
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    if sys.stdout is None:
        sys.stdout = ClosedStream()
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (until the end)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=SPELT)


def drop_output() -> None:
    """Nothing more can be written: what waits is dropped, so that the interpreter does not try again as it ends."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _spell(error: UnicodeError) -> tuple[str, int]:
    """Characters that the encoding lacks, spelt in ASCII."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(ASCII.get(c) or c.encode("unicode_escape").decode() for c in lacking), error.end
