"""Text as sequences of characters: .txt files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from chainrule.data.raw import Raw, reading
from chainrule.data.split import held_out
from chainrule.domain import Domain
from chainrule.errors import DataError

WINDOW = 64  # characters


def read_text(path: Path, domain: Domain | None) -> Raw:
    """Read UTF-8 text as contiguous windows of characters, split 80/10/10 along the text.

    A character's level is its place in the sorted set of those that occur. What is left of the last
    window is dropped.

    Args:
        path: the file.
        domain: a discrete sequence domain, for windows of another length or for spare levels.

    Raises:
        DataError: if it is no UTF-8, too short for three windows, or does not fit the domain.
    """
    with reading(str(path)):
        # Bytes, because text mode would change the line ends.
        text = path.read_bytes().decode("utf-8-sig")
    points, levels = np.unique(np.frombuffer(text.encode("utf-32-le"), np.uint32), return_inverse=True)
    if domain is None:
        domain = Domain.sequence(WINDOW, len(points))
    if domain.layout != "sequence" or not domain.discrete:
        raise DataError(f"{path}: text needs a domain such as sequence:{WINDOW}:{len(points)}, got {domain}")
    if min(domain.levels_per_variable) < len(points):
        raise DataError(
            f"{path}: has {len(points)} different characters, more than the levels of the domain {domain}"
        )
    count = len(levels) // domain.size
    if count < 3:
        raise DataError(
            f"{path}: {len(levels)} characters are too few: three splits need a window of {domain.size} each"
        )
    windows = levels[: count * domain.size].reshape(count, domain.size)
    held = held_out(count, parts=2)
    parts = np.split(windows, [count - 2 * held, count - held])
    return Raw(
        path.stem,
        str(path),
        dict(zip(("train", "valid", "test"), parts, strict=True)),
        domain=domain,
        vocabulary=tuple(map(chr, points.tolist())),
        split=f"windows of {domain.size} characters, split 80/10/10 along the text",
    )
