"""What a law is tried on: a factory of models, and a domain small enough to enumerate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.domain import Domain
from chainrule.domain.column import Column
from chainrule.engine import Rollout, Sample, draw_noise, exact_arithmetic, rollout
from chainrule.layers import State
from chainrule.models import AutoregressiveModel, Model
from chainrule.models.base.capabilities import Bounded, Exact, Factorises, Marginalises
from chainrule.testing.support import MOST_ITEMS, support

SCORED = (Exact, Bounded)
ANY = (Model,)


class LawViolation(AssertionError):
    """A law does not hold: which one, of what, and by how much."""


class LawNotBinding(Exception):
    """A law that does not concern this model, and why."""


class LawNotTried(LawNotBinding):
    """A law that binds but cannot be tried on this model or domain; `check_model` warns."""


@contextmanager
def under(law: str) -> Iterator[None]:
    """Turn any error that trying a law meets into a `LawViolation` of that law."""
    try:
        yield
    except (LawViolation, LawNotBinding):
        raise
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        raise LawViolation(f"{law}: raised {type(error).__name__}: {lines[0]}") from error


def require(holds: bool | Tensor, message: str) -> None:
    """Raise a `LawViolation` unless the statement holds."""
    if not bool(holds):
        raise LawViolation(message)


def close(a: Tensor, b: Tensor, tolerance: float) -> bool:
    """Whether two tensors differ by at most `tolerance` relative to their largest finite entry; NaN is NaN."""
    if a.shape != b.shape:
        return False
    a, b = a.double(), b.double()
    same_infinities = torch.equal(a.isinf(), b.isinf()) and torch.equal(a.isnan(), b.isnan())
    a, b = (torch.where(side.isfinite(), side, 0.0) for side in (a, b))
    scale = max(1.0, b.abs().max().item()) if b.numel() else 1.0
    return same_infinities and bool(((a - b).abs() <= tolerance * scale).all())


def randomise(module: nn.Module, generator: torch.Generator, size: float = 1.0) -> None:
    """Redraw all parameters, so that a zero-initialised or dead connection is seen.

    Densities get a smaller `size`: they must fit the grid on which they are integrated.
    """
    with torch.no_grad():
        for parameter in module.parameters():
            scale = 0.5 if parameter.ndim < 2 else 1.5 / math.sqrt(max(1, parameter[0].numel()))
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * scale * size
            parameter.copy_(noise)


@dataclass
class Subject:
    """A factory `domain -> model` on one domain.

    Args:
        factory: builds a fresh model.
        domain: a tiny one: its items are enumerated.
        seed: of the parameters and of the items.
    """

    factory: Callable[[Domain], Model]
    domain: Domain
    seed: int = 0

    def generator(self) -> torch.Generator:
        """A fresh generator, the same each time."""
        return torch.Generator().manual_seed(self.seed)

    def build(
        self, dtype: torch.dtype = torch.float64, *, likelihoods: tuple[type[Model], ...] = (Exact,)
    ) -> Model:
        """A model with random parameters, in evaluation mode.

        Args:
            dtype: of the parameters.
            likelihoods: capabilities, of which the law needs one.

        Raises:
            LawNotBinding: if the model has none of these.
        """
        model = self.fresh()
        if not isinstance(model, likelihoods):
            kinds = {
                Exact: "an exact likelihood",
                Bounded: "a bound of its likelihood",
                Model: "no likelihood",
            }
            raise LawNotBinding(
                f"the model has {next(kinds[kind] for kind in kinds if isinstance(model, kind))}"
            )
        randomise(model, self.generator(), 1.0 if self.domain.discrete else 0.2)
        model = model.to(dtype).eval()
        model.prepare(self.items(64))
        return model

    def factorised(self, dtype: torch.dtype = torch.float64) -> AutoregressiveModel:
        """A model with random parameters, for laws of a single factorisation.

        Raises:
            LawNotBinding: if the model mixes several, or has none.
        """
        model = self.build(dtype)
        if not isinstance(model, Factorises):
            raise LawNotBinding("the model is not one factorisation")
        return model.factorisation

    def fresh(self) -> Model:
        """A model as its factory initialises it."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return self.factory(self.domain)

    def items(self, n: int, dtype: torch.dtype = torch.float64, *, whole: bool = False) -> Tensor:
        """n random items (n, *event_shape); if they differ in length, `whole` ones only on request."""
        generator = self.generator()
        if self.domain.columns:
            return torch.stack([_cells(column, n, generator) for column in self.domain.columns], dim=1)
        if not self.domain.discrete:
            real = torch.randn(n, *self.domain.event_shape, generator=generator, dtype=torch.float64)
            return (1.7 * real + 0.3).to(dtype)
        u = torch.rand(n, self.domain.size, generator=generator, dtype=torch.float64)
        levels = torch.tensor(self.domain.levels_per_variable)
        if whole and self.domain.lengths == "ends":
            levels -= 1
        x = (u * levels).long().reshape(n, *self.domain.event_shape)
        if not whole and self.domain.lengths == "given":
            steps = torch.randint(1, self.domain.steps + 1, (n,), generator=generator)
            there = torch.arange(self.domain.steps) < steps[:, None]
            x = torch.where(there.reshape(n, -1, *[1] * (x.ndim - 2)), x, -1)
        return self.domain.canonicalise(x)

    def support(self, model: Model, dtype: torch.dtype = torch.float64, **grid: Any) -> tuple[Tensor, Tensor]:
        """All items of the domain, or a grid over its reals, see `testing.support`, and the weight of each.

        A missing cell is an item of its own, unless the model sums over what is missing.

        Raises:
            LawNotTried: if there are too many.
        """
        domain = self.domain
        if domain.discrete and math.prod(domain.levels_per_variable) > MOST_ITEMS:
            raise LawNotTried(
                f"{domain} has over {MOST_ITEMS} items to enumerate; "
                "a factory of one argument, the domain, is tried on tiny ones"
            )
        if not domain.discrete and domain.size > (3 if domain.columns else 2):
            raise LawNotBinding("domains with reals are integrated in few dimensions only")
        return support(
            domain.without_gaps() if isinstance(model, Marginalises) else domain, dtype, model=model, **grid
        )

    def cond(self, model: Model, n: int, dtype: torch.dtype = torch.float64) -> Tensor | None:
        """n random conditions, None for an unconditional model."""
        if not model.conditional:
            return None
        condition = model.condition
        if condition.classes is not None:
            generator = self.generator()
            labels = [torch.randint(count, (n,), generator=generator) for count in condition.counts]
            return torch.stack(labels, dim=1) if condition.item_shape else labels[0]
        shape = (n, *condition.item_shape)
        return torch.randn(shape, generator=self.generator(), dtype=torch.float64).to(dtype)


