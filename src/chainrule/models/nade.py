"""NADE: one hidden layer shared by all conditionals, its pre-activation updated by each variable in turn."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import torch
from torch import Tensor, nn

from chainrule.domain import Domain
from chainrule.heads import vector_head
from chainrule.layers import Code, Condition, Network, State
from chainrule.models.encoding import vector_encoder
from chainrule.models.model import AutoregressiveModel
from chainrule.ordering import Ordering

FIRST, AFTER = "first", "after"


class RunningHidden(Network):
    """a_1 = c, a_{d+1} = a_d + W_d · code(x_d), h_d = σ(a_d), parameters V_d h_d + b_d.

    The parallel pass keeps all a_d at once, (B, D, H) by a running sum; O(D·H) per item in both modes.

    Args:
        code: encodes a value in C channels.
        channels: C.
        length: D.
        hidden: H.
        size: P.
        condition: adds to a_1.
    """

    def __init__(
        self, code: Code, channels: int, length: int, hidden: int, size: int, condition: Condition
    ) -> None:
        super().__init__(condition)
        self.code, self.hidden = code, hidden
        self.weight = nn.Parameter(torch.randn(length, channels, hidden) / math.sqrt(length))
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.out_weight = nn.Parameter(torch.randn(length, size, hidden) / math.sqrt(hidden))
        self.out_bias = nn.Parameter(torch.zeros(length, size))

    def forward(self, sites: Tensor, cond: Tensor | None = None) -> Tensor:
        """(B, D, 1) → (B, D, P)."""
        return self._readout(self._running(sites, self._start(cond, len(sites))))

    def init_state(
        self, batch: int, *, cond: Tensor | None = None, length: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        """a_1 (B, H)."""
        return self._start(cond, batch).to(dtype)

    def step(self, prev: Tensor, state: State, t: Tensor, *, phase: Hashable = None) -> tuple[Tensor, State]:
        """(B, 1) → (B, P)."""
        if phase == AFTER:
            state = state + self.code.at(prev, t - 1) @ self.weight.index_select(0, (t - 1).reshape(1))[0]
        index, hidden = t.reshape(1), torch.sigmoid(state)
        params = hidden @ self.out_weight.index_select(0, index)[0].T + self.out_bias.index_select(0, index)
        return params, state

    def prefill(self, sites: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, n, 1) → (B, n, P)."""
        running = self._running(sites, state)
        return self._readout(running), running[:, -1].contiguous()

    def schedule(self, length: int) -> Sequence[Hashable]:
        """The first variable has nothing before it to add."""
        return [FIRST] + [AFTER] * (length - 1)

    @property
    def encoder(self) -> nn.Module:
        """The code."""
        return self.code

    def _start(self, cond: Tensor | None, batch: int) -> Tensor:
        added = self.condition(cond, batch)
        start = self.bias.expand(batch, -1)
        return (start if added is None else start + added).contiguous()

    def _running(self, sites: Tensor, start: Tensor) -> Tensor:
        """(B, n, 1), a_1 (B, H) → a_1 … a_n (B, n, H)."""
        n = sites.shape[1]
        code = self.code(sites[:, : n - 1]).transpose(0, 1)  # one matrix product per variable
        updates = torch.bmm(code, self.weight[: n - 1]).transpose(0, 1)
        return torch.cat([start[:, None], updates], dim=1).cumsum(1)

    def _readout(self, running: Tensor) -> Tensor:
        n = running.shape[1]
        hidden = torch.sigmoid(running).transpose(0, 1)
        params = torch.bmm(hidden, self.out_weight[:n].transpose(1, 2)).transpose(0, 1)
        return params + self.out_bias[:n]


class NADE(AutoregressiveModel):
    """p(x_d | x_<d) = σ(V_d h_d + b_d), h_d = σ(c + W_{<d} x_{<d}); with more levels, softmax over one-hot inputs.

    Args:
        hidden: H.
        classes, embedding: of the condition; see `layers.Condition`.
        encoding: see `models.encoding`.
        components: of the mixtures, for numbers.
        ordering: of the variables.

    References:
        Larochelle, Murray (2011), "The neural autoregressive distribution estimator"; Uria et al. (2016),
        "Neural autoregressive distribution estimation", https://arxiv.org/abs/1605.02226
    """

    def __init__(
        self,
        domain: Domain,
        *,
        hidden: int = 500,
        classes: int | None = None,
        embedding: int | None = None,
        encoding: str | None = None,
        components: int = 10,
        ordering: str | list[int] = "natural",
    ) -> None:
        order = Ordering(domain, ordering)
        code, channels = vector_encoder(domain, order.permutation.tolist(), encoding)
        head = vector_head(domain, order.permutation.tolist(), components=components)
        condition = Condition(hidden, classes=classes, embedding=embedding)
        network = RunningHidden(code, channels, domain.size, hidden, head.size, condition)
        super().__init__(network, domain, head, ordering=order)
