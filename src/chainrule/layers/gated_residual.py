"""The residual block of WaveNet."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chainrule.layers.conv1d import CausalConv1d
from chainrule.layers.state import State


class GatedResidual(nn.Module):
    """z = tanh(W_f * x + h_f) ⊙ σ(W_g * x + h_g); to the skips W_s z is added, to x W_r z.

    The skips s (S channels) and x (C) travel side by side, (s | x): what leaves a block is one product and one sum,
    and no block's skip is kept. h is what a condition adds.

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
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(channels, skip if last else skip + channels)

    def forward(self, stream: Tensor, added: Tensor | None) -> Tensor:
        """(B, T, S + C), and (B, T, 2C) or broadcast to it → (B, T, S + C), of the last block (B, T, S)."""
        return self._leave(stream, self.conv(stream[..., self.skip :]), added)

    def step(self, stream: Tensor, added: Tensor | None, state: State, t: Tensor) -> tuple[Tensor, State]:
        """(B, S + C), (B, 2C) → (B, S + C); the state is the convolution's."""
        gates, state = self.conv.step(stream[:, self.skip :], state, t)
        return self._leave(stream, gates, added), state

    def prefill(self, stream: Tensor, added: Tensor | None, state: State) -> tuple[Tensor, State]:
        """(B, n, S + C), (B, n, 2C) → (B, n, S + C)."""
        gates, state = self.conv.prefill(stream[..., self.skip :], state)
        return self._leave(stream, gates, added), state

    def _leave(self, stream: Tensor, gates: Tensor, added: Tensor | None) -> Tensor:
        f, g = (gates if added is None else gates + added).chunk(2, dim=-1)
        z = self.dropout(torch.tanh(f) * torch.sigmoid(g))
        return (stream[..., : self.skip] if self.last else stream) + self.out(z)
