"""The residual block of WaveNet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.layers.conv1d import CausalConv1d
from chainrule.layers.dropout import Dropout
from chainrule.layers.gate import gate, gate_images
from chainrule.layers.state import State


class GatedResidual(nn.Module):
    """z = tanh(W_f * x + h_f) ⊙ σ(W_g * x + h_g); to the skips W_s z is added, to x W_r z.

    In steps the skips s (S channels) and x (C) travel side by side, (s | x): what leaves a block is one product and one
    sum. In parallel the skips of all blocks are one product, of all z. h is what a condition adds.

    Args:
        channels: C.
        skip: S.
        kernel_size, dilation: of the convolution.
        dropout: of z.
        last: whether no block comes after this one; then the skips alone leave it.

    References:
        van den Oord et al. (2016), "WaveNet", https://arxiv.org/abs/1609.03499, eq. 2 and 3, figure 4
    """

    def __init__(
        self,
        channels: int,
        skip: int,
        *,
        kernel_size: int,
        dilation: int,
        dropout: float = 0.0,
        last: bool = False,
    ) -> None:
        super().__init__()
        self.skip, self.last = skip, last
        self.conv = CausalConv1d(channels, 2 * channels, kernel_size=kernel_size, dilation=dilation)
        self.dropout = Dropout(dropout)
        self.out = nn.Linear(channels, skip if last else skip + channels)

    def forward(self, x: Tensor, added: Tensor | None) -> tuple[Tensor, Tensor]:
        """(B, T, C), and (B, T, 2C) or broadcast to it → x and z, (B, T, C) each, and no skip; see `skips`."""
        gates = self.conv(x)
        if added is not None:
            gates = gates + added
        z = self.dropout(gate_images(gates[:, None].permute(0, 3, 1, 2)).permute(0, 2, 3, 1)[:, 0])
        weight, bias = self.out.weight[self.skip :], self.out.bias[self.skip :]
        return x if self.last else x + F.linear(z, weight, bias), z

    def step(self, stream: Tensor, added: Tensor | None, state: State, t: Tensor) -> tuple[Tensor, State]:
        """(B, S + C), (B, 2C) → (B, S + C); the state is the convolution's."""
        gates, state = self.conv.step(stream[:, self.skip :], state, t)
        return self._leave(stream, gates, added), state

    def prefill(self, stream: Tensor, added: Tensor | None, state: State) -> tuple[Tensor, State]:
        """(B, n, S + C), (B, n, 2C) → (B, n, S + C)."""
        gates, state = self.conv.prefill(stream[..., self.skip :], state)
        return self._leave(stream, gates, added), state

    @staticmethod
    def skips(blocks: Iterable[Any], gated: Sequence[Tensor]) -> Tensor:
        """Σ W_s z over blocks, of z (B, T, C) each, as one product: (B, T, S)."""
        weights, biases = zip(*((b.out.weight[: b.skip], b.out.bias[: b.skip]) for b in blocks), strict=True)
        return F.linear(torch.cat([*gated], dim=-1), torch.cat(weights, dim=1), torch.stack(biases).sum(0))

    def _leave(self, stream: Tensor, gates: Tensor, added: Tensor | None) -> Tensor:
        z = self.dropout(gate(gates, added))
        return (stream[..., : self.skip] if self.last else stream) + self.out(z)
