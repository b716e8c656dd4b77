"""Anomaly scores: likelihood, its rank among held-out items, and corrections of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from chainrule.bits import bits_per_dim, is_density
from chainrule.errors import ChainruleError
from chainrule.models import Model
from chainrule.tasks.complexity import complexity_bits
from chainrule.tasks.likelihood import log_probs


@dataclass(frozen=True)
class Scores:
    """Anomaly scores of items, (N,) float64 each. A higher score is more anomalous, except that a low `p_value` is.

    Attributes:
        nats: -log p(x).
        bits_per_dim: nats over ln 2 and the variables that are counted in the item; NaN of densities.
        p_value: share of the reference, and of the item itself, that is as unlikely or more:
            (1 + Σ_i 1[p(x_i) ≤ p(x)]) / (N + 1). Of an item like the reference it is uniform, whatever the model.
        atypicality: |nats - their mean in the reference|: items that are too likely count as well.
        excess_bits: -log₂ p(x) less the bits of the item compressed; None unless asked for.
        ratio: log p₀(x) - log p(x), nats, p₀ the background model; None without one.
        reference_nats: of the reference's items, (M,).

    References:
        p-value: Song et al. (2018), "PixelDefend", https://arxiv.org/abs/1710.10766, section 3.
        atypicality: Nalisnick et al. (2019), "Detecting out-of-distribution inputs to deep generative models using
        typicality", https://arxiv.org/abs/1906.02994, section 3.2, for groups of one item.
        excess: Serrà et al. (2020), "Input complexity and out-of-distribution detection with likelihood-based
        generative models", https://arxiv.org/abs/1909.11480, eq. 1.
        ratio: Ren et al. (2019), "Likelihood ratios for out-of-distribution detection",
        https://arxiv.org/abs/1906.02845, eq. 3, with the sign changed.
    """

    nats: Tensor
    bits_per_dim: Tensor
    p_value: Tensor
    atypicality: Tensor
    reference_nats: Tensor
    excess_bits: Tensor | None = None
    ratio: Tensor | None = None

    def to_dict(self) -> dict[str, Tensor]:
        """The scores of the items that there are, by name."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        del named["reference_nats"]
        return {name: value for name, value in named.items() if value is not None}

    def alarms(self, rate: float) -> Tensor:
        """Which items lie above `alarm_threshold` (N,), as a share `rate` of usual items at most does."""
        return self.nats > alarm_threshold(self.reference_nats, rate)


def score(
    model: Model,
    x: Tensor,
    reference: Tensor | None = None,
    *,
    cond: Tensor | None = None,
    reference_cond: Tensor | None = None,
    reference_nats: Tensor | None = None,
    background: Model | None = None,
    complexity: bool = False,
    batch_size: int = 256,
) -> Scores:
    """Score items beside a reference.

    A low likelihood alone does not make an anomaly of an item, nor a high one something familiar: simple items are
    likely under any model.

    Args:
        model: of the items.
        x: (N, *event_shape).
        reference: normal items (M, *event_shape), held out, since those trained on are likelier than
            others of their kind, and make these look anomalous. PixelDefend takes the training items.
        cond, reference_cond: one per item, for a conditional model.
        reference_nats: of normal items (M,), in place of these, as a packed run has them; see
            `chainrule.tasks.sharing.reference_of`.
        background: of the same domain and conditions, such as one trained with the option `mutate`.
        complexity: whether to compress the items, which must be levels.
        batch_size: items at once.

    Raises:
        ChainruleError: if there are no items, or not one reference; if items do not lie in the domain; if the
            background model is of another one.
    """
    domain = model.domain
    if background is not None and background.domain != domain:
        raise ChainruleError(f"background: expected a model of {domain}, got one of {background.domain}")
    if (reference is None) == (reference_nats is None):
        got = "none" if reference is None else "both"
        raise ChainruleError(f"reference: expected items, or reference_nats, got {got}")
    if reference is not None:
        if len(reference) == 0:
            raise ChainruleError("reference: expected at least one item, got none")
        reference_nats = -log_probs(model, reference, reference_cond, batch_size=batch_size)
    assert reference_nats is not None
    usual = -reference_nats.double()
    own = log_probs(model, x, cond, batch_size=batch_size)
    bits = bits_per_dim(-own, model.counted(x).flatten(1).sum(1).cpu())
    return Scores(
        nats=-own,
        bits_per_dim=bits.fill_(math.nan) if is_density(domain) else bits,
        p_value=rank_p_value(own, usual),
        atypicality=(own - usual.mean()).abs(),
        reference_nats=-usual,
        excess_bits=bits_per_dim(-own, 1) - complexity_bits(x, domain) if complexity else None,
        ratio=None if background is None else log_probs(background, x, cond, batch_size=batch_size) - own,
    )


def rank_p_value(log_prob: Tensor, reference: Tensor) -> Tensor:
    """(1 + Σ_i 1[reference_i ≤ log_prob]) / (M + 1): log-likelihoods (N,) and (M,) → (N,) float64.

    Example:
        >>> rank_p_value(torch.tensor([-5.0, -1.5]), torch.tensor([-3.0, -2.0, -1.0]))
        tensor([0.2500, 0.7500], dtype=torch.float64)
    """
    below = torch.searchsorted(reference.sort().values, log_prob, right=True)
    return (1 + below).double() / (len(reference) + 1)


def alarm_threshold(reference: Tensor, rate: float) -> float:
    """The nats above which an item alarms, so that no more than a share `rate` of usual items does.

    Above it lie exactly the items whose p-value is at most `rate`. Of a new item like the reference the chance to lie
    above is at most `rate`, whatever the model and however small the reference.

    Args:
        reference: nats of usual items (M,), held out.
        rate: of false alarms, in (0, 1).

    Returns:
        Nats; inf where the reference is too small for any alarm, M + 1 < 1 / rate.

    Raises:
        ChainruleError: if the rate is none.

    Example:
        >>> alarm_threshold(torch.arange(99.0), 0.05)
        94.0
    """
    if not 0 < rate < 1:
        raise ChainruleError(f"false alarms: expected a rate in (0, 1), got {rate}")
    above = math.floor(rate * (len(reference) + 1) + 1e-9) - 1  # of the reference, at most
    return math.inf if above < 0 else reference.double().sort(descending=True).values[above].item()


def least_reference(rate: float) -> int:
    """How many usual items it takes for any to alarm at a rate of false alarms.

    Example:
        >>> least_reference(0.01)
        99
    """
    return math.ceil((1 - 1e-9) / rate) - 1
