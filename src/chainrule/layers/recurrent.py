"""Recurrent cells with a learned initial state."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.errors import ChainruleError
from chainrule.layers.layer import CausalLayer
from chainrule.layers.state import State

# How many gates a cell has, and the fused scan that `torch.nn` runs for it.
CELLS: dict[str, tuple[int, Callable]] = {
    "rnn": (1, torch.rnn_tanh),
    "lstm": (4, torch.lstm),
    "gru": (3, torch.gru),
}


class Recurrent(CausalLayer):
    """One layer of a recurrent net, h_t = cell(x_t, h_{t-1}), with h_0 learned.

    `rnn`: h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh); `lstm` and `gru` as in `torch.nn`, whose fused scans
    run the parallel pass. The step writes the same gates out on the same parameters, so that it compiles.

    Args:
        inputs, outputs: channels C and C' (the width of the hidden state).
        cell: "rnn", "lstm" or "gru".

    References:
        Hochreiter, Schmidhuber (1997), "Long short-term memory"; Cho et al. (2014), "Learning phrase representations
        using RNN encoder–decoder", https://arxiv.org/abs/1406.1078
    """

    receptive_field = None
    supports_streaming = True

    def __init__(self, inputs: int, outputs: int, *, cell: str = "lstm") -> None:
        super().__init__()
        if cell not in CELLS:
            raise ChainruleError(f"cell: expected one of {', '.join(CELLS)}, got {cell!r}")
        self.cell = cell
        gates, self._scan_cell = CELLS[cell]
        bound = 1 / math.sqrt(outputs)  # torch.nn's initialisation
        self.weight_ih = nn.Parameter(torch.empty(gates * outputs, inputs).uniform_(-bound, bound))
        self.weight_hh = nn.Parameter(torch.empty(gates * outputs, outputs).uniform_(-bound, bound))
        self.bias_ih = nn.Parameter(torch.empty(gates * outputs).uniform_(-bound, bound))
        self.bias_hh = nn.Parameter(torch.empty(gates * outputs).uniform_(-bound, bound))
        # The hidden state, and for an LSTM the cell state beside it.
        self.initial = nn.Parameter(torch.zeros(2 if cell == "lstm" else 1, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) → (B, T, C')."""
        return self._scan(x, self._initial(x.shape[0], x.dtype))[0]

    def init_state(self, batch: int, *, length: int, device: torch.device, dtype: torch.dtype) -> State:
        """h_0, a tuple (h,) or (h, c) of (B, C')."""
        return self._initial(batch, dtype)

    def step(self, x: Tensor, state: State, t: Tensor) -> tuple[Tensor, State]:
        """(B, C) → (B, C')."""
        h = state[0]
        of_x = F.linear(x, self.weight_ih, self.bias_ih)
        of_h = F.linear(h, self.weight_hh, self.bias_hh)
        if self.cell == "rnn":
            h = torch.tanh(of_x + of_h)
            return h, (h,)
        if self.cell == "gru":
            (r_x, z_x, n_x), (r_h, z_h, n_h) = of_x.chunk(3, 1), of_h.chunk(3, 1)
            z = torch.sigmoid(z_x + z_h)
            n = torch.tanh(n_x + torch.sigmoid(r_x + r_h) * n_h)
            h = n + z * (h - n)
            return h, (h,)
        i, f, g, o = (of_x + of_h).chunk(4, 1)
        c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, (h, c)

    def prefill(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, n, C) → (B, n, C')."""
        return self._scan(x, state)

    def _initial(self, batch: int, dtype: torch.dtype) -> tuple[Tensor, ...]:
        return tuple(part.to(dtype).expand(batch, -1).contiguous() for part in self.initial)

    def _scan(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        before = tuple(part[None] for part in state)
        weights = (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        # One layer with biases, no dropout between layers, one direction, batch first.
        settings = (True, 1, 0.0, self.training, False, True)
        y, *after = self._scan_cell(x, before if self.cell == "lstm" else before[0], weights, *settings)
        return y, tuple(part[0] for part in after)
