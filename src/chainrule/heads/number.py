"""The distribution of a number column: which kind of value, then a mixture of logistics in scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from chainrule.devices import index_on
from chainrule.heads.conditional import Conditional
from chainrule.heads.gap import Gap
from chainrule.heads.head import Head
from chainrule.heads.kernels import KERNELS, LOG_SCALES
from chainrule.heads.listed import Listed
from chainrule.heads.mixture import MixtureConditional, logistic_masses
from chainrule.heads.support import Support
from chainrule.layers.numbers.numbers import Numbers, Reading
from chainrule.layers.state import State

# What a body that ends keeps for values beyond its ends: they score, are blamed, and are never drawn.
BEYOND = 1e-6
BARELY = 1e-6  # of a step: values on a grid are that exact
FEW = 1000  # values on a grid, which are tempered one by one
WIDEST = 1.0  # log-scale, in scores, of which those of the whole column have 0
BODY, MISSING, POINTS = 0, 1, 2  # places of the choices; lattices follow the points


class Parts(NamedTuple):
    """What a net says of numbers (…, m).

    Attributes:
        choices: (…, m, C) log-probabilities: body, missing, each point, each lattice; -inf of those there are not.
        log_weights, means, log_scales: (…, m, K) of the mixture in scores.
    """

    choices: Tensor
    log_weights: Tensor
    means: Tensor
    log_scales: Tensor


class NumberHead(Head):
    """One number column: a softmax over body, missing, points and lattices; the body is a mixture in scores.

    The value is x itself, in double precision: a point is that very number, and the edges of a grid's cells are scored
    from x. A point has its probability, a cell of a grid or lattice what the mixture has between the scores of its
    edges, any other number the mixture's density times T'(x).

    Args:
        numbers: the table's number columns, which another part owns.
        column: which of them this is.
        components: K; a site has 3K + 2 + J + L parameters.

    Attributes:
        floor: the least log-scale of a component of a density, in scores.
    """

    variables = 1

    def __init__(self, numbers: Numbers, column: int, components: int = 10) -> None:
        super().__init__()
        self.components, self.column = components, column
        self.size = 3 * components + numbers.choices
        self.floor = LOG_SCALES[0]
        self._numbers = (numbers,)  # in a tuple: registered once, by `ColumnHeads`

    @property
    def numbers(self) -> Numbers:
        """All number columns of the table."""
        return self._numbers[0]

    @property
    def support(self) -> Support:  # type: ignore[override]
        """The column's; the points of a grid are among its values, and what lies beyond its ends has a probability."""
        own = self.numbers.columns[self.column]
        if own.step:
            return Support(step=own.step, points=(math.nan,) if own.missing else ())
        lowest, highest = (
            (-math.inf if own.lowest is None else own.lowest),
            (math.inf if own.highest is None else own.highest),
        )
        return Support(lowest, highest, points=(math.nan, *own.points) if own.missing else own.points)

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        """(…, P), (…, 1) → (…, 1) nats."""
        return score(self.numbers, self.numbers.only(self.column), self.parts(params[..., None, :]), x)

    def parts(self, params: Tensor) -> Parts:
        """(…, 1, P) → what they say."""
        return split(self, self.numbers.only(self.column), params)

    def step(self, prev: Tensor | None, state: State, v: int) -> tuple[Conditional, State]:
        """All of it."""
        parts = self.parts(state[:, None])
        missing, there = parts.choices[..., MISSING], parts.choices.clone()
        there[..., MISSING] = -math.inf
        any_there = torch.logsumexp(there, dim=-1)
        parts = parts._replace(choices=there - any_there[..., None])
        conditional = NumberConditional(self.numbers, self.column, parts)
        if not self.numbers.columns[self.column].missing:
            return conditional, state
        return Gap((missing - any_there)[:, 0], conditional), state


def log_prob_of(heads: Sequence[NumberHead], params: Tensor, x: Tensor) -> Tensor:
    """Several columns of one table at once: (…, m, P), (…, m) → (…, m) nats."""
    numbers = heads[0].numbers
    columns = index_on(x.device, [head.column for head in heads])
    return score(numbers, columns, split(heads[0], columns, params), x)


