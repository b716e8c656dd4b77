"""Each variable a linear map of those before it: the net of an FVSBN."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from chainrule.layers import Condition, Encoding, MaskedLinear, State, strictly_lower, write_at
from chainrule.networks import Network


class RegressionState(NamedTuple):
    """The codes so far (B, D, C), zero where not drawn, and the condition's logits (B, D·P), () if there is none."""

    codes: Tensor
    cond: State


class LogisticRegressions(Network):
    """Parameters of variable d: a linear map of the codes of those before it.

    Args:
        code: encodes a value in C channels.
        channels: C.
        length: D.
        size: P.
        condition: adds to the parameters.
    """

    def __init__(self, code: Encoding, channels: int, length: int, size: int, condition: Condition) -> None:
        super().__init__(condition)
        self.code, self.channels, self.size = code, channels, size
        mask = strictly_lower(length).repeat_interleave(size, 0).repeat_interleave(channels, 1)
        self.linear = MaskedLinear(mask)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, sites: Tensor, cond: Tensor | None = None) -> Tensor:
        """(B, D, 1) → (B, D, P)."""
        added = self.condition(cond, sites.shape[0])
        params = self.linear(self.code(sites).flatten(1))
        return (params if added is None else params + added).unflatten(1, (-1, self.size))

    def init_state(
        self, batch: int, *, cond: Tensor | None = None, length: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        """No code yet."""
        added = self.condition(cond, batch)
        codes = torch.zeros(batch, length, self.channels, device=device, dtype=dtype)
        return RegressionState(codes, () if added is None else added)

    def step(self, prev: Tensor, state: State, t: Tensor, *, phase: Hashable = None) -> tuple[Tensor, State]:
        """(B, 1) → (B, P): the rows of variable t."""
        code = self.code.at(prev, torch.clamp(t - 1, min=0))
        code = torch.where(t > 0, code, torch.zeros_like(code))
        codes = write_at(state.codes, torch.clamp(t - 1, min=0), code)
        rows = t * self.size + torch.arange(self.size, device=t.device)
        params = self.linear.rows(codes.flatten(1), rows)
        if isinstance(state.cond, Tensor):
            params = params + state.cond.index_select(1, rows)
        return params, RegressionState(codes, state.cond)

    def prefill(self, sites: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, n, 1) → (B, n, P)."""
        n = sites.shape[1]
        codes = torch.cat([self.code(sites), state.codes[:, n:]], dim=1)
        params = self.linear(codes.flatten(1))
        if isinstance(state.cond, Tensor):
            params = params + state.cond
        return params.unflatten(1, (-1, self.size))[:, :n], RegressionState(codes, state.cond)

    @property
    def encoder(self) -> nn.Module:
        """The code."""
        return self.code
