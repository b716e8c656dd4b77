"""The residual block of a temporal convolutional network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chainrule.layers.dropout import Dropout
from chainrule.layers.layer import CausalLayer, Pointwise, Serial
from chainrule.layers.state import State
from chainrule.layers.weight_norm_conv1d import WeightNormConv1d


class TemporalBlock(CausalLayer):
    """ReLU(f(x) + x), with f twice a weight-normalised dilated convolution → ReLU → dropout.

    Args:
        inputs, outputs: channels C and C'; where they differ, a 1×1 convolution brings x to C'.
        kernel_size, dilation: of both convolutions.
        dropout: of single values.

    References:
        Bai, Kolter, Koltun (2018), https://arxiv.org/abs/1803.01271, figure 1b
    """

    def __init__(
        self, inputs: int, outputs: int, *, kernel_size: int, dilation: int = 1, dropout: float = 0.0
    ) -> None:
        super().__init__()
        layers: list[CausalLayer] = []
        for channels in (inputs, outputs):
            layers.append(WeightNormConv1d(channels, outputs, kernel_size=kernel_size, dilation=dilation))
            layers += [Pointwise(nn.ReLU()), Pointwise(Dropout(dropout))]
        self.body = Serial(*layers)
        self.shortcut = nn.Identity() if inputs == outputs else nn.Linear(inputs, outputs)

    @property
    def receptive_field(self) -> int | None:
        """Both convolutions' together."""
        return self.body.receptive_field

    @property
    def supports_streaming(self) -> bool:
        """Both convolutions' together."""
        return self.body.supports_streaming

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) → (B, T, C')."""
        return self._add(x, self.body(x))

    def init_state(self, batch: int, *, length: int, device: torch.device, dtype: torch.dtype) -> State:
        """The states of the convolutions."""
        return self.body.init_state(batch, length=length, device=device, dtype=dtype)

    def step(self, x: Tensor, state: State, t: Tensor) -> tuple[Tensor, State]:
        """(B, C) → (B, C')."""
        y, state = self.body.step(x, state, t)
        return self._add(x, y), state

    def prefill(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, n, C) → (B, n, C')."""
        y, state = self.body.prefill(x, state)
        return self._add(x, y), state

    def _add(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.relu(y + self.shortcut(x))
