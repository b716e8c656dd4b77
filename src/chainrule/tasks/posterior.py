"""The distribution of one variable of each item given all its others, from the joint: by enumeration, or on a grid."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from chainrule.domain import Domain
from chainrule.errors import ChainruleError, DomainError
from chainrule.models import Model
from chainrule.models.base.capabilities import Exact, Samples
from chainrule.tasks.substitution import log_probs_with

MOST_CELLS = 512  # of a grid that is enumerated
DRAWS = 4096  # of the model, which show where a number lies
COARSE, FINE = (
    65,
    128,
)  # places at which a density is asked for: first over all draws, then where the row's mass is


@dataclass(frozen=True)
class Posterior:
    """p(x_d | all other variables) of N items.

    Attributes:
        values: (N, G), rising along each row: codes of categories, levels, numbers.
        probabilities: (N, G) float64; they sum to 1 along each row.
        enumerated: whether these are all values, the same for every item; else each stands for those around it.
        step: how far values lie apart where they are not enumerated; None if they lie everywhere.
    """

    values: Tensor
    probabilities: Tensor
    enumerated: bool
    step: float | None = None

    def mode(self) -> Tensor:
        """The most probable of the values (N,)."""
        return self.values.gather(1, self.probabilities.argmax(1, keepdim=True))[:, 0]

    def mean(self) -> Tensor:
        """(N,)."""
        return (self.values * self.probabilities).sum(1)

    def quantile(self, q: float) -> Tensor:
        """The value below which a share q lies (N,): one of the values, or between two of a density."""
        total = self.probabilities.cumsum(1)
        if self.enumerated:
            place = (total < q * total[:, -1:]).sum(1, keepdim=True).clamp(max=total.shape[1] - 1)
            return self.values.gather(1, place)[:, 0]
        total = total - self.probabilities / 2  # each value stands for those on both its sides
        place = (total < q).sum(1, keepdim=True).clamp(1, total.shape[1] - 1)
        low, high = total.gather(1, place - 1), total.gather(1, place)
        share = ((q - low) / (high - low).clamp(min=1e-300)).clamp(0, 1)
        before, after = self.values.gather(1, place - 1), self.values.gather(1, place)
        value = (before + share * (after - before))[:, 0]
        return torch.round(value / self.step) * self.step if self.step else value


def posterior(model: Model, x: Tensor, d: int) -> Posterior:
    """The distribution of variable d of each item, given its other variables; what x holds at d is not read.

    p(x_d | rest) is in proportion to p(x_d, rest), whatever the ordering. Categories, levels and grids of at most 512
    cells are enumerated. For other numbers the density is asked for at 65 quantiles of 4,096 draws of the model, at
    65 places evenly between the outermost, and at 128 more where these show the item's mass to lie; each value then
    has the mass of the trapezoids around it.

    Args:
        model: of vectors or rows of a table, unconditional, with an exact likelihood.
        x: (N, D).
        d: the variable.

    Raises:
        DomainError: if items are not vectors or rows, or the other variables do not lie in the domain.
        ChainruleError: if the model has no exact likelihood.

    Example:
        >>> import chainrule as cr
        >>> model = cr.create_model("made", cr.Domain.categorical(3, 4), hidden=[8])
        >>> posterior(model, torch.zeros(2, 3, dtype=torch.int64), 1).probabilities.shape
        torch.Size([2, 4])
    """
    domain = model.domain
    if len(domain.event_shape) > 1 or domain.layout not in ("vector", "table"):
        raise DomainError(f"predict: expected rows of a table, or vectors, got {domain}")
    if not isinstance(model, Exact):
        raise ChainruleError("predict: expected a model with an exact likelihood")
    levels = _levels(domain, d)
    if levels is not None:
        return _enumerated(model, x, d, torch.arange(levels))
    step, points = _grid(domain, d)
    seen = _draws(model, d)
    if step and (seen.max() - seen.min()) / step < MOST_CELLS:
        cells = torch.arange(round(seen.min().item() / step), round(seen.max().item() / step) + 1) * step
        return _enumerated(model, x, d, torch.cat([cells, points]).unique())
    return _of_density(model, x, d, seen, step, points)


def _levels(domain: Domain, d: int) -> int | None:
    if domain.columns:
        return len(domain.columns[d].categories) or None
    return domain.levels_per_variable[d] if domain.discrete else None


def _grid(domain: Domain, d: int) -> tuple[float | None, Tensor]:
    """How far apart a number's values lie, if not everywhere, and those that have probabilities of their own."""
    none = torch.zeros(0, dtype=torch.float64)
    if not domain.columns:
        return None, none
    column = domain.columns[d]
    return (1.0 if column.kind == "integer" else column.step), torch.tensor(column.points, dtype=none.dtype)


