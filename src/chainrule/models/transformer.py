"""The decoder-only Transformer."""

from __future__ import annotations

from types import MappingProxyType
from typing import Literal

from torch import nn

from chainrule.domain import Domain
from chainrule.domain.ordering import Ordering
from chainrule.errors import ChainruleError
from chainrule.layers import (
    CausalAttention,
    CausalLayer,
    Condition,
    PerSite,
    Pointwise,
    Position,
    Residual,
    Reversible,
    Serial,
    StrictInput,
)
from chainrule.layers.dropout import Dropout
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.models.parts.encoders import EncodingName
from chainrule.models.parts.sequence import OutputName, sequence_parts
from chainrule.networks import Stack

INITIAL = 0.02  # standard deviation of the weights


class Transformer(AutoregressiveModel):
    """x ← x + attention(norm x), x ← x + W_2 gelu(W_1 norm x), `depth` times; then norm and a linear map.

    Each column of a table or of a vector of reals has its own linear maps, from its value and to its conditional.

    Args:
        channels: of the residual stream.
        depth: blocks.
        heads: of each attention.
        positions: "rotary" or "learned".
        dropout: of the embedding, the attention weights and what each block adds.
        reversible: whether there are two streams of `channels` each, one changed by attentions that read the other,
            which is changed by perceptrons that read the first; training then takes the memory of one block.
        output: see `models.sequence`.
        classes, embedding: of the condition; see `layers.Condition`.
        encoding: see `models.encoding`.
        components, kernel: of the mixtures, for reals; see `heads.Mixture`.
        ordering: of the variables.

    References:
        Radford et al. (2019), "Language models are unsupervised multitask learners" (the pre-norm decoder and its
        initialisation); Vaswani et al. (2017), https://arxiv.org/abs/1706.03762; Kitaev, Kaiser,
        Levskaya (2020), "Reformer: the efficient transformer", §3, https://arxiv.org/abs/2001.04451 (reversible);
        Fakoor et al. (2020), "TraDE: transformers for density estimation", https://arxiv.org/abs/2004.02441 (tables)
    """

    smallest = MappingProxyType({"channels": 16, "depth": 2})

    def __init__(
        self,
        domain: Domain,
        *,
        channels: int = 128,
        depth: int = 4,
        heads: int = 4,
        positions: Literal["rotary", "learned"] = "rotary",
        dropout: float = 0.1,
        reversible: bool = False,
        output: OutputName = "independent",
        classes: int | list[int] | None = None,
        embedding: int | None = None,
        encoding: EncodingName | None = None,
        components: int = 10,
        kernel: str = "logistic",
        ordering: str | list[int] = "natural",
    ) -> None:
        if positions not in ("rotary", "learned"):
            raise ChainruleError(f"positions: expected rotary or learned, got {positions!r}")
        order = Ordering(domain, ordering)
        code, inputs, head, length = sequence_parts(
            domain,
            encoding=encoding,
            output=output,
            order=order.variables.tolist(),
            components=components,
            kernel=kernel,
        )

        stream = 2 * channels if reversible else channels
        layers: list[CausalLayer] = [] if positions == "rotary" else [Position(length, stream)]
        layers.append(Pointwise(Dropout(dropout)))
        blocks: list[CausalLayer] = []
        for _ in range(depth):
            attention = CausalAttention(
                channels, heads=heads, length=length, rotary=positions == "rotary", dropout=dropout
            )
            wide, narrow = nn.Linear(channels, 4 * channels), nn.Linear(4 * channels, channels)
            perceptron = Pointwise(nn.Sequential(wide, nn.GELU(), narrow))
            for layer, last in ((attention, attention.write), (perceptron, narrow)):
                norm = nn.LayerNorm(channels)
                if reversible:
                    blocks.append(Serial(Pointwise(norm), layer, Pointwise(Dropout(dropout))))
                else:
                    blocks.append(Residual(norm, layer, dropout))
                _initialise(layer)
                # What the blocks add up to starts as large as the stream, however many there are.
                nn.init.normal_(last.weight, std=INITIAL / (2 * depth) ** 0.5)
        layers += [Reversible(*blocks)] if reversible else blocks
        first, out = _linear(domain, length, inputs, stream), _linear(domain, length, stream, head.size)
        layers += [Pointwise(nn.LayerNorm(stream)), out]

        condition = Condition(stream, classes=classes, embedding=embedding)
        network = Stack(StrictInput(code), first, Serial(*layers), condition)
        super().__init__(network, domain, head, ordering=order)


def _linear(domain: Domain, length: int, inputs: int, outputs: int) -> CausalLayer:
    """A linear map, one for each site of numbers or tables, as each is another column."""
    if not domain.discrete:
        return PerSite(length, inputs, outputs, std=INITIAL)
    layer = Pointwise(nn.Linear(inputs, outputs))
    _initialise(layer)
    return layer


def _initialise(module: nn.Module) -> None:
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, std=INITIAL)
            nn.init.zeros_(part.bias)
