"""Numbers in [0, 1] to all of ℝ."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from chainrule.flows.bijection import Bijection

MARGIN = 0.05  # as in Real NVP: what stays of the logit's steep ends


class Logit(Bijection):
    """z = logit(a + (1 - 2a) y): the edges of the pixel range stay finite.

    References:
        Dinh, Sohl-Dickstein, Bengio (2017), https://arxiv.org/abs/1605.08803, §4.1
    """

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """(B, *shape) → (B, *shape), (B,). Nothing outside of (-a', 1 + a') has an image: it must not be asked for."""
        z = torch.logit(MARGIN + (1 - 2 * MARGIN) * y)
        return z, self._log_slope(z).flatten(1).sum(1)

    def inverse(self, z: Tensor) -> Tensor:
        """(B, *shape) → (B, *shape), in (-a', 1 + a')."""
        return (torch.sigmoid(z) - MARGIN) / (1 - 2 * MARGIN)

    @staticmethod
    def _log_slope(z: Tensor) -> Tensor:
        """log dz/dy: 1 / (p (1 - p)) of p = σ(z), times 1 - 2a."""
        return F.softplus(z) + F.softplus(-z) + torch.log(torch.tensor(1 - 2 * MARGIN, dtype=z.dtype))
