"""Multi-scale PixelCNN: a coarse image, then the pixels between."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from chainrule.domain import Domain
from chainrule.domain.ordering import Ordering
from chainrule.errors import ChainruleError
from chainrule.layers import Condition, Scalar
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.models.gated_pixelcnn import gated_stack
from chainrule.models.parts.image import image_condition, image_parts
from chainrule.networks import MultiScale


class MultiScalePixelCNN(AutoregressiveModel):
    """Every s-th pixel of every s-th row by one net, then the others by a second one that sees all of these.

    Deviation: both nets are gated PixelCNNs, where the paper has PixelRNNs.

    Args:
        scale: s, at least 2.
        channels: of both stacks of both nets, and of the map that the second net sees.
        depth: gated blocks after the first, of each net.
        kernel_size: n of the blocks.
        first_size: n of the first one.
        last: features of the last layers.
        dropout: after the horizontal gates.
        classes, embedding: of the condition, which enters the gates of the first net, and the map.

    References:
        van den Oord, Kalchbrenner, Kavukcuoglu (2016), "Pixel recurrent neural networks", §3.7,
        https://arxiv.org/abs/1601.06759
    """

    training_defaults = MappingProxyType({"lr": 2e-3, "weight_decay": 0.01})
    smallest = MappingProxyType({"channels": 12, "depth": 1, "last": 24})

    def __init__(
        self,
        domain: Domain,
        *,
        scale: int = 2,
        channels: int = 64,
        depth: int = 6,
        kernel_size: int = 3,
        first_size: int = 7,
        last: int = 64,
        dropout: float = 0.0,
        classes: int | list[int] | None = None,
        embedding: int | None = None,
    ) -> None:
        if scale < 2:
            raise ChainruleError(f"scale: expected an integer ≥ 2, got {scale}")
        options: dict[str, Any] = {
            "channels": channels,
            "depth": depth,
            "kernel_size": kernel_size,
            "first_size": first_size,
            "last": last,
            "dropout": dropout,
        }
        parts, kinds = image_parts(domain), image_condition(domain, classes, embedding, None)
        large = parts._replace(code=Scalar())  # it is given codes, not values
        small = large._replace(height=-(-parts.height // scale), width=-(-parts.width // scale))
        network = MultiScale(
            parts.code,
            gated_stack(small, kinds, **options),
            gated_stack(large, image_condition(domain, None, None, channels), **options),
            scale=scale,
            condition=Condition(channels, **kinds),
        )
        permutation = Ordering(domain).variables[network.order]
        super().__init__(network, domain, parts.head, ordering=permutation.tolist())
