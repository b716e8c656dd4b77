"""Which column makes a row anomalous, and what was expected there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from chainrule.data import decode
from chainrule.errors import DomainError
from chainrule.models import Model
from chainrule.tasks.likelihood import log_probs
from chainrule.tasks.substitution import log_probs_with

CANDIDATES = 64  # values that are tried in a column of numbers


@dataclass(frozen=True)
class Blame:
    """The blame of each column of each row, (B, D) float64.

    Attributes:
        gain: nats by which the row becomes likelier when this one cell holds what was expected in it, given all other
            cells; negative where the cell is better as it is. NaN where the cell is missing.
        expected: that value, as the domain has it: codes of categories, numbers.
    """

    gain: Tensor
    expected: Tensor


class BlamedCell(NamedTuple):
    """The cell of a row that is most to blame, for people to read.

    Attributes:
        column: its name, or its number where columns have no names.
        value, expected: what it holds, and what was expected; as text.
        gain_nats: see `Blame.gain`; NaN if all cells of the row are missing.
    """

    column: str
    value: str
    expected: str
    gain_nats: float


def blame(model: Model, x: Tensor, reference: Tensor) -> Blame:
    """Try other values in each column of each row, one column at a time.

    The terms of single columns, log p(x_d | x_<d), would blame what comes later for what was wrong before; the whole
    row's likelihood with another value in column d is in proportion to p(x_d | all others), whatever the ordering.
    A column of categories, or of levels, is tried with each of them, a column of numbers with quantiles of the
    reference.

    Args:
        model: of vectors or rows of a table, unconditional.
        x: (B, D).
        reference: usual items (M, D), whose numbers are tried.

    Raises:
        DomainError: if items are not vectors or rows, or do not lie in the domain.
    """
    domain = model.domain
    if len(domain.event_shape) > 1 or domain.layout not in ("vector", "table"):
        raise DomainError(f"blame: expected rows of a table, or vectors, got {domain}")
    x = domain.check(x).cpu()
    gain = torch.full(x.shape, torch.nan, dtype=torch.float64)
    expected = torch.zeros(x.shape, dtype=torch.float64)
    if not len(x):
        return Blame(gain, expected)
    own = log_probs(model, x)
    for d in range(domain.size):
        values = _candidates(model, reference[:, d].cpu(), d).to(x.dtype)
        best, which = log_probs_with(model, x, d, values.expand(len(x), -1)).max(1)
        gain[:, d] = torch.where(x[:, d].isnan(), torch.nan, best - own)
        expected[:, d] = values[which].double()
    return Blame(gain, expected)


def blamed_cells(model: Model, x: Tensor, reference: Tensor) -> list[BlamedCell]:
    """The cell most to blame of each row, with names and values as the table has them.

    Args:
        model, x, reference: as for `blame`.

    Raises:
        DomainError: as `blame`.

    Example:
        >>> import chainrule as cr
        >>> model, x = cr.create_model("made", cr.Domain.binary(4)), torch.zeros(2, 4, dtype=torch.int64)
        >>> " ".join(cell.value for cell in blamed_cells(model, x, x))
        '0 0'
    """
    found, columns = blame(model, x, reference), model.domain.columns
    worst = found.gain.nan_to_num(nan=-math.inf).argmax(1).tolist()
    if columns:
        names = [column.name for column in columns]
        cells: list[np.ndarray] = [
            decode(part, columns, "a value never seen").to_numpy(object) for part in (x, found.expected)
        ]
    else:
        names = [str(d) for d in range(model.domain.size)]
        cells = [part.cpu().numpy() for part in (x, found.expected)]
    value, expected = cells
    return [
        BlamedCell(names[d], str(value[row, d]), str(expected[row, d]), found.gain[row, d].item())
        for row, d in enumerate(worst)
    ]


def _candidates(model: Model, seen: Tensor, d: int) -> Tensor:
    """What is tried in column d, of whose values some have been seen (M,)."""
    levels = model.domain.levels
    count = levels[d] if isinstance(levels, tuple) else levels
    if model.domain.columns and model.domain.columns[d].other:
        count = len(model.domain.columns[d].categories)
    if count is not None:
        others = (
            bool(model.domain.columns) and model.domain.columns[d].other
        )  # no value that one could expect
        return torch.arange(count - others)
    seen = seen[~seen.isnan()].double()
    if len(seen) == 0:
        raise DomainError(f"reference: expected values in column {d}, all are missing")
    # By places: `torch.quantile` takes 16 million values at most.
    places = torch.linspace(0, len(seen) - 1, CANDIDATES, dtype=torch.float64)
    return seen.sort().values[places.round().long()].unique()
