"""What is known of streams beforehand, at a low rate: a frame of numbers for every few steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from chainrule.domain import Domain
from chainrule.errors import DataError


@dataclass(frozen=True, eq=False)
class Frames:
    """Frames of streams, laid one after another: ⌈T / hop⌉ for a stream of T steps.

    Attributes:
        values: (F, M).
        bounds: (n + 1,) where those of each stream begin; the last is F.
        hop: steps a frame.
    """

    values: Tensor
    bounds: Tensor
    hop: int

    @classmethod
    def of(cls, parts: Sequence[Tensor], hop: int) -> Frames:
        """Build from the frames of each stream, (F_i, M)."""
        counts = torch.tensor([0, *(len(part) for part in parts)])
        return cls(torch.cat(list(parts)), counts.cumsum(0), hop)

    def cut(self, stream: Tensor, start: Tensor, steps: int) -> Tensor:
        """The frames of windows, which begin with a frame; after the end of a stream its last frame is repeated.

        Args:
            stream, start: (N,) of each window, the stream and the step in it.
            steps: of a window.

        Returns:
            (N, M, ⌈steps / hop⌉).
        """
        first, end = self.bounds[stream] + start // self.hop, self.bounds[stream + 1]
        at = first[:, None] + torch.arange(-(-steps // self.hop))
        return self.values[torch.minimum(at, end[:, None] - 1)].transpose(1, 2)


def check_whole(domain: Domain, hop: int) -> None:
    """Refuse windows that are not whole frames.

    Raises:
        DataError: if they are not, or cannot be: those of fixed length end where a stream does, between two frames.
    """
    if domain.lengths != "given" or domain.steps % hop:
        raise DataError(
            f"features: expected windows of given lengths, in whole frames of {hop} samples, got {domain}"
        )
