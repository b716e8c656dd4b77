"""Recurrent nets: unlimited memory in a state of fixed size."""

from __future__ import annotations

from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.domain import Domain
from chainrule.errors import ChainruleError
from chainrule.layers import CausalLayer, Condition, Pointwise, Recurrent, Serial, StrictInput
from chainrule.layers.dropout import Dropout
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.models.parts.encoders import EncodingName
from chainrule.models.parts.sequence import OutputName, sequence_parts
from chainrule.networks import Stack


class Tied(nn.Module):
    """Logits h·v_k + b_k, with the vectors v_k by which levels enter: (…, C) → (…, K).

    Args:
        enter: the linear map of one-hot levels, whose first K columns are the vectors.
        levels: K.

    References:
        Press, Wolf (2017), "Using the output embedding to improve language models",
        https://arxiv.org/abs/1608.05859
    """

    def __init__(self, enter: nn.Linear, levels: int) -> None:
        super().__init__()
        self._enter = (enter,)  # in a tuple: the weight is saved once, where it belongs
        self.bias = nn.Parameter(torch.zeros(levels))

    def forward(self, h: Tensor) -> Tensor:
        """(…, C) → (…, K)."""
        return F.linear(h, self._enter[0].weight[:, : len(self.bias)].T, self.bias)


class RecurrentNet(AutoregressiveModel):
    """p(x_d | x_<d) = softmax(W h_d), h_d = cell(x_{d-1}, h_{d-1}), with h_0 learned.

    Args:
        cell: "rnn", "lstm" or "gru"; the model's name fixes it.
        width: of the input layer and of each hidden state.
        depth: recurrent layers.
        dropout: before each recurrent layer and before the output.
        tied: whether the output layer shares its weights with the input embedding of the levels: fewer parameters.
        output: see `models.sequence`.
        classes, embedding: of the condition; see `layers.Condition`.
        encoding: see `models.encoding`.
        ordering: of the variables.

    References:
        Sutskever, Martens, Hinton (2011), "Generating text with recurrent neural networks".
    """

    smallest = MappingProxyType({"width": 32})

    def __init__(
        self,
        domain: Domain,
        *,
        cell: Literal["rnn", "lstm", "gru"] = "lstm",
        width: int = 128,
        depth: int = 2,
        dropout: float = 0.3,
        tied: bool = False,
        output: OutputName = "independent",
        classes: int | list[int] | None = None,
        embedding: int | None = None,
        encoding: EncodingName | None = None,
        ordering: str | list[int] = "natural",
    ) -> None:
        if depth < 1:
            raise ChainruleError(f"depth: expected at least 1 recurrent layer, got {depth}")
        values, inputs, head, _ = sequence_parts(domain, encoding=encoding, output=output)

        enter = nn.Linear(inputs, width)
        layers: list[CausalLayer] = []
        for _ in range(depth):
            layers += [Pointwise(Dropout(dropout)), Recurrent(width, width, cell=cell)]
        if tied and head.size != inputs - 1:
            raise ChainruleError(f"tied: expected one-hot levels, one variable a step, got {domain}")
        last = Tied(enter, head.size) if tied else nn.Linear(width, head.size)
        layers += [Pointwise(Dropout(dropout)), Pointwise(last)]

        condition = Condition(width, classes=classes, embedding=embedding)
        network = Stack(StrictInput(values), Pointwise(enter), Serial(*layers), condition)
        super().__init__(network, domain, head, ordering=ordering)
