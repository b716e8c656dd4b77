"""Masked self-attention with a cache of keys and values."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.errors import ChainruleError
from chainrule.layers.dropout import Dropout, dropout
from chainrule.layers.layer import CausalLayer
from chainrule.layers.rotary import rotary_angles
from chainrule.layers.state import State, put_at, write_at

QUERIES = 64  # of attention with dropout, at once


class CausalAttention(CausalLayer):
    """y_t = W_o Σ_{s ≤ t} softmax_s(q_t·k_s / √d) v_s, for each of `heads` slices of d channels.

    Args:
        channels: C.
        heads: slices.
        length: the most positions there are; only for rotary ones.
        rotary: whether queries and keys are turned by angles that grow with their position, so that q_t·k_s knows
            t - s; channels of a head are turned in pairs (i, i + d/2).
        dropout: of the attention weights.
        shared: how many slices of queries share one of keys and values; the cache is as many times smaller.
        bias: whether the linear maps add one.
        base, scaling: of the angles; see `layers.rotary`.

    References:
        Vaswani et al. (2017), "Attention is all you need", https://arxiv.org/abs/1706.03762; Su et al. (2021),
        "RoFormer", https://arxiv.org/abs/2104.09864; Ainslie et al. (2023), "GQA",
        https://arxiv.org/abs/2305.13245 (shared)
    """

    receptive_field = None
    cos: Tensor
    sin: Tensor

    def __init__(
        self,
        channels: int,
        *,
        heads: int,
        length: int,
        rotary: bool = True,
        dropout: float = 0.0,
        shared: int = 1,
        bias: bool = True,
        base: float = 10_000.0,
        scaling: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        if channels % heads or (rotary and channels // heads % 2):
            what = "an even number of channels a head" if rotary else "a divisor of the channels"
            raise ChainruleError(f"heads: expected {what}, got {heads} heads of {channels} channels")
        if heads % shared:
            raise ChainruleError(f"shared: expected a divisor of the {heads} heads, got {shared}")
        self.heads, self.rotary, self.dropout, self.shared = heads, rotary, dropout, shared
        self.sizes = channels, channels // shared, channels // shared  # of queries, keys and values
        self.read = nn.Linear(channels, sum(self.sizes), bias=bias)
        self.write = nn.Linear(channels, channels, bias=bias)
        if rotary:
            angles = rotary_angles(length, channels // heads // 2, base=base, scaling=scaling)
            self.register_buffer("cos", angles.cos(), persistent=False)
            self.register_buffer("sin", angles.sin(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) → (B, T, C)."""
        return self._attend(*self._read(x))

    def init_state(self, batch: int, *, length: int, device: torch.device, dtype: torch.dtype) -> State:
        """Keys and values (B, length, C / shared) each, zeros where nothing is yet."""
        shape = (batch, length, self.sizes[1])
        return tuple(torch.zeros(shape, device=device, dtype=dtype) for _ in range(2))

    def step(self, x: Tensor, state: State, t: Tensor) -> tuple[Tensor, State]:
        """(B, C) → (B, C): one query over all that is cached."""
        q, k, v = self._read(x[:, None], t.reshape(1))
        keys, values = write_at(state[0], t, k[:, 0]), write_at(state[1], t, v[:, 0])
        seen = torch.arange(keys.shape[1], device=x.device) <= t
        return self._attend(q, keys, values, seen)[:, 0], (keys, values)

    def prefill(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, n, C) → (B, n, C)."""
        q, k, v = self._read(x)
        at = torch.arange(x.shape[1], device=x.device)
        return self._attend(q, k, v), (put_at(state[0], at, k), put_at(state[1], at, v))

    def _read(self, x: Tensor, at: Tensor | None = None) -> tuple[Tensor, ...]:
        """Queries (B, n, C), keys and values (B, n, C / shared), at positions 0 … n-1 or `at`."""
        q, k, v = self.read(x).split(self.sizes, dim=-1)
        if not self.rotary:
            return q, k, v
        tables = [t[: x.shape[1]] if at is None else t.index_select(0, at) for t in (self.cos, self.sin)]
        return self._turn(q, *tables), self._turn(k, *tables), v

    def _turn(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """(B, n, C), (n, d/2) → (B, n, C)."""
        a, b = x.unflatten(-1, (-1, 2, cos.shape[-1])).unbind(-2)
        cos, sin = cos[:, None].to(x.dtype), sin[:, None].to(x.dtype)
        return torch.stack([a * cos - b * sin, a * sin + b * cos], dim=-2).flatten(-3)

    def _split(self, x: Tensor) -> Tensor:
        """(B, n, H·d) → (B, H, n, d)."""
        return x.unflatten(-1, (-1, self.write.in_features // self.heads)).transpose(1, 2)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, seen: Tensor | None = None) -> Tensor:
        """Queries (B, n, C) over all keys up to their own place; or one over those that are `seen`, (m,) booleans."""
        q, k, v = (self._split(part) for part in (q, k, v))
        if seen is not None:
            # The one query of each of the heads that share keys, as several queries of one head.
            mask = torch.where(seen, 0.0, -torch.inf).to(q.dtype)[None]
            y = F.scaled_dot_product_attention(
                q.reshape(*k.shape[:2], self.shared, k.shape[-1]), k, v, attn_mask=mask
            )
            return self.write(y.flatten(1)[:, None])
        if self.shared > 1:
            k, v = (part.repeat_interleave(self.shared, dim=1) for part in (k, v))
        dropped = self.dropout if self.training else 0.0
        if dropped and q.device.type == "cpu":
            y = _attend_with_dropout(q, k, v, dropped)
        else:
            y = F.scaled_dot_product_attention(q, k, v, dropout_p=dropped, is_causal=True)
        return self.write(y.transpose(1, 2).flatten(2))


def _attend_with_dropout(q: Tensor, k: Tensor, v: Tensor, p: float) -> Tensor:
    """Causal attention (B, heads, n, d) with dropout of its weights, which torch has no fast kernel for on a CPU.

    Some queries at once, so that the keys after them cost nothing.
    """
    batch, heads, n, d = q.shape
    q, k, v = (part.reshape(-1, n, d) for part in (q, k, v))
    parts = []
    for start in range(0, n, QUERIES):
        stop = min(start + QUERIES, n)
        later = q.new_full((stop - start, stop), -torch.inf).triu_(start + 1)
        scores = torch.baddbmm(later, q[:, start:stop], k[:, :stop].transpose(1, 2), alpha=d**-0.5)
        parts.append(dropout(torch.softmax(scores, dim=-1), p) @ v[:, :stop])
    return torch.cat(parts, dim=1).view(batch, heads, n, d)


class Residual(CausalLayer):
    """y = x + layer(norm(x)): a pre-norm residual connection.

    Args:
        norm: a map of each position alone.
        layer: causal, with the same number of channels in and out.
        dropout: of what is added.
    """

    def __init__(self, norm: nn.Module, layer: CausalLayer, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm, self.layer, self.dropout = norm, layer, Dropout(dropout)

    @property
    def receptive_field(self) -> int | None:
        """The layer's own."""
        return self.layer.receptive_field

    @property
    def supports_streaming(self) -> bool:
        """The layer's own."""
        return self.layer.supports_streaming

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) → (B, T, C)."""
        return x + self.dropout(self.layer(self.norm(x)))

    def init_state(self, batch: int, *, length: int, device: torch.device, dtype: torch.dtype) -> State:
        """The layer's own."""
        return self.layer.init_state(batch, length=length, device=device, dtype=dtype)

    def step(self, x: Tensor, state: State, t: Tensor) -> tuple[Tensor, State]:
        """(B, C) → (B, C)."""
        y, state = self.layer.step(self.norm(x), state, t)
        return x + self.dropout(y), state

    def prefill(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, n, C) → (B, n, C)."""
        y, state = self.layer.prefill(self.norm(x), state)
        return x + self.dropout(y), state
