"""Gated PixelCNN: two stacks, no blind spot."""

from __future__ import annotations

from types import MappingProxyType

from chainrule.domain import Domain
from chainrule.layers import Condition, GatedStack
from chainrule.models.image import check_sizes, image_condition, image_parts, in_groups
from chainrule.models.model import AutoregressiveModel
from chainrule.models.pixelcnn import last_layers


class GatedPixelCNN(AutoregressiveModel):
    """y = tanh(W_f * x) ⊙ σ(W_g * x) in a vertical and a horizontal stack; with a condition the conditional PixelCNN.

    Args:
        channels: of both stacks.
        depth: gated blocks after the first.
        kernel_size: n of the blocks.
        first_size: n of the first one.
        last: features of the last layers.
        dropout: after the horizontal gates.
        classes, embedding, maps: of the condition, which enters every gate; see `image_condition`.

    References:
        van den Oord et al. (2016), "Conditional image generation with PixelCNN decoders", §2,
        https://arxiv.org/abs/1606.05328
    """

    training_defaults = MappingProxyType({"epochs": 60, "lr": 2e-3, "weight_decay": 0.01})

    def __init__(
        self,
        domain: Domain,
        *,
        channels: int = 64,
        depth: int = 6,
        kernel_size: int = 3,
        first_size: int = 7,
        last: int = 64,
        dropout: float = 0.0,
        classes: int | None = None,
        embedding: int | None = None,
        maps: int | None = None,
    ) -> None:
        check_sizes(kernel_size=kernel_size, first_size=first_size, channels=channels, last=last)
        height, width, groups, code, head = image_parts(domain)
        features, last = in_groups(channels, groups), in_groups(last, groups)
        network = GatedStack(
            code,
            1,
            height=height,
            width=width,
            groups=groups,
            features=features,
            depth=depth,
            first_size=first_size,
            kernel_size=kernel_size,
            dropout=dropout,
            last=last_layers(features, last, groups, head.size),
            condition=Condition(
                4 * features * (depth + 1), **image_condition(domain, classes, embedding, maps)
            ),
        )
        super().__init__(network, domain, head)
