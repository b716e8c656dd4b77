"""Weight-normalised causal convolution over a sequence."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.layers.conv1d import CausalConv1d
from chainrule.layers.grid.weight_norm_conv2d import inverse_norm
from chainrule.layers.layer import CausalLayer
from chainrule.layers.state import State


class WeightNormConv1d(CausalLayer):
    """A `CausalConv1d` of weights w = g · v / ‖v‖, one g and one norm for each output.

    The parallel pass normalises the weights. A step takes the product with v and scales it by g / ‖v‖, which a
    rollout computes once, in `init_state`.

    Args:
        inputs, outputs, kernel_size, dilation: see `CausalConv1d`, as which it starts: g = ‖v‖.

    References:
        Salimans, Kingma (2016), "Weight normalization", https://arxiv.org/abs/1602.07868
    """

    supports_streaming = True

    def __init__(self, inputs: int, outputs: int, *, kernel_size: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv = CausalConv1d(inputs, outputs, kernel_size=kernel_size, dilation=dilation)
        self.gain = nn.Parameter(self.conv.weight.detach().flatten(1).norm(dim=1))

    @property
    def receptive_field(self) -> int:
        """The convolution's."""
        return self.conv.receptive_field

    def scale(self) -> Tensor:
        """g / ‖v‖, (C')."""
        return self.gain * inverse_norm(self.conv.weight, (1, 2))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) → (B, T, C')."""
        return self.conv.convolve(x, self.conv.weight * self.scale()[:, None, None])

    def init_state(self, batch: int, *, length: int, device: torch.device, dtype: torch.dtype) -> State:
        """The scale (B, C'), once for every item, and the state of the convolution."""
        scale = self.scale().to(dtype).expand(batch, -1).contiguous()
        return scale, self.conv.init_state(batch, length=length, device=device, dtype=dtype)

    def step(self, x: Tensor, state: State, t: Tensor) -> tuple[Tensor, State]:
        """(B, C) → (B, C')."""
        scale, window = state
        taps, window = self.conv.gather(x, window, t)
        product = F.linear(taps, self.conv.weight.flatten(1))
        return torch.addcmul(self.conv.bias, product, scale), (scale, window)

    def prefill(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, n, C) → (B, n, C')."""
        scale, window = state
        return self(x), (scale, self.conv.keep(x, window))
