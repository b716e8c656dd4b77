"""The model every family is: a domain, an ordering, a strictly causal network and a head."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Hashable, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.devices import at_least_float32, index_on, wide_sum
from chainrule.domain import Domain
from chainrule.domain.ordering import Ordering
from chainrule.engine import (
    Choice,
    Known,
    Rollout,
    Runner,
    Sample,
    branch,
    choose_particle,
    draw_noise,
    exact_arithmetic,
    generate,
)
from chainrule.engine.finite import spoil
from chainrule.errors import ApproximateCompletionWarning, DomainError
from chainrule.heads import ColumnHeads, Head
from chainrule.layers import Condition, State
from chainrule.models.base.capabilities import Completes, Exact, Factorises, Samples, Sequential
from chainrule.models.base.streaming import Streams
from chainrule.models.parts.constraints import check_lengths, end_logits, forbidden_logits
from chainrule.models.parts.marginals import fit_marginals
from chainrule.models.parts.standardise import Units
from chainrule.networks import Network, Replay

ROWS, PARAMETERS = 1 << 14, 1 << 27  # drawn at once, and looked at: half a gibibyte


class AutoregressiveModel(Exact, Samples, Completes, Streams, Sequential, Factorises):
    """p(x) = ∏_d p(x_d | x_<d), in two modes that agree.

    Args:
        network: a `Network`, or any strictly causal module that maps sites (B, T, V) to parameters (B, T, P),
            site t from those before it. A module without a step of its own samples by replaying the prefix.
        domain: what is modelled.
        head: parameters ↔ the distribution of a site.
        ordering: "natural", "reversed", "random-SEED" or a permutation of the domain's variables.

    Shapes: B items, T sites of V variables (T·V = D), P parameters a site.

    Raises:
        DomainError: if the head does not fit the domain.

    Example:
        >>> import chainrule as cr
        >>> model = cr.create_model("causal-conv1d", cr.Domain.binary(16), channels=8)
        >>> x = model.sample(4, generator=torch.Generator().manual_seed(0))
        >>> model.log_prob(x).shape
        torch.Size([4])
    """

    _forbidden: Any  # (T, P) or None: logits of levels that a column does not have
    _ended: Any  # (P,) or None: logits after the end of an item: the end symbol for certain

    def __init__(
        self,
        network: nn.Module,
        domain: Domain,
        head: Head,
        *,
        ordering: str | Sequence[int] | Ordering = "natural",
    ) -> None:
        super().__init__(domain)
        if domain.size % head.variables:
            raise DomainError(f"head: expected its {head.variables} variables a site to divide {domain.size}")
        if domain.discrete != (head.levels is not None) or (
            domain.discrete and domain.max_levels != head.levels
        ):
            raise DomainError(
                f"head: expected one for {domain}, got {type(head).__name__} of {head.levels} levels"
            )
        self.head = head
        if isinstance(head, ColumnHeads):
            head.share(network)
        self.units = None if domain.discrete else Units(domain)
        self.sites = domain.size // head.variables
        self.ordering = ordering if isinstance(ordering, Ordering) else Ordering(domain, ordering)
        check_lengths(domain, self.ordering, head)
        if not isinstance(network, Network):
            network = Replay(network, variables=head.variables, real=not domain.discrete)
        self.network = network
        self.register_buffer("_forbidden", forbidden_logits(domain, self.ordering, head), persistent=False)
        self.register_buffer("_ended", end_logits(domain, head), persistent=False)
        # Whether some values are impossible, or certain, whatever the network says: their logits are infinite.
        self.certain = self._forbidden is not None or self._ended is not None

    # --- the two modes ---------------------------------------------------------------------------

    def forward(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """The parameters of all conditionals: (B, *event_shape) → (B, T, P), in generation order."""
        return self.parallel(self.to_sites(self.domain.check(x)), cond)

    def init_state(
        self,
        batch: int,
        *,
        cond: Tensor | None = None,
        length: int | None = None,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> State:
        """The state before the first site."""
        self.check_cond(cond)
        length = self.sites if length is None else length
        device, dtype = device or self.device, dtype or self.dtype
        return self.network.init_state(batch, cond=cond, length=length, device=device, dtype=dtype)

    def step(self, prev: Tensor, state: State, t: Tensor, *, phase: Hashable = None) -> tuple[Tensor, State]:
        """The site before t (B, V), not read at t = 0 → the parameters of site t (B, P), and the state."""
        params, state = self.network.step(self.readable(prev), state, t, phase=phase)
        params = at_least_float32(params)
        if isinstance(self.head, ColumnHeads):
            params = params + self.head.offset.index_select(0, t.reshape(1))
        if self._forbidden is not None:
            params = spoil(params) + self._forbidden.index_select(0, t.reshape(1))
        if self._ended is not None:
            params = torch.where((prev == self.domain.max_levels - 1) & (t > 0), self._ended, spoil(params))
        return params, state

    def prefill(self, sites: Tensor, state: State) -> tuple[Tensor, State]:
        """Absorb the first n sites at once: (B, n, V) → their parameters (B, n, P), and the state."""
        params, state = self.network.prefill(self.readable(sites), state)
        return self.allow(params, sites), state

    def schedule(self, length: int | None = None) -> Sequence[Hashable]:
        """The phase of each site."""
        return self.network.schedule(self.sites if length is None else length)

    def connectivity(self) -> Tensor:
        """Which variables each one's conditional reads: (D, D) booleans [reader, read], in generation order."""
        v = self.head.variables
        sites = self.network.connectivity(self.sites)
        read = sites.repeat_interleave(v, 0).repeat_interleave(v, 1)
        if not self.head.coupled:
            return read
        return read | torch.block_diag(*[torch.ones(v, v, dtype=torch.bool).tril(-1)] * self.sites)

    # --- the verbs -------------------------------------------------------------------------------

    def _log_prob(self, x: Tensor, cond: Tensor | None) -> Tensor:
        """The sum of all terms, in float64."""
        return wide_sum(self._in_order(x, cond), 1)

    def _terms(self, x: Tensor, cond: Tensor | None) -> Tensor:
        """log p(x_d | x_<d) at the place of x_d."""
        return self.ordering.unflatten(self._in_order(x, cond))

    def _in_order(self, x: Tensor, cond: Tensor | None) -> Tensor:
        """log p(x_d | x_<d) in generation order: (B, *event_shape) → (B, D) nats.

        Without gradients a few items at once, where there are many parameters of each.
        """
        rows = max(1, PARAMETERS // (self.sites * self.head.size))
        if len(x) > rows and not torch.is_grad_enabled():
            conds = [None] * -(-len(x) // rows) if cond is None else cond.split(rows)
            parts = (self._in_order(*part) for part in zip(x.split(rows), conds, strict=True))
            return torch.cat(list(parts))
        sites = self.to_sites(x)
        return self.terms(self.parallel(sites, cond), sites)

    def _draw(
        self,
        n: int,
        cond: Tensor | None,
        rule: Sample,
        generator: torch.Generator | None,
        runner: Runner | None,
    ) -> Tensor:
        """With a number of noise for each variable."""
        noise = draw_noise(n, self.domain.size, generator, self.device)
        return self.draw(replace(rule, noise=noise), n, cond, runner=runner)

    def force(self, x: Tensor, known: Tensor, rule: Choice, cond: Tensor | None) -> tuple[Tensor, Tensor]:
        """One pass in which known values are kept and others chosen by the rule.

        Args:
            x: (B, *event_shape), in the domain.
            known: booleans (B, *event_shape).
            rule: for what is unknown.
            cond: one per item.

        Returns:
            The items (B, *event_shape), and Σ_{known} log p(x_d | what came before) (B,) nats.
        """
        mask = self.ordering.flatten(known)
        drawn = self.rollout(
            Known(self.readable(self.to_sites(x)).flatten(1), mask, rule), len(x), cond, score=True
        )
        weights = torch.where(mask, drawn.log_prob.flatten(1), 0.0).sum(-1)
        values = self.from_sites(drawn.values)
        return self.domain.canonicalise(torch.where(known, x.to(values.dtype), values)), weights

    def _complete(
        self,
        x: Tensor,
        known: Tensor,
        n: int,
        *,
        cond: Tensor | None,
        rule: Sample,
        particles: int,
        generator: torch.Generator | None,
        runner: Runner | None,
        noise: Tensor | None = None,
    ) -> Tensor:
        """Draw the unknown variables from candidates, chosen by the known values that follow them.

        Args:
            noise: uniform (B · n, D), of the first candidate of each draw; from the generator by default.
        """
        sites, mask = self.readable(self.to_sites(x)), self.ordering.flatten(known)
        leading = mask.long().cumprod(1).bool()
        prefix = int(leading.sum(1).min()) // self.head.variables if len(x) else 0
        trailing = mask & ~leading
        if not trailing.any():  # nothing to weigh candidates by
            particles = 1
        if particles == 1 and trailing.any():
            warnings.warn(
                "known variables follow unknown ones in the ordering: they are kept, but the unknown ones "
                "before them are not conditioned on them; particles=64, say, takes them into account",
                ApproximateCompletionWarning,
                stacklevel=3,
            )
        batch, rows = len(x), n * particles
        others = branch(generator)
        if noise is None:
            noise = draw_noise(batch * n, self.domain.size, generator, self.device)
        if particles > 1:  # of the other candidates, and numbers that choose among them
            more = draw_noise(batch * n, particles + (particles - 1) * self.domain.size, others, self.device)
            chance = more[:, :particles].reshape(batch, n, particles)
            noise = torch.cat([noise, more[:, particles:]], dim=1).reshape(batch * rows, -1)
        choice = Known(
            sites.flatten(1).repeat_interleave(rows, 0),
            mask.repeat_interleave(rows, 0),
            replace(rule, noise=noise, present=True),
        )
        seen, scored = sites[:, :prefix], particles > 1
        drawn = self.rollout(choice, batch, cond, prefix=seen, copies=rows, runner=runner, score=scored)
        values = self.from_sites(drawn.values).flatten(1).unflatten(0, (batch, n, particles))
        if scored:
            terms = drawn.log_prob.flatten(1).unflatten(0, (batch, rows))
            weights = torch.where(trailing[:, None], terms, 0.0).sum(-1).unflatten(1, (n, particles))
            chosen = choose_particle(weights, chance)
            chosen = torch.where(trailing.any(1)[:, None, None], chosen, 0)  # else as if it were alone
            values = values.take_along_dim(chosen[..., None], dim=2)
        values = values[:, :, 0].unflatten(2, self.domain.event_shape)
        whole = torch.where(known[:, None], x[:, None].to(values.dtype), values)
        return self.domain.canonicalise(whole.flatten(0, 1)).unflatten(0, (batch, n))

    def log_prob_given(
        self,
        x: Tensor,
        known: Tensor,
        cond: Tensor | None,
        *,
        particles: int,
        generator: torch.Generator | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """log p(x) - log p(known part of x), exact where what is known comes first in the ordering."""
        log_known, error, exact = self.log_known(x, known, cond, particles=particles, generator=generator)
        return self._log_prob(x, cond) - log_known, error, exact

    def log_known(
        self,
        x: Tensor,
        known: Tensor,
        cond: Tensor | None,
        *,
        particles: int,
        generator: torch.Generator | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """log p(known part of x), its standard errors, and whether it is exact; arguments as of `log_prob_given`."""
        mask = self.ordering.flatten(known)
        leading = mask.long().cumprod(1).bool()
        found = wide_sum(torch.where(leading, self._in_order(x, cond), 0.0), 1)
        error, exact = torch.zeros_like(found), (mask == leading).all(1)
        rows = (~exact).nonzero().flatten()
        if len(rows):
            many, masks = (part[rows].repeat_interleave(particles, 0) for part in (x, known))
            conds = None if cond is None else cond[rows].repeat_interleave(particles, 0)
            rule = Sample(draw_noise(len(many), self.domain.size, generator, self.device))
            weights = self.force(many, masks, rule, conds)[1].reshape(len(rows), particles)
            found[rows] = weights.logsumexp(1) - math.log(particles)
            spread = (weights - weights.amax(1, keepdim=True)).exp()
            error[rows] = spread.std(1) / spread.mean(1) / math.sqrt(particles)
        return found, error, exact

    # --- between data and sites ------------------------------------------------------------------

    def to_sites(self, x: Tensor) -> Tensor:
        """(B, *event_shape) → (B, T, V) in generation order, numbers standardised."""
        if self.units is not None:
            x = self.units.standardise(x.flatten(1), self.head.kind(self.dtype)).unflatten(
                1, self.domain.event_shape
            )
        return self.ordering.flatten(x).unflatten(1, (self.sites, self.head.variables))

    def from_sites(self, sites: Tensor) -> Tensor:
        """(B, T, V) in generation order → (B, *event_shape)."""
        x = self.ordering.unflatten(sites.flatten(1))
        if self.units is None:
            return x
        x = self.units.restore(x.flatten(1)).unflatten(1, self.domain.event_shape)
        return x if self.domain.columns else x.to(self.dtype)

    def prepare(self, x: Tensor) -> None:
        """Take units of numbers, how far whole ones are apart, and marginals of columns from the training data."""
        if self.units is not None:
            self.units.fit(self.domain.check(x).flatten(1))
        if isinstance(self.head, ColumnHeads):
            self.head.fit_widths(self.ordering.flatten(self.units.scale[None])[0])
            fit_marginals(self.head, self.ordering.flatten(self.domain.check(x)))

    def remember(self, *splits: Tensor) -> None:
        """Keep what the numbers of a table read as."""
        if isinstance(self.head, ColumnHeads):
            self.head.remember(self.ordering.flatten(self.domain.check(torch.cat(splits))))

    def followed(self, first: Tensor) -> list[Any]:
        """The model itself."""
        return [self]

    @property
    def factorisation(self) -> Self:
        """The model itself."""
        return self

    @property
    def condition(self) -> Condition:
        """The network's condition."""
        return self.network.condition

    def reordered(self, permutation: Tensor, network: Network) -> Self:
        """This model under another ordering.

        Args:
            permutation: the domain's variables (D,) in generation order, on the CPU.
            network: this model's, reordered likewise.
        """
        sites = self.ordering.variables.argsort()[permutation]
        other = copy.copy(self)
        other._modules, other._buffers = dict(self._modules), dict(self._buffers)
        other.ordering = Ordering(self.domain, permutation.tolist()).on(self.device)
        other.network = network
        other.head = self.head.reordered(sites.tolist())
        if self._forbidden is not None:
            other._forbidden = self._forbidden[index_on(self.device, sites)]
        return other

    def terms(self, params: Tensor, sites: Tensor) -> Tensor:
        """(B, T, P), (B, T, V) → (B, D) nats of each variable in generation order, in the user's units."""
        terms = self.head.log_prob(params, self.readable(sites)).flatten(1)
        if self.domain.lengths == "given":
            return torch.where(sites.flatten(1) < 0, 0.0, terms)
        if self.units is None:
            return terms
        return terms + torch.where(sites.flatten(1).isnan(), 0.0, self.log_jacobian())

    def log_jacobian(self) -> Tensor:
        """Log density in the user's units minus that of the site's value, of each variable in generation order (D,)."""
        return self.ordering.flatten(self.units.log_jacobian()[None])[0]

    def allow(self, params: Tensor, sites: Tensor) -> Tensor:
        """(B, n, P), (B, n, V) of the first n sites: marginals of columns added, -inf at levels that a column lacks, or
        no item has there. In float32 at least: heads sum exponentials of them."""
        params = at_least_float32(params)
        if isinstance(self.head, ColumnHeads):
            params = params + self.head.offset[: params.shape[1]]
        if self._forbidden is not None:
            params = spoil(params) + self._forbidden[: params.shape[1]]
        if self._ended is not None:
            ended = F.pad(sites[:, :-1] == self.domain.max_levels - 1, (0, 0, 1, 0))
            params = torch.where(ended, self._ended, spoil(params))
        return params

    def parallel(self, sites: Tensor, cond: Tensor | None) -> Tensor:
        """`forward` on sites: (B, T, V) → (B, T, P)."""
        self.check_cond(cond)
        return self.allow(self.network(self.readable(sites), cond), sites)

    def readable(self, sites: Tensor) -> Tensor:
        """Sites as the net and the head read them: where there is nothing, some level."""
        return sites.clamp(min=0) if self.domain.lengths == "given" else sites

    def draw(self, rule: Choice, n: int, cond: Tensor | None, *, runner: Runner | None = None) -> Tensor:
        """n items (n, *event_shape) by any rule, `ROWS` at once: the states of a million take more than memory has."""
        if n <= ROWS:
            return self.from_sites(self.rollout(rule, n, cond, runner=runner).values)
        parts = []
        for start in range(0, n, ROWS):
            rows = slice(start, start + ROWS)
            own, given = rule.map(itemgetter(rows)), None if cond is None else cond[rows]
            parts.append(self.draw(own, min(ROWS, n - start), given, runner=runner))
        return torch.cat(parts)

    def rollout(self, rule: Choice, batch: int, cond: Tensor | None, **options: Any) -> Rollout:
        """`engine.generate` from this model, in full precision."""
        with exact_arithmetic(self):
            return generate(self, rule, batch, cond=cond, device=self.device, dtype=self.dtype, **options)
