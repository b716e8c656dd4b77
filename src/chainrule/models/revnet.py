"""RevNet: a residual net whose training takes the memory of one block, however deep it is."""

from __future__ import annotations

from types import MappingProxyType

from torch import nn

from chainrule.domain import Domain
from chainrule.layers import CausalConv1d, CausalLayer, Condition, Pointwise, Reversible, Serial, StrictInput
from chainrule.layers.dropout import Dropout
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.models.parts.encoders import EncodingName
from chainrule.models.parts.sequence import OutputName, sequence_parts
from chainrule.networks import Stack


class RevNet(AutoregressiveModel):
    """y_1 = x_1 + F(x_2), y_2 = x_2 + G(y_1), `depth` times, between two linear maps of each site.

    F and G are norm → ReLU → convolution, twice: the paper's residual function, with causal convolutions along the
    variables, and with layer normalisation. Batch normalisation would leak later sites to a site in training.

    Args:
        channels: of each half.
        depth: pairs of F and G.
        kernel_size: taps of each convolution.
        cycle: dilations are 1, 2, 4, … 2^(cycle-1), again and again; the four convolutions of a pair have the same.
        dropout: of what F and G give.
        recompute: whether training computes activations twice instead of keeping them; results are the same.
        output: see `models.sequence`.
        classes, embedding: of the condition; see `layers.Condition`.
        encoding: see `models.encoding`.
        ordering: of the variables.

    References:
        Gomez et al. (2017), "The reversible residual network: backpropagation without storing activations",
        https://arxiv.org/abs/1707.04585
    """

    smallest = MappingProxyType({"channels": 12, "depth": 1})

    def __init__(
        self,
        domain: Domain,
        *,
        channels: int = 64,
        depth: int = 5,
        kernel_size: int = 3,
        cycle: int = 5,
        dropout: float = 0.1,
        recompute: bool = True,
        output: OutputName = "independent",
        classes: int | list[int] | None = None,
        embedding: int | None = None,
        encoding: EncodingName | None = None,
        ordering: str | list[int] = "natural",
    ) -> None:
        code, inputs, head, _ = sequence_parts(domain, encoding=encoding, output=output)
        stream = 2 * channels

        def residual(dilation: int) -> CausalLayer:
            layers: list[CausalLayer] = []
            for _ in range(2):
                layers += [Pointwise(nn.LayerNorm(channels)), Pointwise(nn.ReLU())]
                layers.append(CausalConv1d(channels, channels, kernel_size=kernel_size, dilation=dilation))
            return Serial(*layers, Pointwise(Dropout(dropout)))

        dilations = [2 ** (i % cycle) for i in range(depth)]
        pairs = Reversible(*(residual(d) for d in dilations for _ in "FG"), recompute=recompute)
        last = [nn.LayerNorm(stream), nn.ReLU(), nn.Linear(stream, head.size)]

        condition = Condition(stream, classes=classes, embedding=embedding)
        body = Serial(pairs, *(Pointwise(layer) for layer in last))
        network = Stack(StrictInput(code), Pointwise(nn.Linear(inputs, stream)), body, condition)
        super().__init__(network, domain, head, ordering=ordering)
