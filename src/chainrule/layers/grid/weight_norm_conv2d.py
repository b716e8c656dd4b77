"""Weight-normalised convolutions of images and their transposes, as PixelCNN++ uses them in rows and at pixels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


class WeightNormConv2d(nn.Module):
    """w * x + b with w = g · v / ‖v‖, at every `stride`th pixel; zeros outside of the image.

    Row i of the output reads rows up to i: i - rows + 1 … i. Column j reads columns j - left … j - left + columns - 1.

    Whole images have their weights normalised once a pass. At a pixel only the products with v are taken and then
    scaled by g / ‖v‖, which a rollout computes once, in `init_state`.

    Args:
        inputs, outputs: channels C and C'.
        rows, columns, left: see above; a 1×1 convolution by default.
        stride: in both directions.
        gain: of all g at first. Inputs of unit variance are then outputs of variance g², without data.

    References:
        Salimans, Kingma (2016), "Weight normalization", https://arxiv.org/abs/1602.07868
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        rows: int = 1,
        columns: int = 1,
        left: int = 0,
        stride: int = 1,
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.rows, self.stride = rows, stride
        self.sides = left, columns - 1 - left
        self.weight = nn.Parameter(0.05 * torch.randn(outputs, rows, columns, inputs))
        self.gain = nn.Parameter(torch.full((outputs,), gain))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def scale(self) -> Tensor:
        """g / ‖v‖, (C')."""
        return self.gain * inverse_norm(self.weight, (1, 2, 3))

    def kernel(self, divisor: float = 1.0) -> Tensor:
        """w, (C', C, rows, columns), divided by a number."""
        gain = self.gain if divisor == 1 else self.gain / divisor
        return normalised(self.weight, gain, (1, 2, 3)).permute(0, 3, 1, 2)

    def forward(self, x: Tensor, above: Tensor | None = None) -> Tensor:
        """(B, C, H, W) → (B, C', H, W), below the rows `above` (B, C, rows - 1, W): by default zeros."""
        if above is None:
            x = F.pad(x, (*self.sides, self.rows - 1, 0))
        else:
            x = F.pad(torch.cat([above, x], dim=2), (*self.sides, 0, 0))
        return F.conv2d(x, self.kernel(), self.bias, stride=self.stride)

    def within(self, framed: Tensor, divisor: float = 1.0) -> Tensor:
        """The same of an image and the zeros around it that are read; divided by a number, but for the bias."""
        return F.conv2d(framed, self.kernel(divisor), self.bias, stride=self.stride)

    def mix(self, parts: Sequence[Tensor]) -> list[Tensor]:
        """What each part of the input's channels adds, of 1×1: (B, C_i, …) → (B, C', …); the bias is in the first."""
        kernels = self.kernel().flatten(1).split([part.shape[1] for part in parts], dim=1)
        biases = [self.bias, *[None] * (len(parts) - 1)]
        return [
            F.linear(part.permute(0, 2, 3, 1), kernel, bias).permute(0, 3, 1, 2)
            for part, kernel, bias in zip(parts, kernels, biases, strict=True)
        ]

    def above(self, row: Tensor) -> Tensor:
        """What the first row of taps gives, and the bias: (B, C, 1, W), or its first channels → (B, C', 1, W)."""
        kernel = self.kernel()[:, : row.shape[1], :1]
        return F.conv2d(F.pad(row, (*self.sides, 0, 0)), kernel, self.bias, stride=self.stride)

    def onto(self, base: Tensor, taps: Tensor, scale: Tensor) -> Tensor:
        """(B, C') and what the last row of taps gives at a pixel, (B, columns·C) or the last of these → (B, C')."""
        weight = self.weight[:, -1].flatten(1)
        return torch.addcmul(base, F.linear(taps, weight[:, -taps.shape[1] :]), scale)

    def connect(self, reads: Tensor) -> Tensor:
        """Booleans (H, W, N) → (H / stride, W / stride, N), rounded up."""
        (height, width, _), step = reads.shape, self.stride
        padded = F.pad(reads, (0, 0, *self.sides, self.rows - 1, 0))
        out = torch.zeros_like(reads[::step, ::step])
        for i in range(self.rows):
            for j in range(self.weight.shape[2]):
                out |= padded[i : i + height : step, j : j + width : step]
        return out


