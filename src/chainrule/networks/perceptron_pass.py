"""A masked perceptron in one piece, gradients included: nothing but products, and what cannot be left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from chainrule.layers.linear import MaskedLinear
from chainrule.layers.masked_product import MaskedProduct


class PerceptronPass(torch.autograd.Function):
    """h_0 = x, h_i = f(W_i h_{i-1} + b_i), plus h_{i-1} from the second on if `residual`; y = V h + c + U x.

    `apply` takes x (B, inputs), the condition's part (B, H) or None, the layers W_1 …, V, U, `residual`, and
    the parameters of the layers, weight and bias in turn, U's weight alone; it gives y (B, outputs).
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        added: Tensor | None,
        layers: Sequence[MaskedLinear],
        residual: bool,
        *parameters: Tensor,
    ) -> Tensor:
        """y, (B, outputs), in the order of x in memory."""
        products = [layer.product() for layer in layers]
        active, below = [], [x]
        for i, product in enumerate(products[:-2]):
            a = product.times(below[-1], parameters[2 * i + 1])
            if added is not None and i == 0:
                a.add_(added)
            active.append(a.relu_())
            below.append(a + below[-1] if residual and i else a)
        y = products[-2].times(below[-1], parameters[-2])
        products[-1].times(x, into=y)
        ctx.save_for_backward(*parameters, *active, *below)
        ctx.products, ctx.residual, ctx.added = products, residual, added
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """The gradients of x, the condition's part and the parameters."""
        *layers, last, direct = ctx.products
        depth = len(layers)
        parameters, hidden = ctx.saved_tensors[: -2 * depth - 1], ctx.saved_tensors[-2 * depth - 1 :]
        active, below = hidden[:depth], hidden[depth:]
        if torch.is_grad_enabled():  # of higher derivatives
            given = [t for t in (below[0], ctx.added, *parameters) if t is not None and t.requires_grad]
            y = _plain(below[0], ctx.added, ctx.products, ctx.residual, parameters)
            rest = iter(torch.autograd.grad(y, given, grad, create_graph=True))
            of = [None if t is None or not t.requires_grad else next(rest) for t in (below[0], ctx.added)]
            return *of, None, None, *(next(rest) if p.requires_grad else None for p in parameters)
        found = [last.outer(grad, below[-1]), grad.sum(0), direct.outer(grad, below[0])]
        of_hidden = last.back(grad)
        of_x = direct.back(grad) if ctx.needs_input_grad[0] else None
        for i in reversed(range(depth)):
            of_rows = torch.ops.aten.threshold_backward(of_hidden, active[i], 0)
            found = [layers[i].outer(of_rows, below[i]), of_rows.sum(0), *found]
            if i:
                of_hidden = layers[i].back(of_rows, of_hidden if ctx.residual else None)
            elif of_x is not None:
                layers[i].back(of_rows, of_x)
        return of_x, of_rows if ctx.added is not None else None, None, None, *found


def _plain(
    x: Tensor,
    added: Tensor | None,
    products: Sequence[MaskedProduct],
    residual: bool,
    parameters: Sequence[Tensor],
) -> Tensor:
    """The same by torch's functions, which are differentiable as often as one likes."""
    below = x
    for i, product in enumerate(products[:-2]):
        rows = F.linear(below, parameters[2 * i] * product.mask, parameters[2 * i + 1])
        rows = F.relu(rows if added is None or i else rows + added)
        below = rows + below if residual and i else rows
    y = F.linear(below, parameters[-3] * products[-2].mask, parameters[-2])
    return y + F.linear(x, parameters[-1] * products[-1].mask)