def _cells(column: Column, n: int, generator: torch.Generator) -> Tensor:
    """Random cells (n,) of a column, every fourth of them missing where that may be."""
    u, v = torch.rand(2, n, generator=generator, dtype=torch.float64)
    if column.categories:
        values = (u * column.levels).floor()
    elif column.kind == "number":
        values = _numbers(column, u)
    else:
        values = 6 * u - 2 if column.kind == "real" else (12 * u - 4).round()
    return torch.where(v < 0.25, torch.nan, values) if column.missing else values


def _numbers(column: Column, u: Tensor) -> Tensor:
    """Random numbers of a column from uniform ones (n,): any of a grid between two ends, or points and a heavy tail."""
    lowest = column.lowest or 0.0
    if column.step:
        assert column.highest is not None
        return lowest + (u * ((column.highest - lowest) / column.step + 1)).floor() * column.step
    values = lowest + 1.5 * (u / (1 - u)) ** 0.6
    for j, point in enumerate(column.points):
        values = torch.where((10 * u).floor() == 2 * j, point, values)
    return values


def draw(model: AutoregressiveModel, n: int, generator: torch.Generator, cond: Tensor | None) -> Rollout:
    """A rollout that samples n items, with the log-probabilities it accumulated."""
    with exact_arithmetic(model):
        rule = Sample(draw_noise(n, model.domain.size, generator))
        return rollout(model, rule, n, cond=cond, score=True, device=model.device, dtype=model.dtype)


def steps(model: AutoregressiveModel, sites: Tensor, state: State, start: int = 0) -> tuple[Tensor, State]:
    """The parameters (B, T - start, P) of sites start … T-1, step by step with the values given."""
    phases = model.schedule()
    clock = torch.arange(model.sites, device=sites.device)
    collected = []
    for t in range(start, sites.shape[1]):
        params, state = model.step(sites[:, max(t - 1, 0)], state, clock[t], phase=phases[t])
        collected.append(params)
    return torch.stack(collected, dim=1), state
