"""The temporal convolutional network: residual blocks of dilated causal convolutions."""

from __future__ import annotations

from torch import nn

from chainrule.domain import Domain
from chainrule.layers import CausalLayer, Condition, Pointwise, Serial, Stack, StrictInput, TemporalBlock
from chainrule.models.model import AutoregressiveModel
from chainrule.models.sequence import sequence_parts


class TCN(AutoregressiveModel):
    """Residual blocks of two dilated causal convolutions, of dilation 1, 2, 4, … 2^(depth-1) → 1×1 → softmax.

    A site reads 1 + 2·(kernel_size-1)·(2^depth - 1) sites before it.

    Args:
        channels: of every block.
        depth: blocks.
        kernel_size: taps of each convolution.
        dropout: after each activation.
        output: see `models.sequence`.
        classes, embedding: of the condition, which is added behind the first block; see `layers.Condition`.
        encoding: see `models.encoding`.
        ordering: of the variables.

    References:
        Bai, Kolter, Koltun (2018), "An empirical evaluation of generic convolutional and recurrent networks
        for sequence modeling", https://arxiv.org/abs/1803.01271
    """

    def __init__(
        self,
        domain: Domain,
        *,
        channels: int = 128,
        depth: int = 5,
        kernel_size: int = 3,
        dropout: float = 0.1,
        output: str = "independent",
        classes: int | list[int] | None = None,
        embedding: int | None = None,
        encoding: str | None = None,
        ordering: str | list[int] = "natural",
    ) -> None:
        parts = sequence_parts(domain, encoding=encoding, output=output)

        def block(inputs: int, dilation: int) -> CausalLayer:
            return TemporalBlock(
                inputs, channels, kernel_size=kernel_size, dilation=dilation, dropout=dropout
            )

        first = block(parts.channels, 1)
        layers = [block(channels, 2**i) for i in range(1, depth)]
        body = Serial(*layers, Pointwise(nn.Linear(channels, parts.head.size)))

        condition = Condition(channels, classes=classes, embedding=embedding)
        network = Stack(StrictInput(parts.code), first, body, condition)
        super().__init__(network, domain, parts.head, ordering=ordering)
