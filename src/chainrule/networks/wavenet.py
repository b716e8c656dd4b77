"""The net of WaveNet: gated residual blocks whose skips add up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.layers.condition import Condition
from chainrule.layers.conv1d import CausalConv1d
from chainrule.layers.frame_features import FrameFeatures
from chainrule.layers.gated_residual import GatedResidual
from chainrule.layers.state import State
from chainrule.layers.strict_input import StrictInput
from chainrule.networks.network import Network


class SkipState(NamedTuple):
    """What the condition adds to all gates (B, L·2C), or the features of its frames (B, K, T'), or (); the states of
    the first convolution, of the blocks, and of the linear prediction, () if there is none."""

    cond: State
    first: State
    blocks: State
    linear: State


class SkipStack(Network):
    """Strict input → first convolution → L gated residual blocks; the sum of their skips → last layers.

    Args:
        input: the strict input.
        first: from the input's channels to C.
        blocks: L of them, the last one `last`.
        last: from S channels to P, each site by itself.
        condition: of L·2C features; or of K, of frames.
        frames: brings these into the gates.
        linear: from the input's channels to P, added to the parameters.
    """

    def __init__(
        self,
        input: StrictInput,
        first: CausalConv1d,
        blocks: Sequence[GatedResidual],
        last: nn.Module,
        condition: Condition,
        frames: FrameFeatures | None = None,
        linear: CausalConv1d | None = None,
    ) -> None:
        super().__init__(condition)
        self.input, self.first, self.last, self.frames, self.linear = input, first, last, frames, linear
        self.blocks = nn.ModuleList(blocks)
        self.skip = blocks[0].skip

    def forward(self, sites: Tensor, cond: Tensor | None = None) -> Tensor:
        """(B, T, V) → (B, T, P)."""
        codes = self.input(sites)
        x, gated = self.first(codes), []
        added = self._along(self.condition(cond, sites.shape[0]), sites.shape[1])
        for block, own in zip(self.blocks, added, strict=True):
            x, z = block(x, own)
            gated.append(z)
        params = self.last(GatedResidual.skips(self.blocks, gated))
        return params if self.linear is None else params + self.linear(codes)

    def init_state(
        self, batch: int, *, cond: Tensor | None = None, length: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        """The condition's features and the convolutions' states."""
        features = self.condition(cond, batch)
        first, *blocks = (
            conv.init_state(batch, length=length, device=device, dtype=dtype) for conv in self._convs()
        )
        linear = (
            ()
            if self.linear is None
            else self.linear.init_state(batch, length=length, device=device, dtype=dtype)
        )
        return SkipState(() if features is None else features, first, tuple(blocks), linear)

    def step(self, prev: Tensor, state: State, t: Tensor, *, phase: object = None) -> tuple[Tensor, State]:
        """(B, V) → (B, P)."""
        code = self.input.step(prev, t)
        x, first = self.first.step(code, state.first, t)
        stream, after = self._enter(x), []
        for block, own, before in zip(self.blocks, self._at(state.cond, t), state.blocks, strict=True):
            stream, new = block.step(stream, own, before, t)
            after.append(new)
        params, linear = self.last(stream), state.linear
        if self.linear is not None:
            predicted, linear = self.linear.step(code, linear, t)
            params = params + predicted
        return params, SkipState(state.cond, first, tuple(after), linear)

    def prefill(self, sites: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, n, V) → (B, n, P)."""
        codes = self.input(sites)
        x, first = self.first.prefill(codes, state.first)
        stream, after = self._enter(x), []
        added = self._along(state.cond, sites.shape[1])
        for block, own, before in zip(self.blocks, added, state.blocks, strict=True):
            stream, new = block.prefill(stream, own, before)
            after.append(new)
        params, linear = self.last(stream), state.linear
        if self.linear is not None:
            predicted, linear = self.linear.prefill(codes, linear)
            params = params + predicted
        return params, SkipState(state.cond, first, tuple(after), linear)

    @property
    def receptive_field(self) -> int:
        """The convolutions' together, plus one for the strict input."""
        own = sum(conv.receptive_field for conv in self._convs())
        return 1 + max(own, 0 if self.linear is None else self.linear.receptive_field)

    @property
    def supports_streaming(self) -> bool:
        """Unless the condition comes in frames, which end."""
        return self.frames is None

    @property
    def prefill_multiple(self) -> int:
        """A site."""
        return 1

    @property
    def encoder(self) -> nn.Module:
        """The encoder of the strict input."""
        return self.input.encoder

    def _convs(self) -> list[Any]:
        return [self.first, *(block.conv for block in self.blocks)]

    def _enter(self, x: Tensor) -> Tensor:
        """Beside x, skips of zeros: (…, C) → (…, S + C)."""
        return F.pad(x, (self.skip, 0))

    # --- what the condition adds -----------------------------------------------------------------

    def _along(self, features: State, n: int) -> Iterable[Tensor | None]:
        """What each block is given at the first n sites: (B, 1, 2C), or of frames (B, n, 2C)."""
        if not isinstance(features, Tensor):
            return [None] * len(self.blocks)
        if self.frames is None:
            return features[:, None].chunk(len(self.blocks), dim=-1)
        return self.frames(features, n)

    def _at(self, features: State, t: Tensor) -> Iterable[Tensor | None]:
        """What each block is given at site t, (B, 2C)."""
        if not isinstance(features, Tensor):
            return [None] * len(self.blocks)
        added = features if self.frames is None else self.frames.at(features, t)
        return added.chunk(len(self.blocks), dim=-1)