class WeightNormDeconv2d(nn.Module):
    """The transposed convolution that doubles an image, its weights normalised like those of `WeightNormConv2d`.

    Row i gives rows 2i and 2i + 1; column j gives columns 2j - left … 2j - left + columns - 1.

    Args:
        inputs, outputs: channels C and C'.
        columns, left: see above.
    """

    def __init__(self, inputs: int, outputs: int, *, columns: int = 2, left: int = 0) -> None:
        super().__init__()
        self.left = left
        self.weight = nn.Parameter(0.05 * torch.randn(2, columns, outputs, inputs))
        self.gain = nn.Parameter(torch.ones(outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def scale(self) -> Tensor:
        """g / ‖v‖, (C')."""
        return self.gain * inverse_norm(self.weight, (0, 1, 3))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C', 2H, 2W)."""
        kernel = normalised(self.weight, self.gain, (0, 1, 3)).permute(3, 2, 0, 1)
        beyond = 2 + 2 * self.left - self.weight.shape[1]
        return F.conv_transpose2d(
            x, kernel, self.bias, stride=2, padding=(0, self.left), output_padding=(0, beyond)
        )

    def at(self, x: Tensor, scale: Tensor) -> Tensor:
        """A pixel, (B, C) → the four it becomes, with two columns: (B, 2, 2C'), columns × (upper, lower)."""
        four = F.linear(x, self.weight.flatten(0, 2)).unflatten(1, (2, 2, -1))
        return torch.addcmul(self.bias, four, scale[:, None, None]).transpose(1, 2).flatten(2)

    def connect(self, reads: Tensor) -> Tensor:
        """Booleans (H, W, N) → (2H, 2W, N)."""
        (height, width, n), columns = reads.shape, self.weight.shape[1]
        out = reads.new_zeros(height, 2 * width + columns, n)
        for j in range(columns):
            out[:, j : j + 2 * width : 2] |= reads
        return out[:, self.left : self.left + 2 * width].repeat_interleave(2, dim=0)


def scales(
    convs: Iterable[WeightNormConv2d | WeightNormDeconv2d], batch: int, dtype: torch.dtype
) -> tuple[Tensor, ...]:
    """The scale of each, once for every item: (B, C'), leaves of a state."""
    return tuple(conv.scale().to(dtype).expand(batch, -1).contiguous() for conv in convs)


def inverse_norm(weight: Tensor, dims: tuple[int, ...], *, keepdim: bool = False) -> Tensor:
    """1 / ‖v‖ over `dims`; finite, with a finite gradient, where all weights are 0."""
    return torch.rsqrt(weight.square().sum(dims, keepdim=keepdim) + 1e-12)


def normalised(weight: Tensor, gain: Tensor, dims: tuple[int, ...]) -> Tensor:
    """g · v / ‖v‖, with a norm over `dims` and a g for each of what is left; of the shape of v."""
    if torch.compiler.is_compiling():
        norm = inverse_norm(weight, dims, keepdim=True)
        return weight * (gain.reshape(norm.shape) * norm)
    return _Normalised.apply(weight, gain, dims)


class _Normalised(torch.autograd.Function):
    """With its gradient written out: left to autograd it takes three times as many operations."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, gain: Tensor, dims: tuple[int, ...]) -> Tensor:
        inverse = inverse_norm(weight, dims, keepdim=True)
        scale = gain.view_as(inverse) * inverse
        ctx.save_for_backward(weight, scale, inverse)
        ctx.dims = dims
        return weight * scale

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        weight, scale, inverse = ctx.saved_tensors
        along = (grad * weight).sum(ctx.dims, keepdim=True) * inverse
        return torch.addcmul(grad * scale, weight, along * scale * inverse, value=-1), along.flatten(), None
