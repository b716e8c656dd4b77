"""Functions on whole numbers that numba compiles once and keeps; without numba they run as they are written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

try:
    import numba
    from numba.extending import register_jitable
except ImportError:
    COMPILED = False
else:
    COMPILED = True


def part(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that others of its file call; Python calls it as it is written."""
    return register_jitable(function) if COMPILED else function


def entry(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that Python calls; the machine code is kept beside its source, or in the user's cache."""
    if not COMPILED:
        return function
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no folder can be written
        return numba.njit(nogil=True)(function)
