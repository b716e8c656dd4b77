"""The runs that the page offers: those it was given, each opened when somebody first chooses it."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

from chainrule.errors import ChainruleError
from chainrule.training import Run


class Runs:
    """Named runs, on the CPU.

    Args:
        names: as `Run.open` takes them; no others are ever opened.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(dict.fromkeys(names))
        self._opened: dict[str, Run] = {}
        self._lock = Lock()

    def open(self, name: str) -> Run:
        """One of them.

        Raises:
            ChainruleError: on another name.
            RunError: if it cannot be read.
        """
        if name not in self.names:
            raise ChainruleError(f"run: expected one of {', '.join(self.names)}; got {name!r}")
        with self._lock:
            if name not in self._opened:
                self._opened[name] = Run.open(name)
            return self._opened[name]
