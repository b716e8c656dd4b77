"""Recurrence over images, front by front: all pixels of a row, or of a diagonal, in one step."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from chainrule.devices import index_on, without_autocast
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
    gates: Sequence[Tensor],
    weights: Sequence[Tensor],
    cell: Cell,
    fronts: Sequence[Sequence[Front]],
    *,
    reads: Sequence[int],
    remembers: Sequence[int],
    groups: int = 1,
) -> list[tuple[Tensor, Tensor]]:
    """LSTMs over the fronts of a map, side by side: (B, G·Q·C, H, W) → the states h and c of each, (B, G·C, H, W).

    States outside of the image are zeros. Autocast does not reach inside: rounded to bfloat16, a cell state would
    forget what a row adds to it. What it costs is one product with the weight at each front.

    Args:
        gates: what the input gives to them; G groups of Q gates of C features.
        weights: of the states that are read, (G·Q·C, len(reads)·G·C).
        cell: what happens in a pixel.
        fronts: of each, in the order of computation; of all, the same lines.
        reads: the lines, from a pixel's own, whose h in the front before it reads; 0 is one of them.
        remembers: those whose c it remembers, one for each forget gate.
        groups: G.
    """
    height, width = gates[0].shape[2:]
    by_gate = torch.stack(
        [weight.unflatten(0, (groups, cell.gates, -1)).transpose(0, 1).flatten(0, 2) for weight in weights]
    )
    # The batch last: all that is done at a front is then done on long runs of memory.
    each = [
        part.to(by_gate.dtype).unflatten(1, (groups, cell.gates, -1)).permute(2, 1, 3, 4, 5, 0)
        for part in gates
    ]
    scanner = _Scanner(cell, fronts, tuple(reads), tuple(remembers))
    states = _Scan.apply(by_gate, scanner, *(part.flatten(3, 4).flatten(1, 2) for part in each))
    h, c = (state.unflatten(2, (height, width)).permute(0, 4, 1, 2, 3) for state in states)
    return list(zip(h, c, strict=True))


class _Scanner:
    """What scans side by side have in common; arguments as in `recur`.

    Attributes:
        cell: what happens in a pixel.
        runs: of each front, where its pixels are among all of them in the order of computation.
        read, remembered: of each front but the last, for each line that the next one reads or remembers, the lines that
            it has of these, counted from its own first, and those of the next one that read them.
        order: of each scan, the place of each pixel in the order of computation.
    """

    def __init__(
        self,
        cell: Cell,
        fronts: Sequence[Sequence[Front]],
        reads: tuple[int, ...],
        remembers: tuple[int, ...],
    ) -> None:
        self.cell = cell
        bounds = [(front.start, front.stop) for front in fronts[0]]
        ends = list(accumulate(stop - start for start, stop in bounds))
        self.runs = [slice(begin, end) for begin, end in pairwise([0, *ends])]
        self.read, self.remembered = (
            [[_overlap(before, after, line) for line in lines] for before, after in pairwise(bounds)]
            for lines in (reads, remembers)
        )
        places = torch.arange(ends[-1])
        self.order = [torch.cat([places[front.places] for front in own]) for own in fronts]

    def in_order(self, maps: Sequence[Tensor]) -> Tensor:
        """(…, H·W, B) of each scan, in raster order → (D, …, H·W, B) in that of computation."""
        first = maps[0]
        out = first.new_empty(len(maps), *first.shape)
        for part, own, order in zip(out, maps, self.order, strict=True):
            torch.index_select(own, -2, index_on(own.device, order), out=part)
        return out

    def on_map(self, ordered: Tensor) -> Tensor:
        """The way back: (D, …, H·W, B) → the same."""
        out = torch.empty_like(ordered)
        for part, own, order in zip(out, ordered, self.order, strict=True):
            torch.index_select(own, -2, index_on(own.device, order.argsort()), out=part)
        return out


class _Scan(torch.autograd.Function):
    """The weights (D, Q·C, n·C) and gates (Q, C, H·W, B) of each scan → h and c, (D, C, H·W, B) each.

    The gradient runs through the fronts backwards. Left to autograd it would take twice the time, most of it spent on
    zeros around the gradients of slices.
    """

    @staticmethod
    def forward(ctx: Any, weight: Tensor, scanner: _Scanner, *gates: Tensor) -> tuple[Tensor, Tensor]:
        z = scanner.in_order(gates)
        scans, _, c, places, batch = z.shape
        # What each pixel reads of the front before: h of each line, and each c that it remembers.
        read = z.new_zeros(scans, weight.shape[2], places, batch)
        memory = z.new_zeros(scanner.cell.forgets, scans, c, places, batch)
        kept = z.new_empty(3, scans, c, places, batch)
        with without_autocast(weight.device):
            for n, run in enumerate(scanner.runs):
                own = z[..., run, :]
                flat = own.flatten(1, 2).flatten(2)
                torch.baddbmm(flat, weight, read[:, :, run].flatten(2), out=flat)
                states = kept[:, :, :, run]
                scanner.cell.squash(own.transpose(0, 1), memory[:, :, :, run], states)
                if n + 1 < len(scanner.runs):
                    after = scanner.runs[n + 1]
                    for part, (given, seen) in zip(
                        read[:, :, after].split(c, dim=1), scanner.read[n], strict=True
                    ):
                        part[:, :, seen] = states[1, :, :, given]
                    for part, (given, seen) in zip(
                        memory[:, :, :, after], scanner.remembered[n], strict=True
                    ):
                        part[:, :, seen] = states[0, :, :, given]
        ctx.save_for_backward(weight, z, read, memory, kept)
        ctx.scanner = scanner
        ctx.set_materialize_grads(False)
        return scanner.on_map(kept[1]), scanner.on_map(kept[0])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        scanner, (weight, z, read, memory, kept) = ctx.scanner, ctx.saved_tensors
        dh_all, dc_all = (
            torch.zeros_like(kept[0]) if d is None else scanner.in_order(d.unbind()) for d in gradients
        )
        dz, back = torch.empty_like(z), weight.transpose(1, 2)
        dread: Sequence[Tensor] = ()
        dmemory: Sequence[Tensor] = ()
        with without_autocast(weight.device):
            for n in reversed(range(len(scanner.runs))):
                run = scanner.runs[n]
                dh, dc = dh_all[:, :, run], dc_all[:, :, run]
                if dread:
                    for part, (given, seen) in zip(dread, scanner.read[n], strict=True):
                        dh[:, :, given] += part[:, :, seen]
                    for part, (given, seen) in zip(dmemory, scanner.remembered[n], strict=True):
                        dc[:, :, given] += part[:, :, seen]
                own = dz[..., run, :]
                squashed = z[..., run, :].transpose(0, 1)
                dmemory = scanner.cell.backward(
                    dh, dc, squashed, memory[:, :, :, run], kept[:, :, :, run], out=own.transpose(0, 1)
                )
                flat = back @ own.flatten(1, 2).flatten(2)
                dread = flat.unflatten(2, own.shape[-2:]).split(kept.shape[2], dim=1)
        dweight = dz.flatten(1, 2).flatten(2) @ read.flatten(2).transpose(1, 2)
        return dweight, None, *scanner.on_map(dz).unbind()


def _overlap(before: tuple[int, int], after: tuple[int, int], line: int) -> tuple[slice, slice]:
    """Lines of a front that the next one reads at a distance `line`, and its lines that do so; from 0 in each."""
    first = max(before[0] - line, after[0])
    last = max(first, min(before[1] - line, after[1]))
    return (
        slice(first + line - before[0], last + line - before[0]),
        slice(first - after[0], last - after[0]),
    )
