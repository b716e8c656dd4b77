"""One variable of every row ↔ the coder: a level at once, or a whole number digit by digit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from chainrule.coding.range_coder import Coder
from chainrule.errors import ChainruleError
from chainrule.heads import Conditional

MOST_LEVELS = 4096  # that are coded at once; of more, digit after digit
BASE = 256
SEEN = 1e-290  # the coder cannot scale masses of less than this in all
MISSING = -(2**63)  # the symbol of a missing number


class Mixer(Protocol):
    """Adapts a model's probabilities to the symbols of a block coded so far."""

    def mix(self, probabilities: Tensor) -> Tensor:
        """(B, K) of the model → (B, K)."""

    def see(self, symbols: Tensor, rows: Tensor) -> None:
        """Learn from the symbols (B,) coded with the last mixture, in the rows (B,), booleans, that have one."""


def code_variable(
    conditional: Conditional,
    coder: Coder,
    symbols: Tensor | None,
    rows: Tensor,
    bounds: tuple[int, int] | None,
    mixer: Mixer | None = None,
) -> Tensor:
    """Code one variable.

    Args:
        conditional: its distribution in each of B rows.
        coder: either direction.
        symbols: (B,) levels, whole numbers or `MISSING`; None to decode.
        rows: which have it, booleans (B,).
        bounds: of whole numbers, the least and the greatest.
        mixer: what a table is mixed with.

    Returns:
        The symbols (B,); 0, or the lower bound, in rows without one.

    Raises:
        ChainruleError: if the conditional has neither a table nor masses.
    """
    p = conditional.missing()
    if p is not None:
        gaps = None if symbols is None else (symbols == MISSING).long()
        missing = code_levels(torch.stack([1 - p, p], dim=-1), coder, gaps, rows).bool()
        value = code_variable(conditional.present(), coder, symbols, rows & ~missing, bounds)
        return torch.where(missing, MISSING, value)
    levels = conditional.levels
    if levels is None or levels > MOST_LEVELS:
        ends = bounds if levels is None else (0, levels - 1)
        if ends is None:
            raise ChainruleError(
                f"compress: expected levels, categories or whole numbers, got a {type(conditional).__name__}"
            )
        return code_whole(conditional.masses, ends, coder, symbols, rows)
    probabilities = conditional.table()
    if mixer is None:
        return code_levels(probabilities, coder, symbols, rows)
    found = code_levels(mixer.mix(probabilities), coder, symbols, rows)
    mixer.see(found, rows)
    return found


def code_levels(probabilities: Tensor, coder: Coder, symbols: Tensor | None, rows: Tensor) -> Tensor:
    """(B, K) float64 → symbols (B,), 0 in rows without one."""
    if rows.all():
        return coder.code(probabilities, symbols)
    found = torch.zeros(len(rows), dtype=torch.int64)
    found[rows] = coder.code(probabilities[rows], None if symbols is None else symbols[rows])
    return found


def code_whole(
    masses: Callable[[Tensor], Tensor],
    bounds: tuple[int, int],
    coder: Coder,
    symbols: Tensor | None,
    rows: Tensor,
) -> Tensor:
    """Whole numbers between bounds, by their digits to the base 256, the highest first, each given those before.

    Args:
        masses: edges (B, E+1) → (B, E) float64, what lies from one up to the next.
        bounds: the least and the greatest number.
        coder, symbols, rows: as in `code_variable`.
    """
    least, greatest = bounds
    start, width = torch.full((len(rows),), least), 1
    while width * BASE <= greatest - least:
        width *= BASE
    while width:
        digits = min(BASE, (greatest - least) // width + 1)
        edges = start[:, None] + width * torch.arange(digits + 1)
        edges = edges.clamp(max=greatest + 1)
        p = masses(edges)
        # Where the model sees next to nothing, numbers are alike.
        p = torch.where(p.sum(1, keepdim=True) > SEEN, p, (edges.diff(dim=1) > 0).double())
        digit = None if symbols is None else (symbols - start).div(width, rounding_mode="floor")
        start = start + width * code_levels(p, coder, digit, rows)
        width //= BASE
    return start


def uniform(edges: Tensor) -> Tensor:
    """The masses of numbers that are all alike: (B, E+1) → (B, E) float64."""
    return edges.diff(dim=1).double()
