"""What every flow is: a bijection, a prior, and for levels a way to make numbers of them."""

from __future__ import annotations

import math
from functools import cache
from typing import Any, Literal, Self, get_args

import torch
from torch import Tensor

from chainrule.devices import may_look, wide_sum, widened
from chainrule.domain import Domain
from chainrule.engine import Runner, Sample, draw_noise, exact_arithmetic
from chainrule.engine.finite import check_weights, name_of
from chainrule.errors import ChainruleError, DomainError
from chainrule.flows import Bijection, Chain, Logit, Prior, Uniform, Variational
from chainrule.models.base.capabilities import Bounded, Exact, Latent, Samples
from chainrule.models.parts.scores import Scores

LOOKED_AT = 1024  # items that the layers see before training
Dequantisation = Literal["uniform", "variational"]
DEQUANTISATIONS = get_args(Dequantisation)


class Flow(Samples, Latent):
    """log p(y) = log p(z(y)) + log |det ∂z/∂y|: `FlowOfReals` or `FlowOfLevels`, as the domain is.

    Args:
        domain: reals, or one number of levels; items of one length.
        bijection: (B, *event_shape) ↔ z (B, D).
        prior: of z.
        logit: whether levels enter as logits, which have no edges.
        dequantisation: of levels; "uniform" noise, or "variational", noise that is learnt.
        hidden: width of the net that learns it.

    Raises:
        DomainError: on tables with other than real columns, without gaps; on items that differ in length.
    """

    def __new__(cls, domain: Domain, *args: Any, **kwargs: Any) -> Self:
        """A flow of the kind that its domain says."""
        made: Any = object.__new__(_kind(cls, domain.discrete))
        return made

    def __reduce__(self) -> tuple:
        """How a flow is copied: the class of its kind is no attribute of a module, by which one finds classes."""
        family = next(cls for cls in type(self).__mro__ if "_made" not in vars(cls))
        return _blank, (family, self.domain.discrete), self.__dict__

    def __init__(
        self,
        domain: Domain,
        bijection: Bijection,
        prior: Prior,
        *,
        logit: bool = True,
        dequantisation: Dequantisation = "uniform",
        hidden: int = 256,
    ) -> None:
        super().__init__(domain)
        check_continuous(domain)
        if dequantisation not in DEQUANTISATIONS:
            raise ChainruleError(
                f"dequantisation: expected one of {', '.join(DEQUANTISATIONS)}, got {dequantisation!r}"
            )
        self.prior = prior
        self.units = None if domain.discrete else Scores(domain)
        self.dequantiser: Any = None
        if domain.discrete:
            self.dequantiser = Uniform() if dequantisation == "uniform" else Variational(domain.size, hidden)
        self.bijection = Chain(Logit(), bijection) if domain.discrete and logit else bijection

    # --- the likelihood --------------------------------------------------------------------------

    def log_density(self, y: Tensor) -> Tensor:
        """log p(y) on the flow's own scale: (B, *event_shape) → (B,) nats."""
        z, log_det = self.bijection(y)
        return wide_sum(self.prior.log_prob(z), 1) + widened(log_det)

    # --- samples ---------------------------------------------------------------------------------

    def _draw(
        self,
        n: int,
        cond: Tensor | None,
        rule: Sample,
        generator: torch.Generator | None,
        runner: Runner | None,
    ) -> Tensor:
        """z from the prior, and back. Temperature is a factor of z: below 1, items nearer to the most typical one."""
        others = {"top_k": rule.top_k, "top_p": rule.top_p, "runner": runner}
        asked = [name for name, value in others.items() if value is not None]
        if asked:
            raise self.refusal(
                f"no use for {asked[0]}: all variables are drawn at once", "temperature, or none"
            )
        noise = draw_noise(n, self.domain.size, generator, self.device)
        with exact_arithmetic(self):
            return self.decode(rule.temperature * self.prior.quantile(noise).to(self.dtype))

    def encode(self, x: Tensor) -> Tensor:
        """z of items: (B, *event_shape) → (B, D). Of levels that of their middles."""
        x = self.here(self.domain.check(x))
        if self.units is not None:
            return self.bijection(self._standardised(x))[0]
        return self.bijection((x.to(self.dtype) + 0.5) / self.domain.max_levels)[0]

    def decode(self, z: Tensor, generator: torch.Generator | None = None, **options: Any) -> Tensor:
        """Items of z: (B, D) → (B, *event_shape). No chance is left: neither the generator nor options are read."""
        y = self.bijection.inverse(z)
        if may_look(z.device):
            check_weights(self)
            if not y.isfinite().all():
                raise ChainruleError(f"{name_of(self)}: items of z up to {z.abs().max():.2g} are not finite")
        if self.units is None:
            return (y * self.domain.max_levels).floor().long().clamp(0, self.domain.max_levels - 1)
        x = self.units.restore(y.flatten(1)).unflatten(1, self.domain.event_shape)
        return x if self.domain.columns else x.to(self.dtype)

    # --- fitting ---------------------------------------------------------------------------------

    def prepare(self, x: Tensor) -> None:
        """Units of reals; then each layer looks at some items."""
        x = self.domain.check(x)
        if self.units is not None:
            self.units.fit(x.flatten(1))
            y = self._standardised(x[:LOOKED_AT])
        else:
            noise = torch.rand(
                x[:LOOKED_AT].shape, generator=torch.Generator().manual_seed(0), dtype=self.dtype
            )
            y = (x[:LOOKED_AT] + noise.to(x.device)) / self.domain.max_levels
        self.bijection.prepare(y.to(self.device))

    def _standardised(self, x: Tensor) -> Tensor:
        assert self.units is not None
        return self.units.standardise(x.flatten(1), self.dtype).unflatten(1, self.domain.event_shape)


class FlowOfReals(Flow, Exact):
    """log p(x), in the units of the data."""

    def _log_prob(self, x: Tensor, cond: Tensor | None) -> Tensor:
        """log p(y) and the volume of the units, or of the maps of number columns."""
        assert self.units is not None
        return self.log_density(self._standardised(x)) + self.units.volume(x.flatten(1))


class FlowOfLevels(Flow, Bounded):
    """A bound of log P(x), by y = (x + u) / levels with noise u in [0, 1)."""

    def log_weight(self, x: Tensor, cond: Tensor | None, generator: torch.Generator | None) -> Tensor:
        """log p(x + u) - log q(u | x)."""
        levels = self.domain.max_levels
        u, log_q = self.dequantiser((x.to(self.dtype) + 0.5) / levels, generator)
        density = self.log_density((x + u) / levels)
        return density - widened(log_q) - self.domain.size * math.log(levels)


@cache
def _kind(family: type[Flow], discrete: bool) -> type[Flow]:
    """A family of flows as a flow of levels, or of reals."""
    kind = FlowOfLevels if discrete else FlowOfReals
    if issubclass(kind, family):
        return kind
    return type(family.__name__, (family, kind), {"__module__": family.__module__, "_made": True})


def _blank(family: type[Flow], discrete: bool) -> Flow:
    """A flow without a state, to copy another into."""
    return object.__new__(_kind(family, discrete))


def check_continuous(domain: Domain) -> None:
    """Refuse a domain of anything but reals or one number of levels.

    Raises:
        DomainError: which says what was expected.
    """
    mixed = any(
        not column.has_density or column.missing or column.points or column.lattices
        for column in domain.columns
    )
    if mixed or domain.lengths != "fixed" or (isinstance(domain.levels, tuple) and not domain.columns):
        raise DomainError(
            f"expected reals without missing cells or points, or one number of levels, in items of one length; "
            f"got {domain}"
        )
