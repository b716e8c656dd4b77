"""Networks that take any part of an item as known: perceptrons that also see which variables they are given."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.layers import Encoding
from chainrule.layers.dropout import Dropout
from chainrule.networks import RunningHidden


class Seen(Encoding):
    """Another code with a 1 beside it, (x ⊙ m, m); all zeros where the cell is missing."""

    def __init__(self, code: Encoding) -> None:
        super().__init__()
        self.code = code

    def forward(self, sites: Tensor) -> Tensor:
        """(B, n, 1) → (B, n, C + 1)."""
        return self._marked(self.code(sites.nan_to_num()), sites)

    def at(self, prev: Tensor, index: Tensor) -> Tensor:
        """(B, 1) → (B, C + 1)."""
        return self._marked(self.code.at(prev.nan_to_num(), index), prev)

    def per_site(self) -> dict[str, Tensor]:
        """The other code's."""
        return {f"code.{name}": buffer for name, buffer in self.code.per_site().items()}

    @staticmethod
    def _marked(code: Tensor, values: Tensor) -> Tensor:
        there = (~values.isnan()).to(code.dtype)
        return torch.cat([code, torch.ones_like(code[..., :1])], dim=-1) * there


class OrderlessHidden(RunningHidden):
    """A net on (x ⊙ m, m). Its first layer is a sum over the variables seen, so along an ordering it is NADE's a_d.

    Fresh, it reads nothing from what is seen: training begins with the variables on their own.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        nn.init.zeros_(self.out_weight)

    def guess(self, sites: Tensor, seen: Tensor, cond: Tensor | None = None) -> Tensor:
        """The parameters of every site given those seen alone: (B, D, 1), booleans (B, D) → (B, D, P)."""
        codes = self.code(sites) * seen[..., None]
        first = self._start(cond, sites.shape[0]) + codes.flatten(1) @ self.weight.flatten(0, 1)
        params = self.activation(first) @ self.out_weight.flatten(0, 1).T
        return params.unflatten(1, self.out_bias.shape) + self.out_bias


class Residual(nn.Module):
    """y = x + layers(x)."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(B, D) → (B, D)."""
        return x + self.layers(x)


def residual_layers(hidden: Sequence[int], dropout: float) -> nn.Module:
    """What follows the first pre-activation a: ReLU, and then h ← h + dropout(ReLU(W h + b)) for each further layer."""
    layers: list[nn.Module] = [nn.ReLU(), Dropout(dropout)]
    for before, width in pairwise(hidden):
        layers.append(Residual(nn.Linear(before, width), nn.ReLU(), Dropout(dropout)))
    return nn.Sequential(*layers)


def linear_residual_layers(hidden: Sequence[int], dropout: float) -> nn.Module:
    """What follows the first pre-activation a: a ← a + W · dropout(ReLU(a)) + b for each layer.

    The sum itself is not rectified. So the parameters have a linear part, logistic regressions on what is seen, learned
    first.
    """
    return nn.Sequential(
        *[Residual(nn.ReLU(), Dropout(dropout), nn.Linear(width, width)) for width in hidden]
    )
