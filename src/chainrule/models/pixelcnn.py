"""PixelCNN: masked convolutions."""

from __future__ import annotations

from types import MappingProxyType

from torch import nn

from chainrule.domain import Domain
from chainrule.layers import (
    Condition,
    Everywhere,
    GridLayer,
    GridResidual,
    GridSerial,
    MaskedConv2d,
    PixelConv,
    StrictConv2d,
)
from chainrule.layers.dropout import Dropout
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.models.parts.image import check_sizes, image_condition, image_parts, in_groups
from chainrule.networks import RasterStack


class PixelCNN(AutoregressiveModel):
    """7×7 mask A → residual blocks (2h → h, 1×1; h → h, 3×3; h → 2h, 1×1; all mask B) → two 1×1 layers → softmax.

    Colours of a pixel are generated R, G, B; features come in one group per colour.

    Args:
        channels: h.
        depth: residual blocks.
        kernel_size: of the blocks.
        first_size: of the first convolution.
        last: features of the last layers.
        dropout: in each block.
        block: n > 1 makes blocks of n × n pixels the sites in the place of colours; all sizes are then in blocks. Of
            binary images, n = 2 is a softmax of 16, in a quarter of the sites.
        classes, embedding, maps: of the condition, which is added to the first features; see `image_condition`.

    References:
        van den Oord, Kalchbrenner, Kavukcuoglu (2016), "Pixel recurrent neural networks", §3.5 and table 1,
        https://arxiv.org/abs/1601.06759
    """

    training_defaults = MappingProxyType({"lr": 2e-3, "weight_decay": 0.01})
    smallest = MappingProxyType({"channels": 12, "depth": 2, "last": 24})

    def __init__(
        self,
        domain: Domain,
        *,
        channels: int = 32,
        depth: int = 7,
        kernel_size: int = 3,
        first_size: int = 7,
        last: int = 64,
        dropout: float = 0.2,
        block: int = 1,
        classes: int | list[int] | None = None,
        embedding: int | None = None,
        maps: int | None = None,
    ) -> None:
        check_sizes(kernel_size=kernel_size, first_size=first_size, channels=channels, last=last)
        height, width, groups, code, head, ordering = image_parts(domain, block)
        h, last = in_groups(channels, groups), in_groups(last, groups)

        def residual() -> GridLayer:
            return GridResidual(
                GridSerial(
                    Everywhere(nn.ReLU()),
                    PixelConv(2 * h, h, groups=groups),
                    Everywhere(nn.ReLU()),
                    MaskedConv2d(h, h, kernel_size=kernel_size, groups=groups),
                    Everywhere(nn.ReLU()),
                    Everywhere(Dropout(dropout)),
                    PixelConv(h, 2 * h, groups=groups),
                )
            )

        first = StrictConv2d((head.variables + 1) * groups, 2 * h, kernel_size=first_size, groups=groups)
        body = GridSerial(*(residual() for _ in range(depth)), last_layers(2 * h, last, groups, head.size))
        condition = Condition(2 * h, **image_condition(domain, classes, embedding, maps, block))
        network = RasterStack(
            code, head.variables, first, body, height=height, width=width, condition=condition
        )
        super().__init__(network, domain, head, ordering=ordering)


def last_layers(features: int, hidden: int, groups: int, size: int) -> GridSerial:
    """ReLU → 1×1 → ReLU → 1×1, to `size` parameters of each group."""
    return GridSerial(
        Everywhere(nn.ReLU()),
        PixelConv(features, hidden, groups=groups),
        Everywhere(nn.ReLU()),
        PixelConv(hidden, groups * size, groups=groups),
    )
