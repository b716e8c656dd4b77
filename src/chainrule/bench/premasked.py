"""The parallel pass of a MADE as fast as plain torch has it: for naive peers that deserve a fair chance."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from chainrule.layers import MaskedLinear
from chainrule.models import AutoregressiveModel
from chainrule.networks.masked_perceptron import MaskedPerceptron


def premasked(model: AutoregressiveModel) -> Callable[[Tensor], Tensor]:
    """codes (B, D·C) → parameters (B, D·P) of a plain MADE, its weights multiplied by their masks once, now."""
    network = model.network
    assert isinstance(network, MaskedPerceptron) and not network.residual
    layers = [_weights(layer) for layer in network.layers]
    (out, bias), (direct, _) = _weights(network.out), _weights(network.direct)

    def forward(codes: Tensor) -> Tensor:
        hidden = codes
        for weight, shift in layers:
            hidden = torch.relu(F.linear(hidden, weight, shift))
        return F.linear(hidden, out, bias) + F.linear(codes, direct)

    return forward


@torch.no_grad()
def _weights(layer: MaskedLinear) -> tuple[Tensor, Tensor | None]:
    return layer.weight * layer.mask, layer.bias
