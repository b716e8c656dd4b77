"""NADE's pass in one piece, gradients included: every hidden unit is written once, where it is used."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

# Variables that are worked on at once: what they need stays in the cache.
TILE = 8


class SigmoidScan(torch.autograd.Function):
    """a_1 = start, a_{d+1} = a_d + W_d x_d; y_d = V_d σ(a_d).

    `apply` takes x (D, B, C), start (B, H), W (D, C, H) and V (D, P, H); it gives y (D, B, P).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, start: Tensor, weight: Tensor, out: Tensor) -> Tensor:
        """y, tile by tile; σ(a) is kept."""
        result, kept, last = x.new_empty(*x.shape[:2], out.shape[1]), [], start
        for first in range(0, len(x), TILE):
            tile = slice(first, first + TILE)
            running = start.new_empty(len(x[tile]), *start.shape)
            running[0].copy_(last)
            steps = [*running[1:].unbind(), torch.empty_like(start)]
            for before, value, rows, after in zip(running, x[tile], weight[tile], steps, strict=True):
                _advance(before, value, rows, after)
            last = steps[-1]
            torch.bmm(running.sigmoid_(), out[tile].transpose(1, 2), out=result[tile])
            kept.append(running)
        ctx.save_for_backward(x, start, weight, out, *kept)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """The gradients of x, start, W and V, from the last tile to the first."""
        x, start, weight, out, *kept = ctx.saved_tensors
        if torch.is_grad_enabled():  # of higher derivatives
            inputs = [t for t in (x, start, weight, out) if t.requires_grad]
            found = iter(torch.autograd.grad(_plain(x, start, weight, out), inputs, grad, create_graph=True))
            return tuple(next(found) if t.requires_grad else None for t in (x, start, weight, out))
        of_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        of_weight, of_out = torch.empty_like(weight), torch.empty_like(out)
        of_running = torch.zeros_like(start)  # of a after the tile
        for i in reversed(range(len(kept))):
            hidden, tile = kept[i], slice(i * TILE, (i + 1) * TILE)
            of_a = hidden.new_empty(len(hidden) + 1, *start.shape)  # all that is after it included
            own = of_a[:-1]
            if out.shape[1] == 1:
                torch.mul(grad[tile], out[tile], out=own)
            else:
                torch.bmm(grad[tile], out[tile], out=own)
            torch.ops.aten.sigmoid_backward.grad_input(own, hidden, grad_input=own)
            of_a[-1].copy_(of_running)
            for t in reversed(range(len(hidden))):
                own[t].add_(of_a[t + 1])
            torch.bmm(grad[tile].transpose(1, 2), hidden, out=of_out[tile])
            torch.bmm(x[tile].transpose(1, 2), of_a[1:], out=of_weight[tile])
            if of_x is not None:
                torch.bmm(of_a[1:], weight[tile].transpose(1, 2), out=of_x[tile])
            of_running = own[0]
        return of_x, of_running, of_weight, of_out


def _advance(before: Tensor, value: Tensor, rows: Tensor, after: Tensor) -> None:
    """after = before + value @ rows, (B, H), (B, C), (C, H)."""
    if len(rows) == 1:
        torch.addcmul(before, value, rows, out=after)
    else:
        torch.addmm(before, value, rows, out=after)


def _plain(x: Tensor, start: Tensor, weight: Tensor, out: Tensor) -> Tensor:
    """The same by torch's functions, which are differentiable as often as one likes."""
    added = torch.bmm(x, weight).cumsum(0)
    running = torch.cat([start[None], start + added[:-1]])
    return torch.bmm(torch.sigmoid(running), out.transpose(1, 2))
