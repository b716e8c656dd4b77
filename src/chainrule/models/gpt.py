"""GPT-2, and with other norms and activations ImageGPT and nanoGPT."""

from __future__ import annotations

from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.domain import Domain
from chainrule.layers import (
    CausalAttention,
    CausalLayer,
    Condition,
    Pointwise,
    Position,
    Residual,
    RootMeanSquareNorm,
    Scores,
    Serial,
    Symbols,
)
from chainrule.layers.dropout import Dropout
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.models.parts.symbols import initialise, symbol_head
from chainrule.networks import Stack


class GELU(nn.Module):
    """x Φ(x), exactly; or with Φ by a tanh; or with Φ as sigmoid(1.702 x).

    Args:
        form: "exact", "tanh" or "sigmoid".

    References:
        Hendrycks, Gimpel (2016), "Gaussian error linear units", §2, https://arxiv.org/abs/1606.08415
    """

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form = form

    def forward(self, x: Tensor) -> Tensor:
        """(…) → (…)."""
        if self.form == "sigmoid":
            return x * torch.sigmoid(1.702 * x)
        return F.gelu(x, approximate="tanh" if self.form == "tanh" else "none")


class GPT2(AutoregressiveModel):
    """h_t = e(x_(t-1)) + p_t; h ← h + attention(norm h), h ← h + W_2 gelu(W_1 norm h), `depth` times; logits E norm h.

    Args:
        channels: of the residual stream.
        depth: blocks.
        heads: of each attention.
        hidden: units of each perceptron; None for 4 · channels.
        dropout: of the embedding, the attention weights and what each block adds.
        start: the symbol that stands before the first one; -1 for a learned vector.
        tied: whether the output layer has the vectors of the embedding; it has its own otherwise.
        bias: whether linear maps and norms add one.
        gelu: "tanh", as in GPT-2; "exact", as in nanoGPT; or "sigmoid", as in ImageGPT.
        norm: "layer"; or "root-mean-square", as in ImageGPT, which has no bias.
        epsilon: of the norms.
        classes, embedding: of the condition; see `layers.Condition`.
        ordering: of the variables.

    References:
        Radford et al. (2019), "Language models are unsupervised multitask learners"; Chen et al. (2020), "Generative
        pretraining from pixels", ICML (ImageGPT)
    """

    smallest = MappingProxyType({"channels": 16, "depth": 2})

    def __init__(
        self,
        domain: Domain,
        *,
        channels: int = 128,
        depth: int = 4,
        heads: int = 4,
        hidden: int | None = None,
        dropout: float = 0.1,
        start: int = -1,
        tied: bool = True,
        bias: bool = True,
        gelu: Literal["tanh", "exact", "sigmoid"] = "tanh",
        norm: Literal["layer", "root-mean-square"] = "layer",
        epsilon: float = 1e-5,
        classes: int | list[int] | None = None,
        embedding: int | None = None,
        ordering: str | list[int] = "natural",
    ) -> None:
        head, length = symbol_head(domain, start), domain.size
        symbols = Symbols(head.size, channels, start=start)
        hidden = 4 * channels if hidden is None else hidden

        def new_norm() -> nn.Module:
            if norm == "root-mean-square":
                return RootMeanSquareNorm(channels, epsilon)
            return nn.LayerNorm(channels, epsilon, bias=bias)

        layers: list[CausalLayer] = []
        for _ in range(depth):
            attention = CausalAttention(
                channels, heads=heads, length=length, rotary=False, dropout=dropout, bias=bias
            )
            wide, narrow = nn.Linear(channels, hidden, bias=bias), nn.Linear(hidden, channels, bias=bias)
            perceptron = Pointwise(nn.Sequential(wide, GELU(gelu), narrow))
            initialise(attention, attention.write, 2 * depth)
            initialise(perceptron, narrow, 2 * depth)
            layers += [Residual(new_norm(), attention, dropout), Residual(new_norm(), perceptron, dropout)]
        scores = Scores(head.size, channels, symbols if tied else None)
        layers += [Pointwise(new_norm()), Pointwise(scores)]

        first = Serial(Position(length, channels), Pointwise(Dropout(dropout)))
        condition = Condition(channels, classes=classes, embedding=embedding)
        super().__init__(Stack(symbols, first, Serial(*layers), condition), domain, head, ordering=ordering)
