"""The draw of a level: softmax, running sums and search in one pass over the logits."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

LEVELS = 4096  # the most: a row's logits and their sums are held in registers
WARP = 256  # levels of a row that 32 threads hold


@triton.jit
def _kernel(logits, u, level, levels, row_stride, column_stride, u_stride, LEVELS: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, LEVELS)
    inside = at < levels
    x = tl.load(logits + row * row_stride + at * column_stride, mask=inside, other=-float("inf")).to(
        tl.float64
    )
    mass = tl.where(inside, tl.exp(x - tl.max(x, axis=0)), 0.0)
    sums = tl.cumsum(mass, axis=0)
    # Sums in a tree may differ in their last bit where nothing was added. So an impossible level is never the first
    # above u, and the largest sum is that of a possible one: it is above every u < 1.
    possible = mass > 0.0
    share = sums / tl.max(tl.where(possible, sums, 0.0), axis=0)
    broken = tl.sum((mass != mass).to(tl.int32), axis=0) > 0
    above = possible & (share > tl.load(u + row * u_stride)) & (broken == 0)
    tl.store(level + row, tl.min(tl.where(above, at, levels - 1), axis=0).to(tl.int64))


@torch.library.custom_op(
    "chainrule::draw_level", mutates_args=(), schema="(Tensor logits, Tensor u) -> Tensor"
)
def draw_level(logits: Tensor, u: Tensor) -> Tensor:
    """The first level whose cumulative probability exceeds u; the last one where logits are not numbers.

    Args:
        logits: (B, K) of any floating type; -inf for a level that cannot be.
        u: (B,) float64 in [0, 1).

    Returns:
        (B,) int64.
    """
    rows, levels = logits.shape
    level = torch.empty(rows, dtype=torch.int64, device=logits.device)
    held = triton.next_power_of_2(levels)
    _kernel[rows,](
        logits, u, level, levels, *logits.stride(), u.stride(0), LEVELS=held, num_warps=max(held // WARP, 4)
    )  # fmt: skip
    return level


@draw_level.register_fake
def _(logits: Tensor, u: Tensor) -> Tensor:
    return logits.new_empty(len(logits), dtype=torch.int64)
