"""A learned vector for each position."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chainrule.layers.layer import CausalLayer
from chainrule.layers.state import State


class Position(CausalLayer):
    """y_t = x_t + p_t, with p learned: a convolution then has access to the position.

    Args:
        length: the most positions there are.
        channels: C.
    """

    receptive_field = 0

    def __init__(self, length: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(length, channels) * 0.01)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) → (B, T, C)."""
        return x + self.weight[: x.shape[1]]

    def init_state(self, batch: int, *, length: int, device: torch.device, dtype: torch.dtype) -> State:
        """Nothing to remember: the clock t is the position."""
        return ()

    def step(self, x: Tensor, state: State, t: Tensor) -> tuple[Tensor, State]:
        """(B, C) → (B, C)."""
        return x + self.weight.index_select(0, t.reshape(1)), state

    def prefill(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """The first n positions."""
        return self(x), state
