"""Ctrl-C and SIGTERM wait for the end of a step, where all that is kept belongs together."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Signals that come while an epoch trains or ends are answered after that; a second one does not wait.

    What answers them is what did before. Ignored signals stay ignored, and where Python has no handler nothing waits.

    Attributes:
        held: whether a step or the end of an epoch is under way, which will soon be over.
        waiting: what is to be called at the end of the step, if a signal has come.
    """

    def __init__(self) -> None:
        self.held = False
        self.waiting: Callable[[], object] | None = None

    @contextmanager
    def caught(self, wait: bool) -> Iterator[None]:
        """Catch them in a block, if they are to wait. After it they are as they were before, whatever Lightning did."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before: dict[signal.Signals, Any] = {number: signal.getsignal(number) for number in SIGNALS}
        try:
            for number, handler in before.items():
                if wait and callable(handler):
                    signal.signal(number, partial(self._come, handler))
            yield
        finally:
            for number, handler in before.items():
                if handler is not None:
                    signal.signal(number, handler)
            self.answer()  # the step that was waited for failed

    def answer(self) -> None:
        """Call what waits."""
        waiting, self.waiting = self.waiting, None
        if waiting is not None:
            waiting()

    def _come(self, handler: Callable[..., object], number: int, frame: FrameType | None) -> None:
        if self.held and self.waiting is None:
            self.waiting = partial(handler, number, None)
        else:
            self.waiting = None
            handler(number, frame)
