"""The mean likelihood of items, with its standard error."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from chainrule.bits import bits_per_dim, is_density
from chainrule.data import Streams
from chainrule.data.streams import Windows
from chainrule.engine import exact_arithmetic
from chainrule.engine.finite import REMEDY, name_of
from chainrule.errors import ChainruleError
from chainrule.models import Model
from chainrule.models.base.capabilities import Bounded

FEW = 20  # sequences, below which a standard error is by window


@dataclass(frozen=True)
class Likelihood:
    """The mean negative log-likelihood of n items.

    Attributes:
        n: items.
        nats: mean of -log p(x).
        nats_se: its standard error; 0 for one item.
        bits_per_dim: all nats over all variables that are counted, see `chainrule.bits`; None of densities.
        bits_per_dim_se: its standard error.
        density: whether nats are of densities of reals, which change with their unit, and may be below 0.
        bound: whether the mean is at most this: the model knows a lower bound of log p(x).
    """

    n: int
    nats: float
    nats_se: float
    bits_per_dim: float | None
    bits_per_dim_se: float | None
    bound: bool = False
    density: bool = False

    @classmethod
    def of(
        cls, log_prob: Tensor, variables: Tensor, *, bound: bool = False, density: bool = False
    ) -> Likelihood:
        """Build from the log-likelihoods (n,) of items, or bounds, and the number of variables counted in each (n,)."""
        nats, error = ratio(-log_prob, torch.ones_like(log_prob))
        bits, bits_error = (None, None) if density else _bits(*ratio(-log_prob, variables))
        return cls(len(log_prob), nats, error, bits, bits_error, bound, density)

    @property
    def units(self) -> list[str]:
        """What its numbers are, as tables have them."""
        return ["nats (density)"] if self.density else ["nats", "bits/dim"]

    def numbers(self, errors: bool = True) -> list[str]:
        """In these units, with their standard errors."""
        found = [f"{self.nats:.2f}" + f" ± {self.nats_se:.2f}" * errors]
        if self.bits_per_dim is not None:
            found.append(f"{self.bits_per_dim:.3f}" + f" ± {self.bits_per_dim_se:.3f}" * errors)
        return [self.sign + number for number in found]

    @property
    def sign(self) -> str:
        """What stands before its numbers: "≤ " before bounds."""
        return "≤ " if self.bound else ""


def likelihood(
    model: Model, x: Tensor, cond: Tensor | None = None, *, batch_size: int = 256, samples: int = 1
) -> Likelihood:
    """The mean likelihood of items x (N, *event_shape), or its bound, in full precision, a batch at a time.

    Args:
        model: one with a likelihood, exact or a bound.
        x: items.
        cond: one per item, for a conditional model.
        batch_size: items at once.
        samples: of a bound, draws of what is latent in each item.

    Raises:
        ChainruleError: if x is empty or does not lie in the model's domain, or the model has no likelihood.
    """
    log_prob = log_probs(model, x, cond, batch_size=batch_size, samples=samples)
    variables, density = model.counted(x).flatten(1).sum(1), is_density(model.domain)
    return Likelihood.of(log_prob, variables, bound=isinstance(model, Bounded), density=density)


def log_probs(
    model: Model, x: Tensor, cond: Tensor | None = None, *, batch_size: int = 256, samples: int = 1
) -> Tensor:
    """The log-likelihood of each of items (N, *event_shape), or its bound: (N,) float64 nats, on the CPU.

    The draws that a bound is made of are always the same.

    Raises:
        ChainruleError: if x is empty or does not lie in the model's domain, or the model has no likelihood.
    """
    generator = torch.Generator().manual_seed(0)  # so that devices agree
    if len(x) == 0:
        raise ChainruleError("x: expected at least one item, got none")
    if cond is not None and len(cond) != len(x):
        raise ChainruleError(f"cond: expected one per item ({len(x)}), got {len(cond)}")
    conds: list[Tensor | None] = (
        [None] * -(-len(x) // batch_size) if cond is None else list(cond.split(batch_size))
    )
    with exact_arithmetic(model):
        parts = [
            model.log_prob_bound(
                part.to(model.device),
                None if c is None else c.to(model.device),
                samples=samples,
                generator=generator,
            )
            .double()
            .cpu()
            for part, c in zip(x.split(batch_size), conds, strict=True)
        ]
    found = torch.cat(parts)
    if found.isnan().any():
        raise ChainruleError(
            f"{name_of(model)}: log p of item {int(found.isnan().long().argmax())} is NaN: {REMEDY}"
        )
    return found


@dataclass(frozen=True)
class StepLikelihood:
    """The mean negative log-likelihood of the steps of long sequences.

    Attributes:
        steps: how many: each step of each sequence once.
        nats: a step.
        nats_se: its standard error, by sequence, or by window where there are fewer than `FEW` sequences.
        bits: a step; None of densities.
        bits_se: its standard error.
        context: the least number of earlier steps that each but the first steps of a sequence is conditioned on.
        nats_after_first: a step, the first of each sequence left out, which has nothing before it: the figure of code
            that predicts x[1:] from x[:-1], as that of Bai et al. (2018), https://github.com/locuslab/TCN; None of a
            bound, which has no terms of steps.
        nats_after_first_se: its standard error.
        bound: whether the means are at most these: the model knows a lower bound of log p(x).
        bits_per_byte: of a text that is read as tokens, bits of all tokens over the bytes of the text; else None.
    """

    steps: int
    nats: float
    nats_se: float
    bits: float | None
    bits_se: float | None
    context: int
    nats_after_first: float | None
    nats_after_first_se: float | None
    bound: bool = False
    bits_per_byte: float | None = None

    @property
    def sign(self) -> str:
        """What stands before its numbers: "≤ " before bounds."""
        return "≤ " if self.bound else ""


def step_likelihood(
    model: Model, streams: Streams, *, context: int | None = None, batch_size: int = 64
) -> StepLikelihood:
    """Slide the model's window along long sequences, so that each step is scored once.

    Args:
        model: of sequences; if conditional, on the frames or labels of the streams.
        streams: in the model's domain.
        context: overlap of neighbouring windows; half a window by default, in whole frames.

    Raises:
        DataError: if the context is not shorter than the window, or leaves no whole frames of it.
        ConditionError: if the model is conditional, and there are no frames or labels, or others.
    """
    domain = model.domain
    if context is None:
        context = domain.steps // 2 // streams.hop * streams.hop
    windows = streams.sliding(domain, context)
    totals, counts, firsts = [], [], []
    with exact_arithmetic(model):
        for at in torch.arange(len(windows.x)).split(batch_size):
            x = windows.x[at]
            cond = streams.cond(windows.stream[at], windows.start[at], domain) if model.conditional else None
            cond = None if cond is None else cond.to(model.device)
            terms = model.log_prob(x.to(model.device), cond, reduce=False).cpu().double()
            fresh = torch.arange(domain.steps) >= windows.first[at][:, None]
            fresh = fresh.reshape(*fresh.shape, *[1] * (x.ndim - 2)) & domain.counted(x)
            totals.append(torch.where(fresh, terms, 0.0).flatten(1).sum(1))
            counts.append(fresh.flatten(1).sum(1) / domain.width)
            firsts.append(terms[:, :1].flatten(1).sum(1))
    opening = (windows.start == 0).double()
    sums = torch.stack([-torch.cat(totals), torch.cat(counts), -torch.cat(firsts) * opening, opening])
    nats, steps, first_nats, first_steps = _by_sequence(sums, streams, windows)
    mean, error = ratio(nats, steps)
    after, after_error = ratio(nats - first_nats, steps - first_steps)
    bits, bits_error = (None, None) if is_density(domain) else _bits(mean, error)
    n = round(steps.sum().item())
    return StepLikelihood(n, mean, error, bits, bits_error, context, after, after_error)


def step_bound(model: Model, streams: Streams, *, samples: int = 1, batch_size: int = 256) -> StepLikelihood:
    """A bound of the same mean: that of windows side by side, nats of all of them over their steps.

    A window is not conditioned on those before it: with a context, the cost of its steps would be the difference of two
    bounds, which bounds nothing.

    Args:
        model: one that knows a bound, of sequences; if conditional, on the frames or labels of the streams.
        streams: in the model's domain.
        samples: draws of what is latent in each window.
        batch_size: windows at once.
    """
    domain, windows = model.domain, streams.disjoint(model.domain)
    cond = streams.cond(windows.stream, windows.start, domain) if model.conditional else None
    nats = -log_probs(model, windows.x, cond, batch_size=batch_size, samples=samples)
    steps = domain.counted(windows.x).flatten(1).sum(1) / domain.width
    nats, steps = _by_sequence(torch.stack([nats, steps.double()]), streams, windows)
    mean, error = ratio(nats, steps)
    bits, bits_error = (None, None) if is_density(domain) else _bits(mean, error)
    n = round(steps.sum().item())
    return StepLikelihood(n, mean, error, bits, bits_error, 0, None, None, bound=True)


def _bits(nats: float, error: float) -> tuple[float, float]:
    """Bits per variable, or step, and their standard error."""
    return bits_per_dim(nats, 1), bits_per_dim(error, 1)


def _by_sequence(sums: Tensor, streams: Streams, windows: Windows) -> Tensor:
    """(k, N) of windows → (k, n) of the sequences they are of, where these are not too few for a standard error."""
    if len(streams.lengths) < FEW:
        return sums
    empty = torch.zeros(len(sums), len(streams.lengths), dtype=sums.dtype)
    return empty.index_add(1, windows.stream, sums)


def ratio(totals: Tensor, counts: Tensor) -> tuple[float, float]:
    """Σ totals / Σ counts, both (n,), and its standard error by the delta method; 0 for one item."""
    n, totals, counts = len(totals), totals.double(), counts.double()
    mean = (totals.sum() / counts.sum()).item()
    if n < 2:
        return mean, 0.0
    return mean, ((totals - mean * counts).std() / counts.mean() / math.sqrt(n)).item()
