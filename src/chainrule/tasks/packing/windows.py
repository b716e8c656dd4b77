"""Windows side by side → the sequences of which they were cut, of which no step is left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from chainrule.coding.container import DAMAGED
from chainrule.domain import Domain
from chainrule.errors import CodeError


def joined(x: Tensor, lengths: Sequence[int], domain: Domain) -> tuple[list[np.ndarray], list[int]]:
    """The inverse of `Streams.sliding(domain, 0)`.

    Args:
        x: windows (N, *event_shape); the last of a sequence has -1 after its end, or overlaps the one before.
        lengths: steps of each sequence.
        domain: of the windows.

    Returns:
        The sequences (T,) or (T, K), and the place of the first window of each.

    Raises:
        CodeError: if there are more or fewer windows.
    """
    counts = [max(1, -(-length // domain.steps)) for length in lengths]
    if sum(counts) != len(x) or min(lengths, default=0) < 0:
        raise CodeError(DAMAGED)
    parts, first, start = [], [], 0
    for length, count in zip(lengths, counts, strict=True):
        windows = x[start : start + count].numpy()
        before, last = windows[:-1].reshape(-1, *domain.event_shape[1:]), windows[-1]
        if domain.lengths == "fixed":  # the last one ends with the sequence
            last = last[count * domain.steps - length :]
        parts.append(np.concatenate([before, last])[:length])
        first.append(start)
        start += count
    return parts, first
