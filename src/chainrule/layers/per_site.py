"""A linear map of its own for each site."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chainrule.layers.layer import CausalLayer
from chainrule.layers.state import State


class PerSite(CausalLayer):
    """y_t = W_t x_t + b_t: for the columns of a table, of which each means something else.

    Args:
        length: sites T.
        inputs, outputs: channels.
        std: standard deviation of the initial weights.
    """

    receptive_field = 0

    def __init__(self, length: int, inputs: int, outputs: int, *, std: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(length, inputs, outputs) * std)
        self.bias = nn.Parameter(torch.zeros(length, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, inputs) → (B, T, outputs)."""
        n = x.shape[1]
        return torch.einsum("bti,tio->bto", x, self.weight[:n]) + self.bias[:n]

    def init_state(self, batch: int, *, length: int, device: torch.device, dtype: torch.dtype) -> State:
        """Nothing to remember: the clock t is the site."""
        return ()

    def step(self, x: Tensor, state: State, t: Tensor) -> tuple[Tensor, State]:
        """(B, inputs) → (B, outputs)."""
        site = t.reshape(1)
        return x @ self.weight.index_select(0, site)[0] + self.bias.index_select(0, site), state

    def prefill(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """The first n sites."""
        return self(x), state