def split(head: NumberHead, columns: Tensor, params: Tensor) -> Parts:
    """Parameters (…, m, P) of the columns (m,) by number → what they say."""
    k, numbers = head.components, head.numbers
    # Of a density alone may a floor be raised: a grid's cells bound what a narrow component is worth.
    on_grid = numbers.steps.index_select(0, columns)[:, None] > 0
    means, log_scales, weights, choices = params[..., : 3 * k + numbers.choices].split(
        [k, k, k, numbers.choices], dim=-1
    )
    choices = choices.masked_fill(~numbers.allowed.index_select(0, columns), -math.inf)
    return Parts(
        torch.log_softmax(choices, dim=-1),
        torch.log_softmax(weights, dim=-1),
        means,
        torch.where(on_grid, log_scales.clamp(min=LOG_SCALES[0]), log_scales.clamp(min=head.floor)).clamp(
            max=WIDEST
        ),
    )


def score(numbers: Numbers, columns: Tensor, parts: Parts, x: Tensor) -> Tensor:
    """log p of numbers x (…, m) of the columns (m,) by number: (…, m) nats; NaN is a missing one."""
    kind, reading = parts.choices.dtype, numbers.read(x, columns)
    cells, free = numbers.kinds(columns)
    masses = _masses(parts, reading, cells)
    on_grid = numbers.steps.index_select(0, columns) > 0
    body = torch.where(on_grid, masses[..., 0], _density(parts, reading, free))
    body = torch.where(reading.inside, body, -math.inf)
    bounded = numbers.bounded.index_select(0, columns)
    beyond = (math.log(BEYOND) + reading.outside).to(kind)
    body = torch.where(bounded, torch.logaddexp(body + math.log1p(-BEYOND), beyond), body)
    special = torch.cat([reading.point, reading.member[..., 1:]], dim=-1)
    lattices = F.pad(masses[..., 1:], (numbers.count, 0))
    there = torch.where(special, parts.choices[..., POINTS:] + lattices, -math.inf)
    # A density adds nothing to a probability.
    body = torch.where(on_grid | ~special.any(-1), parts.choices[..., BODY] + body, -math.inf)
    total = torch.logsumexp(torch.cat([there, body[..., None]], dim=-1), dim=-1)
    return torch.where(x.isnan(), parts.choices[..., MISSING], total)


