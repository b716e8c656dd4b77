"""Variables in other places: volumes stay."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from chainrule.flows.bijection import Bijection


class Flatten(Bijection):
    """(B, *shape) ↔ (B, D).

    Args:
        shape: of an item.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """(B, *shape) → (B, D), zeros (B,)."""
        return y.flatten(1), y.new_zeros(len(y))

    def inverse(self, z: Tensor) -> Tensor:
        """(B, D) → (B, *shape)."""
        return z.unflatten(1, self.shape)


class Reverse(Bijection):
    """The last variable first: (B, D) ↔ (B, D)."""

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """(B, D) → (B, D), zeros (B,)."""
        return y.flip(1), y.new_zeros(len(y))

    def inverse(self, z: Tensor) -> Tensor:
        """(B, D) → (B, D)."""
        return z.flip(1)


class Squeeze(Bijection):
    """Squares of 2 × 2 pixels become channels: (B, C, H, W) ↔ (B, 4C, H/2, W/2)."""

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) → (B, 4C, H/2, W/2), zeros (B,)."""
        return F.pixel_unshuffle(y, 2), y.new_zeros(len(y))

    def inverse(self, z: Tensor) -> Tensor:
        """(B, 4C, H/2, W/2) → (B, C, H, W)."""
        return F.pixel_shuffle(z, 2)


class FactorOut(Bijection):
    """Half of the channels are done; the other half goes on: (B, C, H, W) ↔ (B, C·H·W).

    Args:
        shape: (C, H, W).
        rest: for the second half, (B, C/2, H, W) ↔ (B, C/2·H·W).

    References:
        Dinh, Sohl-Dickstein, Bengio (2017), https://arxiv.org/abs/1605.08803, §3.6
    """

    def __init__(self, shape: tuple[int, int, int], rest: Bijection) -> None:
        super().__init__()
        channels, height, width = shape
        self.done, self.rest = (channels // 2, height, width), rest

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) → (B, C·H·W), (B,)."""
        done, going = y.split([self.done[0], y.shape[1] - self.done[0]], dim=1)
        z, log_det = self.rest(going)
        return torch.cat([done.flatten(1), z], dim=1), log_det

    def inverse(self, z: Tensor) -> Tensor:
        """(B, C·H·W) → (B, C, H, W)."""
        size = torch.Size(self.done).numel()
        done = z[:, :size].unflatten(1, self.done)
        return torch.cat([done, self.rest.inverse(z[:, size:])], dim=1)

    def prepare(self, y: Tensor) -> None:
        """The rest sees its half."""
        self.rest.prepare(y[:, self.done[0] :])
