"""Muon: momentum whose matrices are made orthogonal."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from chainrule.devices import computes_in_bf16

MOMENTUM, BETAS, EPS = 0.95, (0.9, 0.99), 1e-8
QUINTIC = 3.4445, -4.7750, 2.0315  # of the iteration: its five steps bring singular values to about 1 ± 0.3
STEPS, RMS = 5, 0.2  # RMS of an update of AdamW, so that its rates suit


class Muon(torch.optim.Optimizer):
    """Each matrix moves by the orthogonal matrix nearest to its momentum; vectors move as AdamW has it.

    m ← 0.95 m + 0.05 g; W ← (1 - lr · weight_decay) W - lr · 0.2 √max(rows, columns) · orthogonal(0.95 m + 0.05 g). So
    all directions of a matrix are learned at one speed, rare ones too. A kernel (outputs, inputs, height, width) is a
    matrix of outputs × the rest. Directions are found in bf16 where the hardware computes in it, in half the time;
    weights and momenta stay as they are. `torch.optim.Muon` takes matrices alone, neither kernels nor vectors.

    Args:
        params: parameters, or groups of them.
        lr: as of AdamW, thanks to the factor 0.2 √max(rows, columns).
        weight_decay: of all.

    References:
        Jordan et al. (2024), "Muon: an optimizer for hidden layers", https://kellerjordan.github.io/posts/muon/
        Liu et al. (2025), "Muon is scalable for LLM training", §2.2 for the factor, https://arxiv.org/abs/2502.16982
    """

    def __init__(self, params: Iterable[Any], lr: float, weight_decay: float) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move all parameters that have a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                p.mul_(1 - group["lr"] * group["weight_decay"])
                if p.ndim > 1:
                    p.add_(self._orthogonal(p), alpha=-group["lr"])
                else:
                    p.add_(self._adam(p), alpha=-group["lr"])
        return loss

    def _orthogonal(self, p: Tensor) -> Tensor:
        state = self.state[p]
        if not state:
            state["momentum"] = torch.zeros_like(p)
        gradient: Any = p.grad
        momentum = state["momentum"].lerp_(gradient, 1 - MOMENTUM)
        update = torch.lerp(gradient, momentum, MOMENTUM).flatten(1)
        coarse = torch.bfloat16 if computes_in_bf16(p.device) else update.dtype
        direction = orthogonal(update.to(coarse)).to(update.dtype)
        return direction.mul_(RMS * math.sqrt(max(update.shape))).view(p.shape)

    def _adam(self, p: Tensor) -> Tensor:
        state = self.state[p]
        if not state:
            state.update(step=torch.zeros(()), mean=torch.zeros_like(p), square=torch.zeros_like(p))
        gradient: Any = p.grad
        state["step"] += 1
        n = state["step"].item()
        mean = state["mean"].lerp_(gradient, 1 - BETAS[0])
        square = state["square"].lerp_(gradient.square(), 1 - BETAS[1])
        root = (square / (1 - BETAS[1] ** n)).sqrt_().add_(EPS)
        return mean / (1 - BETAS[0] ** n) / root


def orthogonal(matrix: Tensor) -> Tensor:
    """U Vᵀ of a matrix U S Vᵀ, nearly: (M, N) → (M, N), whose singular values lie between some 0.7 and 1.2."""
    a, b, c = QUINTIC
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = wide / wide.norm().clamp(min=1e-7)
    for _ in range(STEPS):
        square = x @ x.T
        x = torch.addmm(x, torch.addmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x if matrix.shape[0] <= matrix.shape[1] else x.T
