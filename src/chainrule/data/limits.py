"""How much memory a source may need: read from its headers, before anything is allocated."""

from __future__ import annotations

import os

from chainrule.errors import DataError

VARIABLE = "CHAINRULE_MAX_BYTES"
LARGE = 1 << 30  # bytes from which a source stays in its files
UNTOLD = 4 << 30  # where a system does not say how much memory it has


def check_size(where: str, size: int, usual: int | None = None) -> None:
    """Refuse a source that would take more memory than it may.

    Args:
        where: what messages call it.
        size: bytes that it would take.
        usual: more than its like ever takes, which bounds it unless the user says how much it may be.

    Raises:
        DataError: if these are more than `most_bytes`.
    """
    most = most_bytes(usual)
    if size > most:
        raise DataError(
            f"{where}: would take {shown(size)} of memory, at most {shown(most)} are allowed; "
            f"use less of it, or set {VARIABLE} to a larger number of bytes"
        )


def in_parts(size: int, asked: bool | None) -> bool:
    """Whether a source of `size` bytes is read in parts, when items are asked for: as asked, or if it is large."""
    return size > LARGE if asked is None else asked


def most_bytes(usual: int | None = None) -> int:
    """$CHAINRULE_MAX_BYTES; else half of this machine's memory, or what is usual if that is less.

    Raises:
        DataError: if the variable is not a whole number.
    """
    chosen = os.environ.get(VARIABLE, "").strip()
    if not chosen:
        return min(_memory() // 2, usual or _memory())
    if not (chosen.isascii() and chosen.isdecimal() and len(chosen) < 20):
        raise DataError(f"{VARIABLE}: expected a number of bytes, got {chosen[:40]!r}")
    return int(chosen)


def shown(size: int) -> str:
    """2_500_000_000 → "2.5 GB"."""
    for power, unit in ((4, "TB"), (3, "GB"), (2, "MB"), (1, "kB")):
        if size >= 1000**power:
            return f"{size / 1000**power:,.1f} {unit}"
    return f"{size} bytes"


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return UNTOLD
