"""Convolution along a row: the horizontal half of a masked convolution, and its 1×1 case."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.layers.grid.grid import GridLayer
from chainrule.layers.state import State


def bounds(channels: int, groups: int) -> list[int]:
    """Where each group of channels begins, and the last one ends."""
    return [group * channels // groups for group in range(groups + 1)]


class PixelState(NamedTuple):
    """The pixels to the left (B, left, C), and the groups so far of the newest one (B, C)."""

    window: Tensor
    newest: Tensor


class PixelConv(GridLayer):
    """A pixel reads the `left` pixels before it in its row, and itself: the groups of channels up to its own.

    A strict one ("mask A") reads of its own pixel the groups before its own only; `step` then takes what is new since
    the step before: the last group of the pixel to the left for group 0, else the group before.

    Args:
        inputs, outputs: channels C and C'.
        left: how many pixels to the left; 0 is the 1×1 convolution.
        groups: G, colours that are generated one after the other.
        strict: see above.
        bias: whether there is one.
    """

    mask: Tensor

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        left: int = 0,
        groups: int = 1,
        strict: bool = False,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.left, self.groups, self.strict = left, groups, strict
        self.ins, self.outs = bounds(inputs, groups), bounds(outputs, groups)
        # A strict one without groups reads nothing of its own pixel.
        taps = left + (not strict or groups > 1)
        self.weight = nn.Parameter(torch.empty(outputs, taps, inputs))
        bound = 1 / math.sqrt(max(1, taps * inputs))
        nn.init.uniform_(self.weight, -bound, bound)
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound)) if bias else None
        self.register_buffer("mask", self._mask(taps, inputs, outputs), persistent=False)

    def _mask(self, taps: int, inputs: int, outputs: int) -> Tensor:
        mask = torch.ones(outputs, taps, inputs)
        if self.groups > 1:
            own = torch.zeros(outputs, inputs)
            for group in range(self.groups):
                own[self.outs[group] : self.outs[group + 1], : self.ins[group + (not self.strict)]] = 1
            mask[:, -1] = own
        return mask

    def kernel(self) -> Tensor:
        """The weights (C', taps, C), zero where masked."""
        return self.weight if self.groups == 1 else self.weight * self.mask

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C', H, W)."""
        weight = self.kernel().transpose(1, 2)[:, :, None]
        if self.strict and self.groups == 1:
            x = x[..., :-1]
        return F.conv2d(F.pad(x, (self.left, 0)), weight, self.bias)

    def init_state(self, batch: int, *, width: int, device: torch.device, dtype: torch.dtype) -> State:
        """Zeros."""
        window = torch.zeros(batch, self.left, self.ins[-1], device=device, dtype=dtype)
        return PixelState(window, window.new_zeros(batch, self.ins[-1]))

    def start_row(self, state: State) -> State:
        """Left of a row are zeros."""
        return PixelState(torch.zeros_like(state.window), torch.zeros_like(state.newest))

    def step(self, x: Tensor, state: State, column: Tensor, group: int) -> tuple[Tensor, State]:
        """(B, C_g) → (B, C'_g)."""
        taps, state = self._taps(x, state, group)
        rows = slice(self.outs[group], self.outs[group + 1])
        weight = self.weight[rows].flatten(1)[:, : taps.shape[1]]
        return F.linear(taps, weight, None if self.bias is None else self.bias[rows]), state

    def step_onto(self, base: Tensor, x: Tensor, state: State, group: int) -> tuple[Tensor, State]:
        """The step without the bias, added to (B, C'_g)."""
        taps, state = self._taps(x, state, group)
        weight = self.weight[self.outs[group] : self.outs[group + 1]].flatten(1)
        return torch.addmm(base, taps, weight[:, : taps.shape[1]].T), state

    def _taps(self, x: Tensor, state: State, group: int) -> tuple[Tensor, State]:
        """What the group's features are made of, (B, taps·C) or the first of these, and the state after it."""
        window, newest = state
        slot = (group - self.strict) % self.groups  # the group that x is
        pixel = x if self.groups == 1 else _put(newest, self.ins[slot], x)
        if self.strict and group == 0:
            window = self._push(window, pixel)
        known = pixel[:, : 0 if self.strict and group == 0 else self.ins[slot + 1]]
        if self.left == 0:
            taps = known
        else:
            taps = torch.cat([window.flatten(1), known], dim=1) if known.shape[1] else window.flatten(1)
        if not self.strict and group == self.groups - 1:
            window = self._push(window, pixel)
        return taps, PixelState(window, newest if self.groups == 1 else pixel)

    def _push(self, window: Tensor, pixel: Tensor) -> Tensor:
        return torch.cat([window[:, 1:], pixel[:, None]], dim=1) if self.left else window

    def prefill(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, C, r, W) → (B, C', r, W); the next row starts afresh."""
        return self(x), state

    def connect(self, reads: Tensor) -> Tensor:
        """Booleans (G, H, W, N) → (G, H, W, N)."""
        groups, _, width, _ = reads.shape
        whole = F.pad(reads.any(0), (0, 0, self.left, 0))
        out = torch.zeros_like(reads)
        for step in range(self.left):
            out |= whole[:, step : step + width]
        for group in range(groups):
            known = group + (not self.strict)
            if known:
                out[group] |= reads[:known].any(0)
        return out


def _put(pixel: Tensor, start: int, x: Tensor) -> Tensor:
    """The pixel (B, C) with x (B, C_g) from channel `start` on."""
    return torch.cat([pixel[:, :start], x, pixel[:, start + x.shape[1] :]], dim=1)
