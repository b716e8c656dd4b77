"""Llama."""

from __future__ import annotations

from types import MappingProxyType

from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.domain import Domain
from chainrule.layers import (
    CausalAttention,
    CausalLayer,
    Condition,
    Pointwise,
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


class SwiGLU(nn.Module):
    """y = W_3 (silu(W_1 x) ⊙ W_2 x), (…, C) → (…, C).

    Args:
        channels: C.
        hidden: units.

    References:
        Shazeer (2020), "GLU variants improve Transformer", https://arxiv.org/abs/2002.05202
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.gate, self.read = (nn.Linear(channels, hidden, bias=False) for _ in range(2))
        self.write = nn.Linear(hidden, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(…, C) → (…, C)."""
        return self.write(F.silu(self.gate(x)) * self.read(x))


class Llama(AutoregressiveModel):
    """h_t = e(x_(t-1)); h ← h + attention(norm h), h ← h + SwiGLU(norm h), `depth` times; logits W norm h.

    Norms are root-mean-square, positions rotary, nothing adds a bias. Weights begin as those of GPT-2 do: the paper
    does not say how.

    Args:
        channels: of the residual stream.
        depth: blocks.
        heads: of the queries of each attention.
        shared: how many of them share a head of keys and values.
        hidden: units of each SwiGLU; None for 8/3 · channels, as many weights as a perceptron of 4 · channels has.
        dropout: of the embedding, the attention weights and what each block adds.
        start: the symbol that stands before the first one; -1 for a learned vector.
        tied: whether the output layer has the vectors of the embedding; it has its own otherwise.
        base, scaling: of the rotary angles; see `layers.rotary`.
        epsilon: of the norms.
        classes, embedding: of the condition; see `layers.Condition`.
        ordering: of the variables.

    References:
        Touvron et al. (2023), "LLaMA: open and efficient foundation language models",
        https://arxiv.org/abs/2302.13971; Ainslie et al. (2023), "GQA", https://arxiv.org/abs/2305.13245 (shared)
    """

    smallest = MappingProxyType({"channels": 16, "depth": 2})

    def __init__(
        self,
        domain: Domain,
        *,
        channels: int = 128,
        depth: int = 4,
        heads: int = 4,
        shared: int = 2,
        hidden: int | None = None,
        dropout: float = 0.1,
        start: int = -1,
        tied: bool = False,
        base: float = 10_000.0,
        scaling: list[float] | None = None,
        epsilon: float = 1e-5,
        classes: int | list[int] | None = None,
        embedding: int | None = None,
        ordering: str | list[int] = "natural",
    ) -> None:
        head = symbol_head(domain, start)
        symbols = Symbols(head.size, channels, start=start)
        hidden = 8 * channels // 3 if hidden is None else hidden

        layers: list[CausalLayer] = []
        for _ in range(depth):
            attention = CausalAttention(
                channels,
                heads=heads,
                length=domain.size,
                dropout=dropout,
                shared=shared,
                bias=False,
                base=base,
                scaling=scaling,
            )
            unit = SwiGLU(channels, hidden)
            initialise(attention, attention.write, 2 * depth)
            initialise(unit, unit.write, 2 * depth)
            for layer in (attention, Pointwise(unit)):
                layers.append(Residual(RootMeanSquareNorm(channels, epsilon), layer, dropout))
        scores = Scores(head.size, channels, symbols if tied else None)
        layers += [Pointwise(RootMeanSquareNorm(channels, epsilon)), Pointwise(scores)]

        first = Pointwise(Dropout(dropout))
        condition = Condition(channels, classes=classes, embedding=embedding)
        super().__init__(Stack(symbols, first, Serial(*layers), condition), domain, head, ordering=ordering)
