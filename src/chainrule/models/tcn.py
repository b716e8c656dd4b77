"""The temporal convolutional network: residual blocks of dilated causal convolutions."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from torch import nn

from chainrule.domain import Domain
from chainrule.layers import (
    CausalLayer,
    Condition,
    Pointwise,
    Reversible,
    Serial,
    StrictInput,
    TemporalBlock,
    WeightNormConv1d,
)
from chainrule.layers.dropout import Dropout
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.models.parts.encoders import EncodingName
from chainrule.models.parts.sequence import OutputName, sequence_parts
from chainrule.networks import Stack


class TCN(AutoregressiveModel):
    """Residual blocks of two dilated causal convolutions, of dilation 1, 2, 4, … 2^(depth-1) → 1×1 → softmax.

    A site reads 1 + 2·(kernel_size-1)·(2^depth - 1) sites before it.

    Args:
        channels: of every block.
        depth: blocks.
        kernel_size: taps of each convolution.
        dropout: after each activation.
        reversible: whether there are two streams of `channels` each after the first block. Each convolution of a
            block then reads one and is added to the other, with no ReLU after the sum; training takes the memory of
            one block.
        output: see `models.sequence`.
        classes, embedding: of the condition, which is added after the first block; see `layers.Condition`.
        encoding: see `models.encoding`.
        ordering: of the variables.

    References:
        Bai, Kolter, Koltun (2018), "An empirical evaluation of generic convolutional and recurrent networks
        for sequence modeling", https://arxiv.org/abs/1803.01271; reversible: Gomez et al. (2017),
        https://arxiv.org/abs/1707.04585
    """

    smallest = MappingProxyType({"channels": 16, "depth": 2})

    def __init__(
        self,
        domain: Domain,
        *,
        channels: int = 128,
        depth: int = 5,
        kernel_size: int = 3,
        dropout: float = 0.1,
        reversible: bool = False,
        output: OutputName = "independent",
        classes: int | list[int] | None = None,
        embedding: int | None = None,
        encoding: EncodingName | None = None,
        ordering: str | list[int] = "natural",
    ) -> None:
        parts = sequence_parts(domain, encoding=encoding, output=output)
        stream = 2 * channels if reversible else channels
        options: Any = {"kernel_size": kernel_size, "dropout": dropout}

        first = TemporalBlock(parts.channels, stream, **options)
        blocks: list[CausalLayer] = []
        for dilation in (2**i for i in range(1, depth)):
            if reversible:
                blocks += [_half(channels, dilation=dilation, **options) for _ in "FG"]
            else:
                blocks.append(TemporalBlock(channels, channels, dilation=dilation, **options))
        last = Pointwise(nn.Linear(stream, parts.head.size))
        body = Serial(Reversible(*blocks), last) if reversible else Serial(*blocks, last)

        condition = Condition(stream, classes=classes, embedding=embedding)
        network = Stack(StrictInput(parts.code), first, body, condition)
        super().__init__(network, domain, parts.head, ordering=ordering)


def _half(channels: int, *, kernel_size: int, dilation: int, dropout: float) -> CausalLayer:
    """One of the two convolutions of a block."""
    conv = WeightNormConv1d(channels, channels, kernel_size=kernel_size, dilation=dilation)
    return Serial(conv, Pointwise(nn.ReLU()), Pointwise(Dropout(dropout)))
