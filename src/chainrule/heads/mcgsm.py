"""Mixtures of conditional Gaussian scale mixtures: the head of the spatial LSTM."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chainrule.heads.conditional import Conditional
from chainrule.heads.head import Head
from chainrule.heads.kernels import LOG_SCALES
from chainrule.heads.mixture import MixtureConditional
from chainrule.heads.support import REALS
from chainrule.layers.state import State


class MCGSM(Head):
    """One real as C experts of S scales each: p(x | h) = Σ_cs p(c, s | h) N(x; a_c·h, e^{-α_cs}).

    Which expert and scale it is depends on h by the energies that N features b_n·h have under each:

        p(c, s | h) ∝ exp(η_cs - ½ e^{α_cs} Σ_n β_cn² (b_n·h)²)

    so that an expert's narrow scales are for places where its features are near zero. The network gives a_c·h and
    b_n·h, with biases; η, α and β are the head's own. Standard deviations are clamped to those of `Gaussian`.

    Args:
        components: C.
        scales: S of each.
        features: N; a site has C + N parameters, in this order.

    References:
        Theis, Bethge (2015), "Generative image modeling using spatial LSTMs", §2.1,
        https://arxiv.org/abs/1506.03478

    Example:
        >>> MCGSM(1, 1).log_prob(torch.zeros(1, 17), torch.zeros(1, 1)).detach()
        tensor([[-0.9189]])
    """

    variables, support = 1, REALS

    def __init__(self, components: int = 8, scales: int = 4, features: int = 16) -> None:
        super().__init__()
        self.components, self.size = components, components + features
        self.prior = nn.Parameter(torch.zeros(components, scales))  # η
        # α: standard deviations from 1, that of the data, down to 0.22; each expert starts with all of them.
        self.log_precision = nn.Parameter(torch.linspace(0, 3, scales).repeat(components, 1))
        self.weight = nn.Parameter(torch.randn(components, features) / features**0.5)  # β

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        """(…, P), (…, 1) → (…, 1) nats."""
        return self._conditional(params).log_prob(x[..., 0])[..., None]

    def step(self, prev: Tensor | None, state: State, v: int) -> tuple[Conditional, State]:
        """The mixture."""
        return self._conditional(state), state

    def _conditional(self, params: Tensor) -> MixtureConditional:
        means, features = params[..., : self.components], params[..., self.components :]
        alpha = self.log_precision.clamp(-2 * LOG_SCALES[1], -2 * LOG_SCALES[0])
        # Not a matrix product: autocast would round that to bfloat16.
        energy = (self.weight.square() * features[..., None, :].square()).sum(-1)
        logits = self.prior - alpha.exp() * energy[..., None] / 2
        log_weights = torch.log_softmax(logits.flatten(-2), dim=-1)
        shape = logits.shape
        return MixtureConditional(
            log_weights,
            means[..., None].expand(shape).flatten(-2),
            (-alpha / 2).expand(shape).flatten(-2),
            "gaussian",
        )
