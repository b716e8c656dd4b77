"""One hidden layer shared by all conditionals, its pre-activation updated by each variable in turn."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.devices import index_on
from chainrule.layers.condition import Condition
from chainrule.layers.encoding import Encoding
from chainrule.layers.linear import by_hand, strictly_lower
from chainrule.layers.state import State
from chainrule.networks.network import Network
from chainrule.networks.reordered import Reordered
from chainrule.networks.sigmoid_scan import SigmoidScan

FIRST, AFTER = "first", "after"
# Variables that the parallel pass takes at once: the product below grows with it, the number of products falls.
TILE = 8


class RunningHidden(Network):
    """a_1 = c, a_{d+1} = a_d + W_d · code(x_d), h_d = f(ρ_d a_d), parameters V_d h_d + b_d.

    The parallel pass computes all h_d, (B, D, H), a tile of variables at a time; O(D·H) per item in both modes.

    Args:
        code: encodes a value in C channels.
        channels: C.
        length: D.
        hidden: H.
        size: P.
        condition: adds to a_1.
        activation: f, (…, H) → (…, F).
        features: F; H by default.
        rescale: whether ρ_d is learned, from 1/d; else it is 1.
    """

    def __init__(
        self,
        code: Encoding,
        channels: int,
        length: int,
        hidden: int,
        size: int,
        condition: Condition | None = None,
        activation: Callable[[Tensor], Tensor] = torch.sigmoid,
        features: int | None = None,
        rescale: bool = False,
    ) -> None:
        super().__init__(condition)
        features = hidden if features is None else features
        self.code, self.activation = code, activation
        self.weight = nn.Parameter(torch.randn(length, channels, hidden) / math.sqrt(length))
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.out_weight = nn.Parameter(torch.randn(length, size, features) / math.sqrt(features))
        self.out_bias = nn.Parameter(torch.zeros(length, size))
        factors = 1 / torch.arange(1.0, length + 1)
        self.factors = nn.Parameter(factors[:, None]) if rescale else None

    def forward(self, sites: Tensor, cond: Tensor | None = None) -> Tensor:
        """(B, D, 1) → (B, D, P)."""
        return self.scan(sites, self._start(cond, sites.shape[0]))

    def init_state(
        self, batch: int, *, cond: Tensor | None = None, length: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        """a_1 (B, H)."""
        return self._start(cond, batch).to(dtype)

    def step(self, prev: Tensor, state: State, t: Tensor, *, phase: Hashable = None) -> tuple[Tensor, State]:
        """(B, 1) → (B, P)."""
        if phase == AFTER:
            code, rows = self.code.at(prev, t - 1), self.weight.index_select(0, (t - 1).reshape(1))[0]
            state = torch.addcmul(state, code, rows) if len(rows) == 1 else state + code @ rows
        index = t.reshape(1)
        scaled = state if self.factors is None else state * self.factors.index_select(0, index)
        hidden = self.activation(scaled)
        params = hidden @ self.out_weight.index_select(0, index)[0].T + self.out_bias.index_select(0, index)
        return params, state

    def prefill(self, sites: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, n, 1) → (B, n, P)."""
        last = sites.shape[1] - 1
        code, weight = self.code(sites)[:, :last].flatten(1), self.weight[:last].flatten(0, 1)
        return self.scan(sites, state), state + code @ weight

    def schedule(self, length: int) -> Sequence[Hashable]:
        """The first variable has nothing before it to add."""
        return [FIRST] + [AFTER] * (length - 1)

    def reordered(self, sites: Tensor, units: torch.Generator | None = None) -> Reordered:
        """The same weights, which belong to variables, in the ordering whose position t holds site `sites[t]`."""
        sites = index_on(self.weight.device, sites)
        own = {name: getattr(self, name)[sites] for name in ("weight", "out_weight", "out_bias")}
        codes = {f"code.{name}": buffer[sites] for name, buffer in self.code.per_site().items()}
        return Reordered(self, {**own, **codes})

    @property
    def prefill_multiple(self) -> int:
        """A site."""
        return 1

    @property
    def encoder(self) -> nn.Module:
        """The code."""
        return self.code

    def _start(self, cond: Tensor | None, batch: int) -> Tensor:
        added = self.condition(cond, batch)
        start = self.bias.expand(batch, -1)
        return (start if added is None else start + added).contiguous()

    def scan(self, sites: Tensor, start: Tensor) -> Tensor:
        """(B, n, 1) and a_1 (B, H) → the parameters of the first n variables (B, n, P).

        Inside a tile of T variables a running sum is a product with a triangular matrix, (T·B, T·C) by (T·C, H):
        the sums are written once, where they are used, and gradients come out of products too.
        """
        codes = self.code(sites)
        if self.activation is torch.sigmoid and self.factors is None and by_hand(codes):
            n = sites.shape[1]
            result: Any = SigmoidScan.apply(
                codes.transpose(0, 1), start, self.weight[:n], self.out_weight[:n]
            )
            return (result + self.out_bias[:n, None]).transpose(0, 1)
        factors = () if self.factors is None else self.factors.split(TILE)
        weights, outs, biases = (p.split(TILE) for p in (self.weight, self.out_weight, self.out_bias))
        params = []
        for i, tile in enumerate(codes.split(TILE, dim=1)):
            length, channels = tile.shape[1:]
            before = strictly_lower(length, tile.device).to(tile).repeat_interleave(channels, 1)
            flat, weight = tile.flatten(1), weights[i][:length].flatten(0, 1)
            running = start + (before[:, None] * flat).flatten(0, 1).matmul(weight).unflatten(0, (length, -1))
            if factors:
                running = running * factors[i][:length, None]
            hidden = self.activation(running)
            product = _Readout.apply(hidden, outs[i][:length])
            params.append(product + biases[i][:length, None])
            start = start + flat @ weight
        return torch.cat(params).transpose(0, 1)


class _Readout(torch.autograd.Function):
    """(T, B, H), (T, P, H) → (T, B, P). With one row to a product, as bits have, autograd's own gradient is slow."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor) -> Tensor:
        hidden = hidden.to(weight.dtype)  # under autocast they differ
        ctx.save_for_backward(hidden, weight)
        return torch.bmm(hidden, weight.transpose(1, 2))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        hidden, weight = ctx.saved_tensors
        grad = grad.to(weight.dtype)
        of_hidden = grad * weight if weight.shape[1] == 1 else torch.bmm(grad, weight)
        return of_hidden, torch.bmm(grad.transpose(1, 2), hidden)
