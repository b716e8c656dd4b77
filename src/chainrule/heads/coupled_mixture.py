"""The likelihood of a mixture of rounded logistics with its gradient written out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


def coupled_mixture(
    logits: Tensor, means: Tensor, log_scales: Tensor, coefficients: Tensor, level: Tensor, levels: int
) -> Tensor:
    """Parameters and levels of N sites → the nats of their V variables, (V, N); see `DiscretisedLogistic`.

    Sites lie along the last dimension, so that sums over K components are sums of long runs. Left to autograd, the
    gradient takes three times as many passes.

    Args:
        logits: of the weights, (K, N).
        means: before they are shifted, (V, K, N).
        log_scales: (V, K, N).
        coefficients: within (-1, 1), (V(V-1)/2, K, N).
        level: (V, N).
        levels: L.
    """
    return _CoupledMixture.apply(logits, means, log_scales, coefficients, level, levels)


class _CoupledMixture(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        means: Tensor,
        log_scales: Tensor,
        coefficients: Tensor,
        level: Tensor,
        levels: int,
    ) -> Tensor:
        variables = len(means)
        x = level.to(means.dtype) * (2 / max(levels - 1, 1)) - 1
        first, last = (level == 0)[:, None], (level == levels - 1)[:, None]
        centre = x[:, None] - means
        for pair, (u, v) in enumerate(_pairs(variables)):
            centre[v].addcmul_(coefficients[pair], x[u], value=-1)
        inverse = torch.exp(-log_scales)
        centre.mul_(inverse)
        half = inverse / max(levels - 1, 1)
        upper, lower = half + centre, half - centre
        masses = F.logsigmoid(upper).masked_fill_(last, 0.0)
        masses += F.logsigmoid(lower).masked_fill_(first, 0.0)
        masses += torch.log(-torch.expm1(-2 * half)).masked_fill_(first | last, 0.0)
        terms, posteriors = [], [torch.log_softmax(logits, dim=0)]
        for mass in masses:
            # Normalised before the next term comes in: small terms then survive next to a large sum.
            joint = posteriors[-1] + mass
            peak = joint.amax(0)
            total = joint.sub_(peak).exp().sum(0).log_()  # of small numbers: no digits are lost
            terms.append(peak.add_(total))
            posteriors.append(joint.sub_(total))
        if any(ctx.needs_input_grad):
            above = torch.sigmoid(upper.neg_()).masked_fill_(last, 0.0)
            below = torch.sigmoid(lower.neg_()).masked_fill_(first, 0.0)
            width = (2 / torch.expm1(2 * half)).masked_fill_(first | last, 0.0)
            slope = above - below  # of the mass by the centre
            of_scale = width.add_(above).add_(below).mul_(half).addcmul_(centre, slope).neg_()
            ctx.save_for_backward(torch.stack(posteriors).exp_(), slope.mul_(inverse), of_scale, x)
        return torch.stack(terms)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        posteriors, slope, of_scale, x = ctx.saved_tensors
        steps = grad[:, None] * posteriors.diff(dim=0)  # what each term gives to the log-weights
        # A mass is in its own term and in the weights of all that follow.
        of_mass = steps.flip(0).cumsum(0).flip(0)
        of_weights = of_mass[0].clone()
        of_mass.addcmul_(grad[:, None], posteriors[:-1])
        of_means = of_mass.mul(slope).neg_()
        of_coefficients = [of_means[v] * x[u] for u, v in _pairs(len(x))]
        return (
            of_weights,
            of_means,
            of_mass * of_scale,
            torch.stack(of_coefficients) if of_coefficients else x.new_zeros(0, *slope.shape[1:]),
            None,
            None,
        )


def _pairs(variables: int) -> list[tuple[int, int]]:
    """For each coefficient, the variable that shifts and the one that is shifted."""
    return [(u, v) for u in range(variables) for v in range(u + 1, variables)]
