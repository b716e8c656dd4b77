"""How many low bits of all samples so far are zero."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule.layers.layer import CausalLayer
from chainrule.layers.state import State


class LowBits(CausalLayer):
    """min_{s ≤ t} of the zeros at the end of x_s in binary, `most` at most: (B, T, 1) → (B, T, 1).

    A recording of 8 bits that was stored with 16 has 8 of them. Lossless coders look for such bits in each block, as
    "wasted bits" (FLAC) or "redundant bits" (WavPack); this knows as much as the samples so far say.

    Args:
        most: bits, at least 1.
    """

    receptive_field = None
    supports_streaming = True
    powers: Tensor

    def __init__(self, most: int) -> None:
        super().__init__()
        self.register_buffer("powers", 2.0 ** torch.arange(1, most + 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, 1) → (B, T, 1)."""
        odd = self._odd(x).cumsum(1)
        return (odd == 0).to(x.dtype).sum(-1, keepdim=True)

    def init_state(self, batch: int, *, length: int, device: torch.device, dtype: torch.dtype) -> State:
        """(B, most): the sum of what `_odd` says of the samples so far."""
        return torch.zeros(batch, len(self.powers), device=device, dtype=dtype)

    def step(self, x: Tensor, state: State, t: Tensor) -> tuple[Tensor, State]:
        """(B, 1) → (B, 1)."""
        state = state + self._odd(x)
        return (state == 0).to(x.dtype).sum(-1, keepdim=True), state

    def prefill(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, n, 1) → (B, n, 1)."""
        return self(x), state + self._odd(x).sum(1)

    def _odd(self, x: Tensor) -> Tensor:
        """(…, 1) → (…, most): 1 where x is no multiple of that power of 2."""
        powers = self.powers.to(x.dtype)
        return (torch.floor(x / powers) * powers != x).to(x.dtype)
