"""The autoregressive model of causal 1-D convolutions."""

from __future__ import annotations

from types import MappingProxyType

from torch import nn

from chainrule.domain import Domain
from chainrule.errors import ChainruleError
from chainrule.layers import CausalConv1d, CausalLayer, Condition, Pointwise, Position, Serial, StrictInput
from chainrule.layers.dropout import Dropout
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.models.parts.encoders import EncodingName
from chainrule.models.parts.sequence import OutputName, sequence_parts
from chainrule.networks import Stack


class CausalConv1dARM(AutoregressiveModel):
    """CausalConv1d "A" → LeakyReLU → (CausalConv1d "B" → LeakyReLU) × (depth - 2) → CausalConv1d "B" → softmax.

    The network of Tomczak (2021) is `channels=256, depth=4, kernel_size=7, positions=False, dropout=0`; the
    defaults add learned positions and dropout.

    Args:
        channels: of the hidden layers.
        depth: number of convolutions, at least 2.
        kernel_size: taps of each.
        dilation: of all layers but the first.
        dropout: after each hidden activation.
        positions: whether to add a learned vector for each position after the first layer; None does so unless
            the domain is a sequence, whose statistics are the same everywhere.
        output: see `models.sequence`.
        classes, embedding: of the condition; see `layers.Condition`.
        encoding: see `models.encoding`.
        ordering: of the variables.

    References:
        Tomczak, "Deep generative modeling: autoregressive models" (2021); van den Oord et al. (2016), "WaveNet",
        https://arxiv.org/abs/1609.03499
    """

    smallest = MappingProxyType({"channels": 32})

    def __init__(
        self,
        domain: Domain,
        *,
        channels: int = 128,
        depth: int = 4,
        kernel_size: int = 7,
        dilation: int = 1,
        dropout: float = 0.3,
        positions: bool | None = None,
        output: OutputName = "independent",
        classes: int | list[int] | None = None,
        embedding: int | None = None,
        encoding: EncodingName | None = None,
        ordering: str | list[int] = "natural",
    ) -> None:
        if depth < 2:
            raise ChainruleError(f"depth: expected at least 2 convolutions, got {depth}")
        values, inputs, head, length = sequence_parts(domain, encoding=encoding, output=output)
        if positions is None:
            positions = domain.layout != "sequence"

        first = CausalConv1d(inputs, channels, kernel_size=kernel_size)
        layers: list[CausalLayer] = [Position(length, channels)] if positions else []
        for i in range(1, depth):
            layers += [Pointwise(nn.LeakyReLU()), Pointwise(Dropout(dropout))]
            outputs = channels if i < depth - 1 else head.size
            layers.append(CausalConv1d(channels, outputs, kernel_size=kernel_size, dilation=dilation))

        condition = Condition(channels, classes=classes, embedding=embedding)
        network = Stack(StrictInput(values), first, Serial(*layers), condition)
        super().__init__(network, domain, head, ordering=ordering)
