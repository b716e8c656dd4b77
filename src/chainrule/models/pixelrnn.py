"""PixelRNN: residual recurrent layers over the rows or the diagonals of an image."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

from chainrule.domain import Domain
from chainrule.layers import (
    Condition,
    DiagonalBiLSTM,
    DiagonalLSTM,
    GridLayer,
    GridResidual,
    GridSerial,
    PixelConv,
    RowLSTM,
    StrictConv2d,
)
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.models.parts.image import check_sizes, image_condition, image_parts, in_groups
from chainrule.models.pixelcnn import last_layers
from chainrule.networks import RasterStack


class PixelRNN(AutoregressiveModel):
    """7×7 mask A → residual blocks (2h → an LSTM of h → 2h, 1×1) → two 1×1 layers → softmax.

    Colours of a pixel are generated R, G, B; features come in one group per colour. Subclasses say which LSTM.

    Args:
        recurrent: makes it, of 2h to h channels.
        channels: h.
        depth: residual blocks.
        first_size: of the first convolution.
        last: features of the last layers.
        block: as of a `PixelCNN`.
        classes, embedding, maps: of the condition, which is added to the first features; see `image_condition`.

    References:
        van den Oord, Kalchbrenner, Kavukcuoglu (2016), "Pixel recurrent neural networks", §3 and table 1,
        https://arxiv.org/abs/1601.06759
    """

    training_defaults = MappingProxyType({"lr": 2e-3, "weight_decay": 0.01})

    def __init__(
        self,
        domain: Domain,
        recurrent: Callable[..., GridLayer],
        *,
        channels: int,
        depth: int,
        first_size: int,
        last: int,
        block: int,
        **condition: Any,
    ) -> None:
        check_sizes(first_size=first_size, channels=channels, last=last)
        height, width, groups, code, head, ordering = image_parts(domain, block)
        h, last = in_groups(channels, groups), in_groups(last, groups)

        def residual() -> GridLayer:
            # The tanh and the gates of the LSTM are all that is not linear.
            lstm = recurrent(2 * h, h, groups=groups)
            return GridResidual(GridSerial(lstm, PixelConv(h, 2 * h, groups=groups)))

        first = StrictConv2d((head.variables + 1) * groups, 2 * h, kernel_size=first_size, groups=groups)
        body = GridSerial(*(residual() for _ in range(depth)), last_layers(2 * h, last, groups, head.size))
        added = Condition(2 * h, **image_condition(domain, block=block, **condition))
        network = RasterStack(code, head.variables, first, body, height=height, width=width, condition=added)
        super().__init__(network, domain, head, ordering=ordering)


class RowPixelRNN(PixelRNN):
    """A `PixelRNN` of Row LSTMs: row by row, from a triangle of pixels above.

    Args:
        channels, depth, first_size, last, block, classes, embedding, maps: see `PixelRNN`.
        kernel_size: k of both convolutions; the triangle widens by k//2 a row to either side.
    """

    smallest = MappingProxyType({"channels": 12, "depth": 2, "last": 24})

    def __init__(
        self,
        domain: Domain,
        *,
        channels: int = 16,
        depth: int = 7,
        kernel_size: int = 3,
        first_size: int = 7,
        last: int = 64,
        block: int = 1,
        classes: int | list[int] | None = None,
        embedding: int | None = None,
        maps: int | None = None,
    ) -> None:
        check_sizes(kernel_size=kernel_size)

        def recurrent(inputs: int, outputs: int, groups: int) -> GridLayer:
            return RowLSTM(inputs, outputs, kernel_size=kernel_size, groups=groups)

        sizes = {"channels": channels, "depth": depth, "first_size": first_size, "last": last, "block": block}
        super().__init__(domain, recurrent, **sizes, classes=classes, embedding=embedding, maps=maps)


class DiagonalPixelRNN(PixelRNN):
    """A `PixelRNN` of Diagonal LSTMs, or BiLSTMs: diagonal by diagonal, from all pixels above and to the left, or all.

    All but one: the last pixel of a row is read only by features below it, which do not reach the left end of the next
    row.

    Args:
        both: whether there is a pass from the right beside the one from the left.
        channels, depth, first_size, last, block, classes, embedding, maps: see `PixelRNN`.
    """

    smallest = MappingProxyType({"channels": 12, "depth": 2, "last": 24})

    def __init__(
        self,
        domain: Domain,
        *,
        both: bool,
        channels: int = 16,
        depth: int = 7,
        first_size: int = 7,
        last: int = 64,
        block: int = 1,
        classes: int | list[int] | None = None,
        embedding: int | None = None,
        maps: int | None = None,
    ) -> None:
        recurrent = DiagonalBiLSTM if both else DiagonalLSTM
        sizes = {"channels": channels, "depth": depth, "first_size": first_size, "last": last, "block": block}
        super().__init__(domain, recurrent, **sizes, classes=classes, embedding=embedding, maps=maps)
