"""Strict convolution, then causal layers of images: most of the nets in "Pixel recurrent neural networks"."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from chainrule.layers.condition import Condition
from chainrule.layers.encoding import Encoding
from chainrule.layers.grid.grid import GridLayer
from chainrule.layers.grid.masked_conv2d import StrictConv2d
from chainrule.layers.state import State
from chainrule.networks.raster import Raster


class RasterStackState(NamedTuple):
    """The states of the two parts."""

    first: State
    body: State


class RasterStack(Raster):
    """Mask A → + condition → layers of mask B.

    Args:
        code, channels: see `Raster`.
        first: mask A, to F features.
        body: from F channels to G·P.
        height, width: of an image.
        condition: of F features.
    """

    def __init__(
        self,
        code: Encoding,
        channels: int,
        first: StrictConv2d,
        body: GridLayer,
        *,
        height: int,
        width: int,
        condition: Condition,
    ) -> None:
        groups = first.along.groups
        super().__init__(code, channels, height=height, width=width, groups=groups, condition=condition)
        self.first, self.body = first, body

    def paint(self, codes: Tensor, cond: Tensor | None) -> Tensor:
        """(B, C, H, W) → (B, G·P, H, W)."""
        features = self.first(codes)
        return self.body(features if cond is None else features + cond)

    def init_body(self, batch: int, *, device: torch.device, dtype: torch.dtype) -> State:
        """The layers' states."""
        options: dict[str, Any] = {"width": self.width, "device": device, "dtype": dtype}
        return RasterStackState(
            self.first.init_state(batch, **options), self.body.init_state(batch, **options)
        )

    def start_row(self, row: Tensor, cond: Tensor | None, body: State, phase: Any) -> State:
        """Each layer's; the condition is added to what the first takes from above."""
        first = self.first.start_row(row, body.first)
        if cond is not None:
            first = first._replace(base=first.base + cond.transpose(1, 2))
        return RasterStackState(first, self.body.start_row(body.body))

    def step_pixel(self, code: Tensor, body: State, column: Tensor, phase: Any) -> tuple[Tensor, State]:
        """Each layer's step."""
        features, first = self.first.step(code, body.first, column, phase.group)
        params, rest = self.body.step(features, body.body, column, phase.group)
        return params, RasterStackState(first, rest)

    def paint_rows(self, codes: Tensor, cond: Tensor | None, body: State) -> tuple[Tensor, State]:
        """Each layer's prefill."""
        features, first = self.first.prefill(codes, body.first)
        params, rest = self.body.prefill(features if cond is None else features + cond, body.body)
        return params, RasterStackState(first, rest)

    def connect(self, reads: Tensor, cond: Tensor | None = None) -> Tensor:
        """One part after the other; the condition's reads come in between."""
        first = self.first.connect(reads)
        return self.body.connect(first if cond is None else first | cond)
