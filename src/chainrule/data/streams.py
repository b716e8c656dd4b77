"""Long sequences: a text, the recordings of a folder, pieces of music; and the windows that nets read of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from chainrule.data.frames import Frames
from chainrule.data.large.stored import Steps, Stored
from chainrule.domain import Domain
from chainrule.errors import DataError

GATHERED = 1 << 18  # steps that are read at once


class Windows(NamedTuple):
    """Windows (N, *event_shape) of streams.

    Attributes:
        x: the values; -1 after the end of a stream, where the domain gives lengths.
        first: (N,) the first step of a window that counts; those before it count in an earlier window.
        stream: (N,) which stream it is of.
        start: (N,) the step of that stream at which it begins.
    """

    x: Tensor
    first: Tensor
    stream: Tensor
    start: Tensor


@dataclass(frozen=True, eq=False)
class Streams:
    """Sequences of any length, laid one after another; those of large files stay there, and windows are read from them.

    Attributes:
        values: (M,) or (M, K), in compact storage.
        bounds: (n + 1,) where each begins; the last is M.
        labels: (n,) or (n, k) of each, or None.
        names: what each is called, such as its file; empty where they have no names.
        frames: of each, or None. Windows then begin with a frame: of a domain that gives lengths, in whole frames.
    """

    values: Tensor | Steps
    bounds: Tensor
    labels: Tensor | None = None
    frames: Frames | None = None
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, parts: Sequence[Tensor], labels: Tensor | None = None) -> Streams:
        """Sequences (T_i,) or (T_i, K)."""
        lengths = torch.tensor([0, *(len(part) for part in parts)])
        return cls(torch.cat(list(parts)), lengths.cumsum(0), labels)

    @property
    def lengths(self) -> Tensor:
        """(n,) steps of each."""
        return self.bounds.diff()

    @property
    def hop(self) -> int:
        """Steps between places where windows may begin."""
        return 1 if self.frames is None else self.frames.hop

    def cond(self, stream: Tensor, start: Tensor, domain: Domain) -> Tensor | None:
        """The condition of windows that begin at steps (N,) of streams (N,).

        Returns:
            The frames (N, M, T'), if there are any, or the labels (N,) or (N, k), or None.
        """
        if self.frames is not None:
            return self.frames.cut(stream, start, domain.steps)
        return None if self.labels is None else self.labels[stream]

    def disjoint(self, domain: Domain) -> Windows:
        """Windows side by side. What is left of a stream is a window with an end, or dropped if lengths are fixed."""
        return self._windows(domain, domain.steps, whole=False)

    def sliding(self, domain: Domain, context: int) -> Windows:
        """Windows that overlap by `context` steps, in which each step counts once.

        All but the first steps of a stream thus have at least `context` before them. Where lengths are fixed, the last
        window ends with the stream, and overlaps by more.

        Raises:
            DataError: if the context is as long as a window, or leaves no whole frames of it; or a stream is shorter
                than a window of fixed length.
        """
        if not 0 <= context < domain.steps:
            raise DataError(f"context: expected 0 to {domain.steps - 1} steps, got {context}")
        if (domain.steps - context) % self.hop:
            raise DataError(
                f"context: expected whole frames of {self.hop} steps to be left of {domain.steps}, got {context}"
            )
        if domain.lengths == "fixed" and int(self.lengths.min()) < domain.steps:
            raise DataError(
                f"a sequence of {int(self.lengths.min())} steps is shorter than a window of {domain.steps}"
            )
        return self._windows(domain, domain.steps - context, whole=True)

    def crop(self, domain: Domain, starts: Tensor) -> tuple[Tensor, Tensor | None]:
        """Windows that begin at places (N,) of `values`, moved back where a stream ends too early, or to a frame.

        Returns:
            The windows (N, *event_shape), and the condition of each.
        """
        stream = torch.searchsorted(self.bounds, starts, right=True) - 1
        begin, hop = self.bounds[stream], self.hop
        latest = -(-(self.lengths[stream] - domain.steps).clamp(min=0) // hop)
        start = torch.minimum((starts - begin) // hop, latest) * hop
        return self._gather(domain, begin + start, stream), self.cond(stream, start, domain)

    def _windows(self, domain: Domain, stride: int, *, whole: bool) -> Windows:
        """`whole`: whether every step must be in a window."""
        starts, first, stream = [], [], []
        for i, length in enumerate(self.lengths.tolist()):
            overlap = domain.steps - stride
            count = max(1, -(-(length - overlap) // stride))
            own = torch.arange(count) * stride
            counts = torch.full((count,), overlap)
            counts[0] = 0
            if domain.lengths == "fixed":
                if whole:
                    moved = (own + domain.steps - length).clamp(min=0)
                    own, counts = own - moved, counts + moved
                else:
                    own, counts = (part[own + domain.steps <= length] for part in (own, counts))
            starts.append(own)
            first.append(counts)
            stream.append(torch.full((len(own),), i))
        which, start = torch.cat(stream), torch.cat(starts)
        begin = self.bounds[which] + start
        if not isinstance(self.values, Tensor):
            read: Any = _Read(self, domain, begin, which)
            return Windows(read, torch.cat(first), which, start)
        x = self._shared(domain, begin)
        if x is None:
            x = self._gather(domain, begin, which)
        return Windows(x, torch.cat(first), which, start)

    def _shared(self, domain: Domain, starts: Tensor) -> Tensor | None:
        """Windows that lie side by side and whole, as they stand in `values`; None if they do not."""
        first, length = int(starts[0]) if len(starts) else 0, len(starts) * domain.steps
        if first + length > len(self.values) or not bool((starts.diff() == domain.steps).all()):
            return None
        return self.values[first : first + length].reshape(len(starts), *domain.event_shape)

    def _gather(self, domain: Domain, starts: Tensor, stream: Tensor) -> Tensor:
        x = self.values.new_empty(len(starts), *domain.event_shape)
        ends, rows = self.bounds[stream + 1], max(GATHERED // domain.steps, 1)
        for own in (slice(i, i + rows) for i in range(0, len(starts), rows)):
            at = starts[own, None] + torch.arange(domain.steps)
            there = at < ends[own, None]
            part = self.values[at.clamp(max=len(self.values) - 1)]
            x[own] = torch.where(there.reshape(*there.shape, *[1] * (x.ndim - 2)), part, -1)
        return x


class _Read(Stored):
    """Windows (N, *event_shape) that are gathered when they are asked for."""

    def __init__(self, streams: Streams, domain: Domain, starts: Tensor, stream: Tensor) -> None:
        self.streams, self.domain, self.starts, self.stream = streams, domain, starts, stream
        self.shape, self.dtype = torch.Size([len(starts), *domain.event_shape]), streams.values.dtype

    def read(self, index: np.ndarray) -> Tensor:
        """The windows at these places."""
        at = torch.from_numpy(index)
        return self.streams._gather(self.domain, self.starts[at], self.stream[at])
