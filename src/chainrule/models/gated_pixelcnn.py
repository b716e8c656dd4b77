"""Gated PixelCNN: two stacks, no blind spot."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from chainrule.domain import Domain
from chainrule.errors import ChainruleError
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
from chainrule.models.parts.image import ImageParts, check_sizes, image_condition, image_parts, in_groups
from chainrule.models.pixelcnn import last_layers
from chainrule.networks import Gate, GatedStack, RasterStack


class GatedPixelCNN(AutoregressiveModel):
    """y = tanh(W_f * x) ⊙ σ(W_g * x) in a vertical and a horizontal stack; with a condition the conditional PixelCNN.

    Args:
        channels: of both stacks.
        depth: gated blocks after the first.
        kernel_size: n of the blocks.
        first_size: n of the first one.
        last: features of the last layers.
        dropout: after the horizontal gates.
        stacks: 2, or 1 for a single stack of gated masked convolutions, which has the PixelCNN's blind spot.
        block: as of a `PixelCNN`.
        classes, embedding, maps: of the condition, which enters every gate (of a single stack, the first); see
            `image_condition`.

    References:
        van den Oord et al. (2016), "Conditional image generation with PixelCNN decoders", §2,
        https://arxiv.org/abs/1606.05328
    """

    training_defaults = MappingProxyType({"lr": 2e-3, "weight_decay": 0.01})
    smallest = MappingProxyType({"channels": 24, "depth": 2, "last": 24})

    def __init__(
        self,
        domain: Domain,
        *,
        channels: int = 64,
        depth: int = 6,
        kernel_size: int = 3,
        first_size: int = 7,
        last: int = 64,
        dropout: float = 0.2,
        stacks: int = 2,
        block: int = 1,
        classes: int | list[int] | None = None,
        embedding: int | None = None,
        maps: int | None = None,
    ) -> None:
        if stacks not in (1, 2):
            raise ChainruleError(f"stacks: expected 1 or 2, got {stacks}")
        parts = image_parts(domain, block)
        network = (gated_stack if stacks == 2 else single_stack)(
            parts,
            image_condition(domain, classes, embedding, maps, block),
            channels=channels,
            depth=depth,
            kernel_size=kernel_size,
            first_size=first_size,
            last=last,
            dropout=dropout,
        )
        super().__init__(network, domain, parts.head, ordering=parts.ordering)


def gated_stack(
    parts: ImageParts,
    condition: dict[str, Any],
    *,
    channels: int,
    depth: int,
    kernel_size: int,
    first_size: int,
    last: int,
    dropout: float,
) -> GatedStack:
    """The net of a `GatedPixelCNN`; see there for the sizes. The condition is given as the arguments of `Condition`."""
    check_sizes(kernel_size=kernel_size, first_size=first_size, channels=channels, last=last)
    height, width, groups, code, head, _ = parts
    features = in_groups(channels, groups)
    return GatedStack(
        code,
        head.variables,
        height=height,
        width=width,
        groups=groups,
        features=features,
        depth=depth,
        first_size=first_size,
        kernel_size=kernel_size,
        dropout=dropout,
        last=last_layers(features, in_groups(last, groups), groups, head.size),
        condition=Condition(4 * features * (depth + 1), **condition),
    )


def single_stack(
    parts: ImageParts,
    condition: dict[str, Any],
    *,
    channels: int,
    depth: int,
    kernel_size: int,
    first_size: int,
    last: int,
    dropout: float,
) -> RasterStack:
    """The same with masked convolutions in the place of the two stacks."""
    check_sizes(kernel_size=kernel_size, first_size=first_size, channels=channels, last=last)
    height, width, groups, code, head, _ = parts
    features = in_groups(channels, groups)

    def rest() -> list[GridLayer]:
        return [Gate(groups), Everywhere(Dropout(dropout)), PixelConv(features, features, groups=groups)]

    def block() -> GridLayer:
        conv = MaskedConv2d(features, 2 * features, kernel_size=kernel_size, groups=groups)
        return GridResidual(GridSerial(conv, *rest()))

    first = StrictConv2d((head.variables + 1) * groups, 2 * features, kernel_size=first_size, groups=groups)
    blocks = [block() for _ in range(depth)]
    body = GridSerial(*rest(), *blocks, last_layers(features, in_groups(last, groups), groups, head.size))
    added = Condition(2 * features, **condition)
    return RasterStack(code, head.variables, first, body, height=height, width=width, condition=added)