def _draws(model: Model, d: int) -> Tensor:
    """What the model draws in variable d, float64, not missing."""
    if not isinstance(model, Samples):
        raise ChainruleError("predict: expected a model that can be drawn from, for a column of numbers")
    drawn = model.sample(DRAWS, generator=torch.Generator().manual_seed(0))[:, d].double().cpu()
    drawn = drawn[drawn.isfinite()]
    if not len(drawn):
        raise ChainruleError("predict: the model draws no value in this column, only missing cells")
    return drawn


def _enumerated(model: Model, x: Tensor, d: int, values: Tensor) -> Posterior:
    many = values.expand(len(x), -1)
    return Posterior(many.double(), log_probs_with(model, x, d, many).softmax(1), enumerated=True)


def _of_density(
    model: Model, x: Tensor, d: int, seen: Tensor, step: float | None, points: Tensor
) -> Posterior:
    """Places, the density there and its trapezoids; points have probabilities beside it."""
    shares = torch.linspace(0, 1, COARSE, dtype=torch.float64)
    even = seen.min() + shares * (seen.max() - seen.min())  # the tails are thin, and wide
    places = _apart(torch.cat([seen.quantile(shares), even]), step, points).unique().expand(len(x), -1)
    joint = log_probs_with(model, x, d, places)
    coarse = Posterior(places, _trapezoids(places, joint).softmax(1), enumerated=False)
    levels = ((torch.arange(FINE) + 0.5) / FINE).tolist()
    fine = _apart(torch.stack([coarse.quantile(q) for q in levels], 1), step, points)
    places, order = torch.cat([places, fine], 1).sort(1)
    joint = torch.cat([joint, log_probs_with(model, x, d, fine)], 1).gather(1, order)
    masses = _trapezoids(places, joint) - (torch.tensor(step).log() if step else 0.0)
    if not len(points):
        return Posterior(places, masses.softmax(1), enumerated=False, step=step)
    many = points.expand(len(x), -1)
    # Beside each point an empty place on both sides: between these no quantile is but the point itself.
    empty = torch.full_like(many, -torch.inf)
    values, order = torch.cat([places, many, many, many], 1).sort(dim=1, stable=True)
    log_mass = torch.cat([masses, empty, log_probs_with(model, x, d, many), empty], 1).gather(1, order)
    return Posterior(values, log_mass.softmax(1), enumerated=False, step=step)


def _apart(places: Tensor, step: float | None, points: Tensor) -> Tensor:
    """The places on the grid, if there is one, and beside the points, at which there is a probability, no density."""
    if step:
        return torch.round(places / step) * step
    for point in points:
        places = torch.where(places == point, torch.nextafter(point, point + 1), places)
    return places


def _trapezoids(places: Tensor, joint: Tensor) -> Tensor:
    """Log-masses (N, G) of places (N, G) that rise, by half the gaps on both sides."""
    gaps = places.diff(dim=1)
    width = torch.nn.functional.pad(gaps, (1, 0)) + torch.nn.functional.pad(gaps, (0, 1))
    return joint + (width / 2).log()
