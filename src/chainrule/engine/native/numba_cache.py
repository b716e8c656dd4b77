"""Compiled code on disk, where there is a place for it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from numba.core.caching import FunctionCache


class Cache(FunctionCache):
    """numba's own, on which nothing depends: what cannot be read is compiled again, what cannot be written is not kept.

    A full disk, a damaged file, a folder that lost its write bits: none of these is a reason not to draw.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """What was kept under a signature; None if there is nothing that can be read."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # whatever a damaged file meets
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep it, if the disk will."""
        with suppress(OSError):
            super().save_overload(sig, data)


def keep_compiled(function: Any) -> None:
    """Keep what numba compiles of a function: beside its file, else in the user's cache; in memory if both refuse."""
    with suppress(RuntimeError):  # numba's word for: no folder can be written
        function._cache = Cache(function.py_func)