def _masses(parts: Parts, reading: Reading, cells: Tensor) -> Tensor:
    """log of what the mixture has in the cells of x on its grid and lattices: (…, m, 1 + L); -inf where it has none.

    Args:
        cells: (q,) places among the m (1 + L) of grids and lattices that there are.
    """
    kind, families = parts.means.dtype, reading.member.shape[-1]
    low, high, width = (
        part.flatten(-2).index_select(-1, cells).to(kind)[..., None]
        for part in (reading.low, reading.high, reading.width)
    )
    log_weights, means, log_scales = (part.index_select(-2, cells // families) for part in parts[1:])
    inverse = torch.exp(-log_scales)
    mass = F.logsigmoid((high - means) * inverse) + F.logsigmoid((means - low) * inverse)
    mass = mass + torch.log(-torch.expm1(-(width * inverse).clamp(min=1e-30)))
    total = torch.logsumexp(log_weights + mass, dim=-1)
    found = _spread(total, cells, reading.member.shape[-2] * families).unflatten(-1, (-1, families))
    return torch.where(reading.member, found, -math.inf)


def _density(parts: Parts, reading: Reading, free: Tensor) -> Tensor:
    """log-density (…, m) per unit of x of the columns at places `free` (q,), -inf of the others."""
    kind = parts.means.dtype
    log_weights, means, log_scales = (part.index_select(-2, free) for part in parts[1:])
    z = (reading.z.index_select(-1, free).to(kind)[..., None] - means) * torch.exp(-log_scales)
    terms = log_weights - log_scales + KERNELS["logistic"].log_density(z)
    total = torch.logsumexp(terms, dim=-1) + reading.log_slope.index_select(-1, free).to(kind)
    return _spread(total, free, reading.z.shape[-1])


def _spread(values: Tensor, places: Tensor, size: int) -> Tensor:
    """Values (…, q) at places (q,) among `size`; -inf elsewhere."""
    nothing = torch.full((*values.shape[:-1], size), -math.inf, dtype=values.dtype, device=values.device)
    return nothing.index_copy(-1, places, values)


class NumberConditional(Conditional):
    """A value of one number column that is not missing, for a batch of B rows.

    Args:
        numbers: the table's number columns.
        column: which of them.
        parts: of (B, 1), in which the choice of a missing value is none.
    """

    def __init__(self, numbers: Numbers, column: int, parts: Parts) -> None:
        self.numbers, self.column, self.parts = numbers, column, parts
        self.columns = numbers.only(column)
        self.own = numbers.columns[column]

    def log_prob(self, value: Tensor) -> Tensor:
        """(B,) → (B,) nats."""
        return self._log_prob(value[:, None])[:, 0]

    def _log_prob(self, values: Tensor) -> Tensor:
        """(B, n) → (B, n) nats."""
        parts = Parts(*(part[:, None] for part in self.parts))
        return score(self.numbers, self.columns, parts, values[..., None])[..., 0]

    def draw(self, u: Tensor) -> Tensor:
        """(B,) → (B,) float64: u chooses a point, a lattice or the body; what is left of it the value there."""
        ends = self.parts.choices[:, 0].double().exp().cumsum(-1)
        ends = ends / ends[:, -1:]
        chosen = torch.searchsorted(ends, u[:, None].contiguous(), right=True).clamp(max=ends.shape[-1] - 1)
        starts = F.pad(ends, (1, 0)).gather(-1, chosen)[:, 0]
        rest = (u - starts) / (ends.gather(-1, chosen)[:, 0] - starts)
        return self._value(chosen, self._mixture().draw(rest.clamp(0, 1 - 1e-16))[:, None])[:, 0]

    def cdf(self, value: Tensor, *, strict: bool = False, upper: bool = False) -> Tensor:
        """P of the points, lattice values, cells and densities up to each value (B,), of what can be drawn."""
        value, mixture = value.double(), self._mixture()
        choices = self.parts.choices[:, 0].double().exp()
        total = torch.zeros_like(value)
        for family in range(1 + len(self.own.lattices)):
            step = self.own.step if family == 0 else self.own.lattices[family - 1][0]
            if step is None:
                z = self.numbers.score(value, self.column)
            else:
                beside = value + (-BARELY if strict else BARELY) * step
                z = self.numbers.below(beside[:, None], self.column, family)[:, 0]
            place = BODY if family == 0 else POINTS + self.numbers.count + family - 1
            total = total + choices[:, place] * mixture.cdf(z, upper=upper)
        for j, point in enumerate(self.own.points):
            below = value > point if strict else value >= point
            total = total + choices[:, POINTS + j] * (below != upper)
        return total

    def nearest(self, value: Tensor) -> Tensor:
        """The nearest number on the grid; itself where there is none."""
        return self.numbers.written(value.double()[:, None], self.columns)[:, 0]

    def mode(self) -> Tensor:
        """The most probable value (B,); a density is not compared with a probability, the likelier choice is taken."""
        if (listed := self._listed()) is not None:
            return listed.mode()
        means, choices = self.parts.means[:, 0].double(), self.parts.choices[:, 0]
        # The points, and of the other choices the values at each component's mean and each knot of the map.
        knots = self.numbers.map.knots[self.column, :, 1].expand(len(means), -1)
        scores = torch.cat([means, knots], dim=-1)
        points = range(POINTS, POINTS + self.numbers.count)
        others = [choice for choice in range(choices.shape[-1]) if choice not in points]
        owner = torch.tensor([*points, *others], device=means.device)
        times = torch.tensor([*[1] * len(points), *[scores.shape[-1]] * len(others)], device=means.device)
        owner = owner.repeat_interleave(times)
        scores = torch.cat([scores.new_zeros(len(means), len(points)), scores.repeat(1, len(others))], dim=-1)
        values = self._value(owner.expand(len(means), -1), scores)
        terms = self._log_prob(values)
        terms = terms.masked_fill(choices.index_select(-1, owner).isneginf(), -math.inf)
        if self.own.step is None:
            terms = terms.masked_fill(owner != choices.argmax(-1, keepdim=True), -math.inf)
        return values.gather(-1, terms.argmax(-1, keepdim=True))[:, 0]

    def tempered(self, temperature: float) -> Conditional:
        """∝ p^(1/T) of a short grid; else the choice is, and the mixture in scores by itself, as `Mixture` has it."""
        if (listed := self._listed()) is not None:
            return listed.tempered(temperature)
        choices = torch.log_softmax(self.parts.choices.double() / temperature, dim=-1)
        warm = self._mixture().tempered(temperature)
        mixture = (
            part[:, None] for part in (warm.log_weights, warm.means, warm.log_scales.clamp(max=WIDEST))
        )
        return NumberConditional(self.numbers, self.column, Parts(choices, *mixture))

    def truncated(self, top_k: int | None, top_p: float | None) -> Conditional:
        """The most probable ones of a short grid; refused of other numbers."""
        listed = None if top_k is None and top_p is None else self._listed()
        return super().truncated(top_k, top_p) if listed is None else listed.truncated(top_k, top_p)

    def masses(self, edges: Tensor) -> Tensor:
        """The probability of the grid's places from each edge up to the next: (B, E+1) integers → (B, E) float64."""
        if self.own.step is None:
            raise self._refusal("compress", "numbers on a grid")
        x = (edges.double() - 0.5) * self.own.step
        choices = self.parts.choices[:, 0].double().exp()
        total = torch.zeros_like(x[:, 1:])
        for family in range(1 + self.numbers.lattices):
            share = choices[:, [BODY if family == 0 else POINTS + self.numbers.count + family - 1]]
            places = self.numbers.below(x, self.column, family)
            own = logistic_masses(places, *(part[:, 0].double() for part in self.parts[1:]))
            if family == 0 and bool(self.numbers.bounded[self.column]):
                own = (1 - BEYOND) * own + BEYOND * self.numbers.beyond(x, self.column)
            total = total + share * own
        for j, point in enumerate(self.own.points):
            total = total + choices[:, [POINTS + j]] * ((x[:, :-1] < point) & (point < x[:, 1:]))
        return total

    def _mixture(self) -> MixtureConditional:
        log_weights, means, log_scales = (part[:, 0].double() for part in self.parts[1:])
        return MixtureConditional(log_weights, means, log_scales, "logistic")

    def _value(self, chosen: Tensor, z: Tensor) -> Tensor:
        """The values (B, n) of choices and scores (B, n)."""
        count, columns = self.numbers.count, self.columns.expand(z.shape[-1])
        family = (chosen - (POINTS + count) + 1).clamp(min=0)
        x = self.numbers.snap(self.numbers.map.inverse(z, columns), columns, family)
        if count:
            point = self.numbers.points[self.column][(chosen - POINTS).clamp(0, count - 1)]
            x = torch.where((chosen >= POINTS) & (family == 0), point, x)
        return x

    def _listed(self) -> Listed | None:
        """All values, where there are few: those of a grid between two ends."""
        step, (lowest, highest) = self.own.step, self.own.ends
        if step is None or lowest is None or highest is None or (highest - lowest) / step >= FEW:
            return None
        _, _, first, last = self.numbers.cells[self.column, 0].tolist()
        values = torch.arange(first, last + 1, dtype=torch.float64, device=self.columns.device) * step
        values = self.numbers.written(values[:, None], self.columns)[:, 0]
        return Listed(values, self._log_prob(values.expand(len(self.parts.choices), -1)))
