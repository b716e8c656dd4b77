"""Dilated causal convolution over a sequence."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.layers.layer import CausalLayer
from chainrule.layers.state import State, put_at


class CausalConv1d(CausalLayer):
    """y_t = b + Σ_j W_j x_{t - j·dilation}, j = 0 … kernel_size-1, with zeros before the start.

    The convolution of "option B": it reads its own position. After a `StrictInput`, which delays the sequence
    by one, the first of them is "option A" (Tomczak, 2021). One step costs one matrix product: the inputs still to be
    read wait in a window that moves along (dilation 1), or in a ring of (kernel_size-1)·dilation + 1 places.

    Args:
        inputs, outputs: channels C and C'.
        kernel_size: taps.
        dilation: distance between taps.

    References:
        Bai, Kolter, Koltun (2018), "An empirical evaluation of generic convolutional and recurrent networks
        for sequence modeling", https://arxiv.org/abs/1803.01271
    """

    supports_streaming = True

    def __init__(self, inputs: int, outputs: int, *, kernel_size: int, dilation: int = 1) -> None:
        super().__init__()
        self.kernel_size, self.dilation = kernel_size, dilation
        # Tap-major, so that the gathered taps of a step meet the weight without a copy.
        self.weight = nn.Parameter(torch.empty(outputs, kernel_size, inputs))
        self.bias = nn.Parameter(torch.empty(outputs))
        bound = 1 / math.sqrt(kernel_size * inputs)  # nn.Conv1d's initialisation
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)
        # How far back each tap looks, oldest first, as the weight has them.
        taps = torch.arange(kernel_size - 1, -1, -1) * dilation
        self.register_buffer("taps", taps, persistent=False)

    @property
    def receptive_field(self) -> int:
        """(kernel_size-1)·dilation."""
        return (self.kernel_size - 1) * self.dilation

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) → (B, T, C')."""
        return self.convolve(x, self.weight)

    def convolve(self, x: Tensor, weight: Tensor) -> Tensor:
        """The same with other weights (C', kernel_size, C)."""
        # As an image of one row with channels last, which is how both lie in memory: torch copies those of conv1d.
        row = F.pad(x, (0, 0, self.receptive_field, 0))[:, None].permute(0, 3, 1, 2)
        kernel = weight[:, None].permute(0, 3, 1, 2)
        return F.conv2d(row, kernel, self.bias, dilation=(1, self.dilation)).permute(0, 2, 3, 1)[:, 0]

    def init_state(self, batch: int, *, length: int, device: torch.device, dtype: torch.dtype) -> State:
        """The last reach + 1 inputs (B, reach + 1, C), zeros before the start."""
        return torch.zeros(batch, self.receptive_field + 1, self.weight.shape[2], device=device, dtype=dtype)

    def step(self, x: Tensor, state: State, t: Tensor) -> tuple[Tensor, State]:
        """(B, C) → (B, C')."""
        taps, state = self.gather(x, state, t)
        return F.linear(taps, self.weight.flatten(1), self.bias), state

    def gather(self, x: Tensor, state: State, t: Tensor) -> tuple[Tensor, State]:
        """What the taps at position t meet: (B, C) → (B, kernel_size·C), oldest first, and the state."""
        if self.dilation == 1:  # all of the window is read, so moving it is the cheapest
            state = taps = torch.cat([state[:, 1:], x[:, None]], dim=1)
        else:
            places = (t - self.taps) % (self.receptive_field + 1)  # the last of them is that of x itself
            state = put_at(state, places[-1:], x[:, None])
            taps = state.index_select(1, places)
        return taps.flatten(1), state

    def prefill(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, n, C) → (B, n, C')."""
        return self(x), self.keep(x, state)

    def keep(self, x: Tensor, state: State) -> State:
        """The state after the first n positions (B, n, C): the last reach + 1 of them."""
        n, places = x.shape[1], self.receptive_field + 1
        if self.dilation == 1:
            return torch.cat([state, x], dim=1)[:, n:].contiguous()
        kept = torch.arange(max(0, n - places), n, device=x.device)
        return state.index_copy(1, kept % places, x[:, kept])
