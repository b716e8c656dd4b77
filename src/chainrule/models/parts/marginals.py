"""The marginals of a table's columns, from which a net starts: maps of numbers, and offsets of all parameters."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from chainrule.domain.column import Column
from chainrule.heads import Categorical, ColumnHeads, FactoredCategorical, Head, MaybeMissing, NumberHead
from chainrule.layers.numbers.fit_curve import fit_curve
from chainrule.layers.numbers.numbers import Numbers

ADDED = 0.5  # rows to each category or choice
MOST_OTHERS = 0.999  # of a column
UNHEARD = 1e-6  # the share of a body, or of missing cells, of which training has no row
ROWS = 20_000  # looked at to tell lattices from the body
ROUNDS = 50
OTHERS = 2.0  # how much less likely, in nats, all components but the standard one are together
REACH = 2.0  # over which these lie, in scores


@torch.no_grad()
def fit_marginals(head: ColumnHeads, x: Tensor) -> None:
    """Set maps and offsets from the training data.

    Args:
        head: of all columns.
        x: (N, T) codes and numbers in generation order, NaN where missing.
    """
    if not len(x):
        return
    for t, values in enumerate(x.double().unbind(1)):
        own = head.at(t)
        offset = _offset(own, values)
        if offset is not None:
            head.offset[t].zero_()
            head.offset[t, : len(offset)] = offset.to(head.offset.dtype)


def _offset(head: Head, values: Tensor) -> Tensor | None:
    """Parameters (P,) that are the marginal of a column's values (N,); None where zeros are as good."""
    if isinstance(head, NumberHead):
        return _number(head, values)
    if isinstance(head, Categorical | FactoredCategorical):
        counts = _counts(head, values)
        return _factored(head, counts) if isinstance(head, FactoredCategorical) else _log_shares(counts)
    missing = values.isnan()
    if isinstance(head, MaybeMissing):
        offset = torch.zeros(head.size, dtype=torch.float64)
        offset[0] = ((missing.sum() + ADDED) / ((~missing).sum() + ADDED)).log()
        return offset
    return None


def _counts(head: Categorical | FactoredCategorical, values: Tensor) -> Tensor:
    """Rows of each level (K,), a little added; none of others, whose probability the head gets here."""
    codes = torch.where(values.isnan(), head.levels - 1 if head.gap else -1, values).long()
    counts = torch.bincount(codes[codes >= 0], minlength=head.levels).double()
    if head.other is not None:
        others, counts[head.other] = float(counts[head.other]), 0.0
        head.unseen.fill_(unseen(counts, others))
    return counts + ADDED


def _log_shares(counts: Tensor) -> Tensor:
    """Logits in proportion to counts, 0 where these are equal."""
    return (counts / counts.mean()).log()


def _factored(head: FactoredCategorical, counts: Tensor) -> Tensor:
    """Logits of groups, and a query of 0; the head gets log-frequencies of levels."""
    groups, each = head.offset.shape
    levels = F.pad(counts[: head.known], (0, groups * each - head.known)).unflatten(0, (groups, each))
    head.offset.copy_(torch.where(levels > 0, levels, 1.0).log())
    shares = torch.cat([levels.sum(1), counts[head.levels - head.gap :]])
    return F.pad(_log_shares(shares), (0, head.size - len(shares)))


def unseen(counts: Tensor, others: float = 0.0) -> float:
    """The probability of a category that is none of those counted: how many of these one row has, over all rows.

    Args:
        counts: (K,) rows of each category.
        others: rows of categories that are none of these, where some were left out.

    References:
        Good (1953), "The population frequencies of species and the estimation of population parameters".
    """
    rows, once = float(counts.sum()) + others, float((counts == 1).sum())
    share = others / max(rows, 1.0)
    return min(share + min(max(once / max(rows, 1.0), 1 / (rows + 2)), 0.5), MOST_OTHERS)


def _number(head: NumberHead, values: Tensor) -> Tensor:
    """The same of a number column, whose map is set on the way."""
    numbers, column = head.numbers, head.numbers.columns[head.column]
    there = values[~values.isnan()]
    near = column.step / 4 if column.step else 0.0
    points = torch.tensor(column.points, dtype=torch.float64)
    is_point = (there[:, None] - points).abs() <= near
    body = there[~is_point.any(1)]
    numbers.map.keep(head.column, fit_curve(body, column))
    counts = torch.zeros(numbers.choices, dtype=torch.float64)
    counts[1] = len(values) - len(there)
    counts[2 : 2 + len(points)] = is_point.sum(0) + ADDED
    shares = _lattices(numbers, head.column, column, body)
    counts[0] = len(body) * shares[0]
    counts[2 + numbers.count :] = len(body) * shares[1:]
    counts = counts.clamp(min=UNHEARD * max(len(values), 1))
    k = head.components
    means, log_scales, weights = torch.zeros(3, k, dtype=torch.float64)
    if k > 1:  # equal components would stay equal
        means[1:] = torch.linspace(-REACH, REACH, k - 1)
        weights[1:] = -OTHERS - math.log(k - 1)
    return torch.cat([means, log_scales, weights, (counts / counts.sum()).log()])


def _lattices(numbers: Numbers, place: int, column: Column, body: Tensor) -> Tensor:
    """Shares (1 + L,) of a body's values that its grid, or density, and its lattices have, by EM."""
    shares = torch.zeros(1 + numbers.lattices, dtype=torch.float64)
    shares[0] = 1.0
    if not column.lattices or not len(body):
        return shares
    rows = body[torch.linspace(0, len(body) - 1, min(len(body), ROWS), dtype=torch.float64).long()]
    reading = numbers.read(rows[:, None], numbers.only(place))
    mass = (reading.high.sigmoid() - reading.low.sigmoid())[:, 0] * reading.member[:, 0]
    if not column.step:  # what lies on a lattice is the lattice's
        mass[:, 0] = (~reading.member[:, 0, 1:].any(1)).double()
    mass[:, 1 + len(column.lattices) :] = 0
    shares[: 1 + len(column.lattices)] = 1 / (1 + len(column.lattices))
    for _ in range(ROUNDS):
        own = mass * shares
        shares = (own / own.sum(1, keepdim=True).clamp(min=1e-300)).mean(0)
    return shares
