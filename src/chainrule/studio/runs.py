"""The runs that the page offers, each opened when somebody first chooses it, and the data it may train on."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

from torch import Tensor

from chainrule.errors import ChainruleError
from chainrule.tasks.likelihood import log_probs
from chainrule.tasks.sharing import reference_for
from chainrule.training import Run


class Runs:
    """Named runs, on the CPU.

    Args:
        names: as `Run.open` takes them; no others are ever opened.
        data: files and folders that `load_data` takes, to train on besides the named sets.
    """

    def __init__(self, names: Sequence[str], data: Sequence[str] = ()) -> None:
        self.names = list(dict.fromkeys(names))
        self.data = list(dict.fromkeys(data))
        self._opened: dict[str, Run] = {}
        self._usual: dict[str, Tensor] = {}
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

    def usual_nats(self, run: Run) -> Tensor:
        """Nats (N,) of the held-out items that `chainrule score` compares with.

        Raises:
            ChainruleError: if there are neither: its data are no longer there, or were made in Python.
        """
        if run.name not in self._usual:
            usual = reference_for(run)
            nats = usual.get("reference_nats")
            if nats is None:
                x = usual["reference"]
                assert x is not None
                nats = -log_probs(run.model, x, usual["reference_cond"])
            self._usual[run.name] = nats
        return self._usual[run.name]
