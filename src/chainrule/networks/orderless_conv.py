"""Convolutions that take any pixels as known."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.devices import index_on
from chainrule.layers import Condition, Encoding, State, write_at
from chainrule.networks import Network, Reordered

# Images that the parallel pass evaluates at once.
ROWS = 256


class SeenState(NamedTuple):
    """The codes drawn so far (B, D, C), which are drawn (B, D, 1), and the condition's features (B, F) or ()."""

    codes: Tensor
    seen: Tensor
    cond: State


class ImageGuesser(Network):
    """Convolutions without pooling on (x ⊙ m, m), which give the parameters of every pixel from those seen.

    Along an ordering each site needs an evaluation of its own: D of them, in both modes.

    Args:
        code: encodes a value in C channels.
        channels: C.
        shape: of an image.
        places: the flat position in the image of each site (D,).
        width: F, features of the hidden layers.
        depth: residual blocks of two convolutions.
        kernel_size: odd.
        size: P.
        masked: whether m is an input as well.
        condition: adds to the first features.
    """

    places: Tensor

    def __init__(
        self,
        code: Encoding,
        channels: int,
        shape: tuple[int, int, int],
        places: Tensor,
        *,
        width: int,
        depth: int,
        kernel_size: int,
        size: int,
        masked: bool,
        condition: Condition,
    ) -> None:
        super().__init__(condition)
        self.code, self.channels, self.shape, self.size, self.masked = code, channels, shape, size, masked
        self.register_buffer("places", places, persistent=False)
        inputs, padding = shape[0] * (channels + masked), kernel_size // 2
        self.first = nn.Conv2d(inputs, width, kernel_size, padding=padding)
        pairs = [
            [nn.Conv2d(width, width, kernel_size, padding=padding) for _ in range(2)] for _ in range(depth)
        ]
        self.blocks = nn.ModuleList(nn.Sequential(nn.ReLU(), a, nn.ReLU(), b) for a, b in pairs)
        self.last = nn.Conv2d(width, shape[0] * size, 1)
        self.bias = nn.Parameter(torch.zeros(len(places), size))

    def guess(self, sites: Tensor, seen: Tensor, cond: Tensor | None = None) -> Tensor:
        """The parameters of every site given those seen alone: (B, D, 1), booleans (B, D) → (B, D, P)."""
        codes = self.code(sites)
        shown = seen[..., None].to(codes.dtype)
        return self._evaluate(codes * shown, shown, self.condition(cond, sites.shape[0]))

    def forward(self, sites: Tensor, cond: Tensor | None = None) -> Tensor:
        """(B, D, 1) → (B, D, P)."""
        return self._along(self.code(sites), self.condition(cond, sites.shape[0]), sites.shape[1])

    def init_state(
        self, batch: int, *, cond: Tensor | None = None, length: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        """Nothing seen."""
        added = self.condition(cond, batch)
        codes = torch.zeros(batch, length, self.channels, device=device, dtype=dtype)
        return SeenState(codes, torch.zeros_like(codes[..., :1]), () if added is None else added)

    def step(self, prev: Tensor, state: State, t: Tensor, *, phase: Hashable = None) -> tuple[Tensor, State]:
        """(B, 1) → (B, P), by an evaluation of the whole net."""
        index, drawn = torch.clamp(t - 1, min=0), (t > 0).to(state.seen.dtype)
        code = torch.where(t > 0, self.code.at(prev, index), torch.zeros_like(state.codes[:, 0]))
        codes = write_at(state.codes, index, code)
        seen = write_at(state.seen, index, drawn.expand(prev.shape[0], 1))
        params = self._evaluate(codes, seen, state.cond if isinstance(state.cond, Tensor) else None)
        return params.index_select(1, t.reshape(1))[:, 0], SeenState(codes, seen, state.cond)

    def prefill(self, sites: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, n, 1) → (B, n, P)."""
        n = sites.shape[1]
        codes = torch.cat([self.code(sites), state.codes[:, n:]], dim=1)
        seen = (torch.arange(codes.shape[1], device=codes.device) < n).to(codes.dtype)
        params = self._along(codes, state.cond if isinstance(state.cond, Tensor) else None, n)
        return params, SeenState(codes, seen[:, None].expand_as(state.seen).contiguous(), state.cond)

    def reordered(self, sites: Tensor, units: torch.Generator | None = None) -> Reordered:
        """The same weights in the ordering whose position t holds site `sites[t]`."""
        sites = index_on(self.places.device, sites)
        return Reordered(self, {"places": self.places[sites], "bias": self.bias[sites]})

    @property
    def prefill_multiple(self) -> int:
        """A site."""
        return 1

    @property
    def encoder(self) -> nn.Module:
        """The code."""
        return self.code

    def _along(self, codes: Tensor, added: Tensor | None, n: int) -> Tensor:
        """Site t of the first n, each from those before it alone: codes (B, D, C) → (B, n, P)."""
        batch, length = codes.shape[:2]
        params = []
        sites = torch.arange(length, device=codes.device)
        for ts in torch.arange(n, device=codes.device).split(max(1, ROWS // max(batch, 1))):
            shown = (sites < ts[:, None]).to(codes.dtype)[None, :, :, None].expand(batch, -1, -1, -1)
            features = None if added is None else added.repeat_interleave(len(ts), 0)
            every = self._evaluate((codes[:, None] * shown).flatten(0, 1), shown.flatten(0, 1), features)
            index = ts[None, :, None, None].expand(batch, -1, 1, self.size)
            params.append(every.unflatten(0, (batch, len(ts))).gather(2, index)[:, :, 0])
        return torch.cat(params, dim=1)

    def _evaluate(self, codes: Tensor, shown: Tensor, added: Tensor | None) -> Tensor:
        """Codes (R, D, C), zero where not shown (R, D, 1) → (R, D, P)."""
        inputs = torch.cat([codes, shown], dim=-1) if self.masked else codes
        flat = torch.zeros_like(inputs).index_copy(1, self.places, inputs)
        colours, height, width = self.shape
        image = flat.unflatten(1, (colours, height, width)).permute(0, 1, 4, 2, 3).flatten(1, 2)
        hidden = self.first(image)
        hidden = hidden if added is None else hidden + added[..., None, None]
        for block in self.blocks:
            hidden = hidden + block(hidden)
        params = self.last(F.relu(hidden)).unflatten(1, (colours, self.size)).permute(0, 1, 3, 4, 2)
        return params.flatten(1, 3).index_select(1, self.places) + self.bias
