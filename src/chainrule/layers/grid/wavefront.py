"""Recurrence over images, front by front: all pixels of a row, or of a diagonal, in one step."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from chainrule.layers.grid.lstm_cell import Cell


class Front(NamedTuple):
    """Pixels that are computed at once.

    Attributes:
        places: theirs among the H·W of the map, in raster order.
        start, stop: the lines they lie on. A pixel reads, of the front before, its own line and ones near it.
    """

    places: slice
    start: int
    stop: int


def row_fronts(height: int, width: int) -> list[Front]:
    """Rows from top to bottom; the lines are columns."""
    return [Front(slice(i * width, (i + 1) * width), 0, width) for i in range(height)]


def diagonal_fronts(height: int, width: int, *, mirrored: bool = False) -> list[Front]:
    """Pixels (i, s - i) for s = 0 … H+W-2, with `mirrored` (i, W-1 - (s - i)); the lines are rows.

    If each row is skewed by one place to the right of the row above, these are the columns. From one row to the next
    a diagonal moves by W - 1 places of the map, or W + 1, so that no map has to be skewed for it.
    """
    fronts = []
    for s in range(height + width - 1):
        start, stop = max(0, s - width + 1), min(height, s + 1)
        column, step = (width - 1 - s + start, width + 1) if mirrored else (s - start, max(width - 1, 1))
        first = start * width + column
        fronts.append(Front(slice(first, first + (stop - start - 1) * step + 1, step), start, stop))
    return fronts


def recur(
    gates: Tensor,
    weight: Tensor,
    cell: Cell,
    fronts: Sequence[Front],
    *,
    reads: Sequence[int],
    remembers: Sequence[int],
    groups: int = 1,
) -> tuple[Tensor, Tensor]:
    """An LSTM over the fronts of a map: (B, G·Q·C, H, W) → the states h and c, (B, G·C, H, W) each.

    States outside of the image are zeros. Autocast does not reach inside: rounded to bfloat16, a cell state would
    forget what a row adds to it. What it costs is one product with the weight at each front.

    Args:
        gates: what the input gives to them; G groups of Q gates of C features.
        weight: of the states that are read, (G·Q·C, len(reads)·G·C).
        cell: what happens in a pixel.
        fronts: in the order of computation.
        reads: the lines, from a pixel's own, whose h in the front before it reads.
        remembers: those whose c it remembers, one for each forget gate.
        groups: G.
    """
    height, width = gates.shape[2:]
    gates = gates.to(weight.dtype).unflatten(1, (groups, cell.gates, -1))
    by_gate = weight.unflatten(0, (groups, cell.gates, -1)).transpose(0, 1).flatten(0, 2)
    # The batch last: all that is done at a front is then done on long runs of memory.
    gates = gates.permute(2, 1, 3, 4, 5, 0).flatten(3, 4).flatten(1, 2)
    states = _Scan.apply(gates, by_gate, cell, fronts, reads, remembers, torch.is_grad_enabled())
    h, c = (state.unflatten(1, (height, width)).permute(3, 0, 1, 2) for state in states)
    return h, c


class _Scan(torch.autograd.Function):
    """The gates (Q, C, H·W, B) and the weight (Q·C, n·C) → h and c, (C, H·W, B) each.

    The gradient runs through the fronts backwards. Left to autograd it would take twice the time, most of it spent on
    zeros around the gradients of slices.
    """

    @staticmethod
    def forward(
        ctx: Any,
        gates: Tensor,
        weight: Tensor,
        cell: Cell,
        fronts: Sequence[Front],
        reads: Sequence[int],
        remembers: Sequence[int],
        recorded: bool,
    ) -> tuple[Tensor, Tensor]:
        _, features, places, batch = gates.shape
        # The front before, by line; lines outside of the image, and those that have not begun, hold zeros.
        h_before = gates.new_zeros(features, _lines(fronts, reads), batch)
        c_before = torch.zeros_like(h_before)
        h_map, c_map = (gates.new_empty(features, places, batch) for _ in range(2))
        saved = []
        with _no_autocast(gates):
            for front in fronts:
                own = _at(front, 0, reads)
                read = torch.cat([h_before[:, _at(front, line, reads)] for line in reads]).flatten(1)
                z = (weight @ read).view(cell.gates, features, front.stop - front.start, batch)
                z += gates[:, :, front.places]
                memories = [c_before[:, _at(front, line, reads)].clone() for line in remembers]
                h, c, kept = cell(z, memories)
                h_map[:, front.places], c_map[:, front.places] = h, c
                h_before[:, own], c_before[:, own] = h, c
                if recorded:
                    saved.append((read, c, *kept, *memories))
        ctx.save_for_backward(weight, *chain.from_iterable(saved))
        ctx.layout = cell, fronts, reads, remembers, gates.shape
        ctx.set_materialize_grads(False)
        return h_map, c_map

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        cell, fronts, reads, remembers, shape = ctx.layout
        weight, *flat = ctx.saved_tensors
        _, features, _, batch = shape
        dh_map, dc_map = gradients
        dh_before = weight.new_zeros(features, _lines(fronts, reads), batch)
        dc_before = torch.zeros_like(dh_before)
        dgates, dweight = weight.new_empty(shape), torch.zeros_like(weight)
        with _no_autocast(weight):
            for n in reversed(range(len(fronts))):
                front, count = fronts[n], len(flat) // len(fronts)
                read, c, s, g, of_emit, *memories = flat[n * count : (n + 1) * count]
                own = _at(front, 0, reads)
                dh, dc = dh_before[:, own].clone(), dc_before[:, own].clone()
                dh = dh if dh_map is None else dh.add_(dh_map[:, front.places])
                dc = dc if dc_map is None else dc.add_(dc_map[:, front.places])
                dz, dmemories = cell.backward(dh, dc, c, (s, g, of_emit), memories)
                dgates[:, :, front.places] = dz
                dz = dz.flatten(2).flatten(0, 1)
                dweight.addmm_(dz, read.T)
                dread = (weight.T @ dz).view(len(reads), *dh.shape)
                dh_before[:, own], dc_before[:, own] = 0, 0
                for line, gradient in zip(reads, dread, strict=True):
                    dh_before[:, _at(front, line, reads)] += gradient
                for line, gradient in zip(remembers, dmemories, strict=True):
                    dc_before[:, _at(front, line, reads)] += gradient
        return dgates, dweight, None, None, None, None, None


def _lines(fronts: Sequence[Front], reads: Sequence[int]) -> int:
    """How many there are, with those outside of the image that are read."""
    return max(front.stop for front in fronts) + max(reads) - min(reads)


def _at(front: Front, line: int, reads: Sequence[int]) -> slice:
    """The lines at a distance from the front's."""
    return slice(front.start + line - min(reads), front.stop + line - min(reads))


def _no_autocast(x: Tensor) -> torch.autocast:
    kind = x.device.type
    return torch.autocast(kind if torch.amp.is_autocast_available(kind) else "cpu", enabled=False)
