"""Functions on whole numbers that numba compiles once and keeps; without numba they run as they are written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

try:
    import numba
except ImportError:  # pragma: no cover - tests run the functions as written in another way
    numba = None

COMPILED = numba is not None


def part(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that others of its file call."""
    return function if numba is None else numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)


def entry(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that Python calls; the machine code is kept beside its source, or in the user's cache."""
    if numba is None:
        return function
    try:
        return numba.njit(cache=True, nogil=True, no_cfunc_wrapper=True)(function)
    except RuntimeError:  # no folder can be written
        return numba.njit(nogil=True)(function)
