"""Symbols of a sequence as they are drawn, for as long as one wants."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from chainrule.domain import INTEGERS
from chainrule.domain.ordering import Ordering
from chainrule.engine import Sample, branch, draw_noise, exact_arithmetic, stream
from chainrule.errors import ChainruleError, DomainError, check_count
from chainrule.heads import Head
from chainrule.models.base.model import Model


class Streams(Model):
    """Has a verb `stream`: a model that steps through its T sites in an order, as `engine.Stepwise` says."""

    ordering: Ordering
    head: Head
    sites: int
    network: Any
    init_state: Any
    step: Any
    prefill: Any
    schedule: Any

    def stream(
        self,
        cond: Tensor | int | None = None,
        *,
        prompt: Tensor | None = None,
        batch: int = 1,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        generator: torch.Generator | None = None,
        block: int = 1,
        context: int | None = None,
    ) -> Iterator[Tensor]:
        """Yield the symbols of a sequence as they are drawn, without an end: (B, block), or (B, block, K).

        A recurrent net and a causal convolution step on after the length of the domain, T; memory is their state. Nets
        that have no place for more than T steps (learned positions, a cache of attention) start afresh whenever they
        are full, and read the last `context` steps again: the symbols that follow are drawn given these only. So are
        models whose conditionals differ from place to place, which take the last steps for the first ones of an item.

        The first T steps are those that `sample`, or `complete` after a prompt, draws with the same generator. Where
        items have an end, rows that have ended repeat the end symbol, and the stream is over once all have. With a
        condition that is a map in time it is over after T steps.

        Args:
            cond: one per row, or one for all.
            prompt: what the sequence starts with, (n,) or (n, K) for all rows or (B, n) or (B, n, K); not yielded. It
                may be longer than T; of such a one, nets that start afresh read the last `context` steps.
            batch: rows B.
            temperature, top_k, top_p: as in `sample`.
            generator: where the randomness comes from; T steps of noise are drawn at once.
            block: steps handed out together, at an end perhaps fewer; in larger blocks a step costs less.
            context: 1 … T - 1; half of T by default. Not read by nets that step on.

        Raises:
            DomainError: if items are not sequences of levels in their own order, one step per site; or the prompt is
                none.
            ChainruleError: on a batch, a block or a context out of range, or a bad temperature, top_k or top_p.

        Example:
            >>> import chainrule as cr
            >>> model = cr.create_model("gru", cr.Domain.sequence(8, levels=3), width=4)
            >>> symbols = model.stream(batch=2, block=5)
            >>> next(symbols).shape, next(symbols).shape
            (torch.Size([2, 5]), torch.Size([2, 5]))
        """
        self.check_streamable()
        check_count("batch: expected a number of rows", batch, 1)
        check_count("block: expected a number of steps", block, 1)
        length = self.sites
        if context is None:
            context = length // 2
        elif not 0 < context < length:
            raise ChainruleError(f"context: expected 1 to {length - 1} steps, got {context}")
        cond = self.expand_cond(cond, batch)
        self.condition(cond, batch)  # raises now, not with the first symbol
        rule = Sample(torch.empty(batch, 0), temperature, top_k, top_p)
        return self._stream(cond, self._prefix(prompt, batch), rule, generator, block, context)

    def check_streamable(self) -> None:
        """Refuse a model whose items have no next symbol.

        Raises:
            DomainError: if they are not sequences of levels in their own order, one step per site.
        """
        domain = self.domain
        if domain.layout != "sequence" or not isinstance(domain.levels, int):
            raise DomainError(f"stream: expected a model of sequences of levels, got {domain}")
        if not self.ordering.is_identity or self.head.variables != domain.width:
            raise DomainError(f"stream: expected the natural ordering of {domain}, a step at a time")

    def _stream(
        self,
        cond: Tensor | None,
        prefix: Tensor,
        rule: Sample,
        generator: torch.Generator | None,
        block: int,
        context: int,
    ) -> Iterator[Tensor]:
        domain = self.domain
        sites = stream(
            self,
            self._rules(rule, len(prefix), generator),
            len(prefix),
            cond=cond,
            prefix=prefix,
            context=None if self.network.supports_streaming else context,
            block=block,
            most=self.sites if self.condition.maps else None,
            end=domain.max_levels - 1 if domain.lengths == "ends" else None,
            device=self.device,
            dtype=self.dtype,
        )
        while True:
            with exact_arithmetic(self):  # a block at a time: between blocks the caller may do as he likes
                drawn = next(sites, None)
            if drawn is None:
                return
            yield drawn if len(domain.event_shape) > 1 else drawn[..., 0]

    def _rules(self, rule: Sample, batch: int, generator: torch.Generator | None) -> Iterator[Sample]:
        """The rule with the noise of one item after another, as `sample` draws it."""
        branches = branch(generator)
        for item in itertools.count():
            own = branch(branches, item) if item else generator
            yield replace(rule, noise=draw_noise(batch, self.domain.size, own, self.device))

    def _prefix(self, prompt: Tensor | None, batch: int) -> Tensor:
        """(B, n, V)."""
        domain = self.domain
        if prompt is None:
            return torch.zeros(batch, 0, self.head.variables, dtype=torch.int64, device=self.device)
        step = domain.event_shape[1:]
        shapes = f"(n{''.join(f', {k}' for k in step)}), or {batch} of them"
        if not isinstance(prompt, Tensor) or prompt.dtype not in INTEGERS:
            came = prompt.dtype if isinstance(prompt, Tensor) else type(prompt).__name__
            raise DomainError(f"prompt: expected integers {shapes}, got {came}")
        sites = prompt.to(self.device).long()
        if sites.ndim == 1 + len(step):
            sites = sites.expand(batch, *sites.shape)
        if sites.ndim != 2 + len(step) or len(sites) != batch or tuple(sites.shape[2:]) != step:
            raise DomainError(f"prompt: expected integers {shapes}, got {tuple(prompt.shape)}")
        # An end symbol is nothing to go on from.
        levels = domain.max_levels - (domain.lengths == "ends")
        if sites.numel() and (sites.min() < 0 or sites.max() >= levels):
            raise DomainError(
                f"prompt: expected levels in [0, {levels}), got {sites.min().item()} to {sites.max().item()}"
            )
        return sites.reshape(*sites.shape[:2], self.head.variables)
